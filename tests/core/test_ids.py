"""Valid ids, and aliases of an id that are invalid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.events import REST_DEVICE
from presence.core.ids import parse_device_id, parse_server_id, parse_user_id
from presence.errors import InvalidInput

SHAPE = "must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ @ + = -"


@pytest.mark.parametrize(
    "raw",
    [
        "alice",
        "a",
        "x" * 128,
        "A.b_c~d@e+f=g-h",
        "5f0c2a34-9d3e-4a77-8a53-0d6a0c7f3c11",
        "7",
        "9007199254740991",
        "-7",
        "7.0",
        "1e5",
        "07a",
        "...",
        "@you",
        "Presence",
    ],
)
def test_a_user_id_is_taken_as_it_is(raw):
    assert parse_user_id(raw) == raw


@pytest.mark.parametrize("raw", ["0", "@me", ".", "..", "presence"])
def test_a_reserved_word_is_no_user_id(raw):
    with pytest.raises(InvalidInput, match=r"^user id is not a valid user id$"):
        parse_user_id(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 129, id="too long"),
        pytest.param("a b", id="space"),
        pytest.param(" 7 ", id="spaces around"),
        pytest.param("7\n", id="newline behind"),
        pytest.param("a/b", id="slash"),
        pytest.param("a:b", id="colon"),
        pytest.param("1_000 ", id="underscore and space"),
        pytest.param("\u0967\u0968", id="Devanagari digits"),
        pytest.param("\uff17", id="fullwidth digit"),
        pytest.param("\u00b2", id="superscript digit"),
        pytest.param("\u00e9", id="letter beyond ASCII"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("a\x00", id="null"),
        pytest.param(None, id="None"),
        pytest.param(7, id="number"),
        pytest.param(True, id="bool"),
        pytest.param(b"alice", id="bytes"),
        pytest.param(["alice"], id="list"),
        pytest.param("x" * 10_000_000, id="ten megabytes"),
    ],
)
@pytest.mark.parametrize("parse", [parse_user_id, parse_server_id, parse_device_id])
def test_no_id_of_any_kind(parse, raw):
    with pytest.raises(InvalidInput) as refusal:
        parse(raw, "ids")
    assert refusal.value.field == "ids"


@pytest.mark.parametrize("raw", ["07", "00", "9007199254740992", "9" * 19, "1" * 128])
def test_an_all_digit_user_id_is_canonical_and_fits_a_double(raw):
    with pytest.raises(
        InvalidInput, match=r"^user id is not a canonical number of at most 2\^53-1$"
    ):
        parse_user_id(raw)


@pytest.mark.parametrize("parse", [parse_server_id, parse_device_id])
@pytest.mark.parametrize("raw", ["everyone", "0", "07", "@me", "presence", "9" * 19, "..."])
def test_server_and_device_ids_are_free_of_the_rules_for_users(parse, raw):
    assert parse(raw) == raw


@pytest.mark.parametrize("raw", [".", ".."])
def test_no_server_or_device_is_a_step_in_a_path(raw):
    with pytest.raises(InvalidInput, match=r"^server id ") as of_server:
        parse_server_id(raw)
    with pytest.raises(InvalidInput, match=r"^device ") as of_device:
        parse_device_id(raw)
    assert (of_server.value.problem, of_device.value.problem) == (SHAPE, SHAPE)


def test_the_device_of_leases_is_none_that_a_client_could_name():
    with pytest.raises(InvalidInput):
        parse_device_id(REST_DEVICE)


@given(st.integers(min_value=1, max_value=2**53 - 1))
def test_every_canonical_number_is_a_user_id(number):
    assert parse_user_id(str(number)) == str(number)


@given(st.text(st.characters(codec=None)))
def test_an_id_is_taken_unchanged_or_refused(raw):
    try:
        assert parse_user_id(raw) == raw
    except InvalidInput:
        return
    assert raw.isascii()
