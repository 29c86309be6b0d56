"""User ids as Matrix writes them, and back."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.ids import parse_user_id
from presence.dialects.matrix.ids import matrix_user_id, parse_login_user, parse_matrix_user_id
from presence.errors import InvalidInput

ALPHABET = string.ascii_letters + string.digits + "._~@+=-"
GRAMMAR = re.compile(r"@[a-z0-9._=/+-]+:example\.org")


def is_user_id(text):
    try:
        return bool(parse_user_id(text))
    except InvalidInput:
        return False


USER_IDS = st.text(ALPHABET, min_size=1, max_size=40).filter(is_user_id)


@pytest.mark.parametrize(
    ("user_id", "written"),
    [
        ("alice", "@alice:s"),
        ("Bob", "@=42ob:s"),
        ("a~b@c", "@a=7eb=40c:s"),
        ("a=b", "@a=3db:s"),
        ("a+b.c_d-e", "@a+b.c_d-e:s"),
        ("7", "@7:s"),
    ],
)
def test_an_id_is_written_within_the_grammar_of_matrix(user_id, written):
    assert matrix_user_id(user_id, "s") == written
    assert parse_matrix_user_id(written, "s") == user_id


@given(user_id=USER_IDS)
def test_every_id_is_read_back(user_id):
    written = matrix_user_id(user_id, "example.org")
    assert GRAMMAR.fullmatch(written)
    assert parse_matrix_user_id(written, "example.org") == user_id


@given(st.text(max_size=30))
def test_nothing_is_read_that_is_not_written_so(text):
    try:
        user_id = parse_matrix_user_id(text, "s")
    except InvalidInput:
        return
    assert matrix_user_id(user_id, "s") == text


@pytest.mark.parametrize(
    "raw",
    [
        "alice",
        "@alice",
        "@alice:other",
        "alice:s",
        "@:s",
        "@=61lice:s",  # an `a` that needs no code
        "@=4Fx:s",
        "@Alice:s",
        "@a=zz:s",
        "@a b:s",
        "@presence:s",
        "@007:s",
    ],
)
def test_other_texts_are_refused_by_the_name_of_the_field(raw):
    with pytest.raises(InvalidInput) as refusal:
        parse_matrix_user_id(raw, "s")
    assert refusal.value.field == "userId"


@pytest.mark.parametrize("raw", ["alice", "@alice:s"])
def test_a_login_names_the_whole_id_or_the_name(raw):
    assert parse_login_user(raw, "s") == "alice"
