"""Bodies and queries of REST: values, and refusals that name the field."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from poison import POISON, is_good_list

from presence.core.types import Status
from presence.core.user.patch import EMPTY_PATCH, UNSET, PresencePatch
from presence.dialects.together.rest import (
    DevToken,
    Page,
    ServerPut,
    UserPut,
    parse_dev_token,
    parse_member_list,
    parse_page,
    parse_patch,
    parse_presence_query,
    parse_server_put,
    parse_user_put,
)
from presence.errors import InvalidInput

NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z
DEEP = "[" * 900 + "]" * 900


def read_members(body):
    """Each member once, in the order given."""
    return tuple(dict.fromkeys(parse_member_list(body)))


def encode(body):
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def patch(body):
    return parse_patch(encode(body), NOW)


@pytest.mark.parametrize(
    ("body", "change"),
    [
        pytest.param({}, EMPTY_PATCH, id="nothing"),
        *(
            pytest.param({"status": status.value}, PresencePatch(intent=status), id=status.value)
            for status in Status
        ),
        pytest.param(
            {"status": "dnd", "custom_status": "Building", "activity": "chess"},
            PresencePatch(intent=Status.DND, custom_status="Building", activity="chess"),
            id="several fields at once",
        ),
        pytest.param({"activity": "chess"}, PresencePatch(activity="chess"), id="a text alone"),
        pytest.param({"lease": 10}, PresencePatch(lease=10.0), id="the shortest lease"),
        pytest.param({"lease": 14400}, PresencePatch(lease=14400.0), id="the longest lease"),
        pytest.param({"lease": 60.5}, PresencePatch(lease=60.5), id="a lease of broken seconds"),
        pytest.param(
            {"custom_status": None, "activity": None},
            PresencePatch(custom_status=None, activity=None),
            id="null clears",
        ),
        pytest.param({"custom_status": " "}, PresencePatch(custom_status=None), id="blank clears"),
        pytest.param(
            {"status": "away", "until": 60},
            PresencePatch(intent=Status.AWAY, until=NOW + 60),
            id="until",
        ),
        pytest.param(
            {"status": "away", "until": "2025-06-15T15:06:41Z"},
            PresencePatch(intent=Status.AWAY, until=NOW + 1),
            id="until as a time",
        ),
        pytest.param(
            {"status": "away", "until": None},
            PresencePatch(intent=Status.AWAY),
            id="until null is none",
        ),
        pytest.param(
            {"custom_status": "x", "custom_status_until": 5},
            PresencePatch(custom_status="x", custom_status_until=NOW + 5),
            id="text with an end",
        ),
        pytest.param(
            {"custom_status_until": 5},
            PresencePatch(custom_status_until=NOW + 5),
            id="end of the present text",
        ),
        pytest.param(
            {"custom_status_until": None},
            PresencePatch(custom_status_until=None),
            id="end taken away",
        ),
        pytest.param({"appear_offline": True}, PresencePatch(appear_offline=True), id="flag set"),
        pytest.param(
            {"appear_offline": False}, PresencePatch(appear_offline=False), id="flag back"
        ),
        pytest.param(
            b' {"status" : "away"}\n', PresencePatch(intent=Status.AWAY), id="white space"
        ),
    ],
)
def test_a_patch_becomes_a_change(body, change):
    assert patch(body) == change


def test_a_patch_concerns_no_connection():
    assert patch({"status": "online"}).state is UNSET


STATUS = "status must be one of online, away, dnd, offline"
TEXT = "custom_status must be a string or null"
FLAG = "appear_offline must be true or false"
UNTIL = "until must be a number of seconds, an RFC 3339 time or null"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param({"status": "invisible"}, STATUS, id="invisible"),
        pytest.param({"status": "Online"}, STATUS, id="case"),
        pytest.param({"status": None}, STATUS, id="status null"),
        pytest.param({"status": 1}, STATUS, id="status number"),
        pytest.param({"status": ["online"]}, STATUS, id="status list"),
        pytest.param({"custom_status": 5}, TEXT, id="number is no text"),
        pytest.param({"custom_status": ["a"]}, TEXT, id="list is no text"),
        pytest.param(
            {"custom_status": "x" * 129},
            "custom_status is longer than 128 characters",
            id="129 characters of custom status",
        ),
        pytest.param(
            {"activity": "x" * 129},
            "activity is longer than 128 characters",
            id="129 characters of activity",
        ),
        pytest.param(
            {"status": "dnd", "activity": "\u202e"},
            "activity holds a character that is not allowed",
            id="bidi",
        ),
        pytest.param({"appear_offline": 1}, FLAG, id="1 is not true"),
        pytest.param({"appear_offline": "true"}, FLAG, id="string is not true"),
        pytest.param({"appear_offline": None}, FLAG, id="null is not false"),
        pytest.param({"until": 60}, "until needs a status", id="until alone"),
        pytest.param({"until": None}, "until needs a status", id="until null alone"),
        pytest.param({"status": "dnd", "until": True}, UNTIL, id="true is not 1"),
        pytest.param(
            {"status": "dnd", "until": 0},
            "until must lie in the future, at most 365 days ahead",
            id="until now",
        ),
        pytest.param(
            {"custom_status_until": "soon"},
            "custom_status_until is not an RFC 3339 time",
            id="until soon",
        ),
        pytest.param({"mood": 1}, "mood is not a known key", id="unknown key"),
        pytest.param(
            {"status": "away", "afk": True}, "afk is not a known key", id="afk is not for REST"
        ),
        pytest.param({"id": "bob"}, "id is not a known key", id="id of another"),
        pytest.param({"": 1}, "body has an unknown key", id="empty key"),
        pytest.param({"a\r\nb": 1}, "body has an unknown key", id="key that would break a line"),
        pytest.param({"k" * 10_000: 1}, "body has an unknown key", id="key of 10,000"),
        pytest.param(b"", "body is not valid JSON", id="empty"),
        pytest.param(b"{", "body is not valid JSON", id="cut"),
        pytest.param(b"\xff\xfe", "body is not valid JSON", id="no UTF-8"),
        pytest.param(b'{"activity":"\xed\xa0\x80"}', "body is not valid JSON", id="CESU"),
        pytest.param(b'{"a":1} {}', "body is not valid JSON", id="something behind"),
        pytest.param(b"[" * 100_000, "body holds too many values", id="depth"),
        pytest.param(
            b'{"status":"away","status":"offline"}', "body names a key twice", id="key twice"
        ),
        pytest.param([], "body must be a JSON object", id="list"),
        pytest.param(None, "body must be a JSON object", id="null"),
        pytest.param("status", "body must be a JSON object", id="string"),
        pytest.param(DEEP.encode(), "body must be a JSON object", id="list of depth 900"),
    ],
)
def test_a_bad_patch_is_refused_and_names_the_field(body, problem):
    with pytest.raises(InvalidInput) as refusal:
        patch(body)
    assert str(refusal.value) == problem


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"ids": []}, ()),
        ({"ids": ["bob", "alice"]}, ("bob", "alice")),
        ({"ids": ["bob", "alice", "bob"]}, ("bob", "alice", "bob")),
        ({"ids": ["", "bob", "a b", "07", "@me", "x" * 129, "alice"]}, ("bob", "alice")),
        ({"ids": ["\u0667"]}, ()),
        ({"ids": [f"u{n}" for n in range(500)]}, tuple(f"u{n}" for n in range(500))),
    ],
)
def test_presence_is_asked_for_in_order(body, ids):
    assert parse_presence_query(encode(body)) == ids


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "ids is missing"),
        ({"ids": None}, "ids must be a list"),
        ({"ids": "abc"}, "ids must be a list"),
        ({"ids": {"a": 1}}, "ids must be a list"),
        ({"ids": [7]}, "ids must be a list of strings"),
        ({"ids": [None]}, "ids must be a list of strings"),
        ({"ids": ["a b", ["ok"]]}, "ids must be a list of strings"),
        ({"ids": ["a b"] * 501}, "ids has more than 500 entries"),
        ({"ids": ["a"] * 501}, "ids has more than 500 entries"),
        ({"ids": [], "limit": 5}, "limit is not a known key"),
        ([], "body must be a JSON object"),
    ],
)
def test_a_bad_presence_query_is_refused(body, problem):
    with pytest.raises(InvalidInput) as refusal:
        parse_presence_query(encode(body))
    assert str(refusal.value) == problem


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, Page(limit=100, after=None)),
        ({"limit": "1"}, Page(limit=1)),
        ({"limit": "500", "after": "alice"}, Page(limit=500, after="alice")),
        ({"after": "7", "user": "alice", "token": "x"}, Page(after="7")),
    ],
)
def test_a_page_is_read_from_the_query(query, page):
    assert parse_page(query) == page


@pytest.mark.parametrize(
    "limit",
    [
        *("", "0", "501", "999", "1000", "-1", "+5", " 5", "5\n", "05", "5.0", "1e2", "ten"),
        "\u0667",
        "9" * 5000,
    ],
)
def test_a_limit_is_a_plain_number_from_1_to_500(limit):
    with pytest.raises(InvalidInput) as refusal:
        parse_page({"limit": limit})
    assert str(refusal.value) == "limit must be a number from 1 to 500"


@pytest.mark.parametrize("after", ["", "a b", "07", "@me", "\ud800", "x" * 129])
def test_a_page_begins_after_a_valid_id(after):
    with pytest.raises(InvalidInput, match=r"^after is not a "):
        parse_page({"after": after})


@pytest.mark.parametrize(
    ("parse", "body", "value"),
    [
        (parse_server_put, b"", ServerPut()),
        (parse_server_put, {}, ServerPut()),
        (parse_server_put, {"name": None}, ServerPut()),
        (parse_server_put, {"name": "Cafe\u0301"}, ServerPut(name="Caf\u00e9")),
        (parse_user_put, b"", UserPut()),
        (parse_user_put, {}, UserPut()),
        (parse_user_put, {"username": None}, UserPut()),
        (parse_user_put, {"username": "Alice"}, UserPut(username="Alice")),
        (read_members, {"members": []}, ()),
        (read_members, {"members": ["b", "a", "b"]}, ("b", "a")),
        (parse_dev_token, {"user": "alice"}, DevToken(user="alice")),
        (parse_dev_token, {"user": "alice", "servers": None}, DevToken(user="alice")),
        (parse_dev_token, {"user": "alice", "servers": []}, DevToken(user="alice", servers=())),
        (
            parse_dev_token,
            {"user": "alice", "servers": ["s1", "0"]},
            DevToken(user="alice", servers=("s1", "0")),
        ),
    ],
)
def test_administration_reads_its_bodies(parse, body, value):
    assert parse(encode(body)) == value


def test_ten_thousand_members_are_taken_and_no_more():
    members = [f"user-{n}" for n in range(10_001)]
    assert read_members(encode({"members": members[:-1]})) == tuple(members[:-1])
    with pytest.raises(InvalidInput, match=r"^members has more than 10000 entries$"):
        read_members(encode({"members": members}))


@pytest.mark.parametrize(
    ("parse", "body", "problem"),
    [
        (parse_server_put, {"name": " "}, "name must not be empty or blank"),
        (parse_server_put, {"name": 5}, "name must be a string or null"),
        (parse_server_put, {"id": "x"}, "id is not a known key"),
        (parse_server_put, b" ", "body is not valid JSON"),
        (parse_user_put, {"username": ""}, "username must not be empty or blank"),
        (parse_user_put, {"username": "x" * 129}, "username is longer than 128 characters"),
        (parse_user_put, {"name": "x"}, "name is not a known key"),
        (read_members, b"", "body is not valid JSON"),
        (read_members, {}, "members is missing"),
        (read_members, {"members": "abc"}, "members must be a list"),
        (read_members, {"members": ["@me"]}, "members is not a valid user id"),
        (parse_dev_token, {}, "user is missing"),
        (parse_dev_token, {"user": 7}, "user is not a valid user id"),
        (parse_dev_token, {"user": "a", "servers": "s1"}, "servers must be a list"),
        (
            parse_dev_token,
            {"user": "a", "servers": [".."]},
            "servers must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ @ + = -",
        ),
        (
            parse_dev_token,
            {"user": "a", "servers": ["s"] * 501},
            "servers has more than 500 entries",
        ),
        (parse_dev_token, {"user": "a", "admin": True}, "admin is not a known key"),
    ],
)
def test_administration_refuses_by_name(parse, body, problem):
    with pytest.raises(InvalidInput) as refusal:
        parse(encode(body))
    assert str(refusal.value) == problem


READERS = {
    "patch": (lambda body: parse_patch(body, NOW), "status until appear_offline custom_status"),
    "patch texts": (lambda body: parse_patch(body, NOW), "custom_status_until activity lease"),
    "presence": (parse_presence_query, "ids"),
    "server": (parse_server_put, "name"),
    "user": (parse_user_put, "username"),
    "members": (read_members, "members"),
    "dev token": (parse_dev_token, "user servers"),
}
CASES = [(read, field) for read, fields in READERS.values() for field in fields.split()]
FIELDS = [field for _, field in CASES]


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
@pytest.mark.parametrize(("read", "field"), CASES, ids=FIELDS)
def test_poison_in_any_field_is_refused(read, field, poison):
    required = {"until": b'"status":"away",', "servers": b'"user":"alice",'}
    body = b'{%s"%s": %s}' % (required.get(field, b""), field.encode(), poison)
    is_list = field in {"ids", "members", "servers"}
    if is_list and is_good_list(body, takes_any_text=field == "ids"):
        return
    with pytest.raises(InvalidInput) as refusal:
        read(body)
    assert refusal.value.field in {field, "body"}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["online", "alice", "2025-06-15T15:06:50Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(FIELDS)
BODIES = st.binary() | (st.dictionaries(NAMES | st.text(), VALUES) | VALUES).map(orjson.dumps)


def problem_of(read, body):
    try:
        read(body)
    except InvalidInput as refusal:
        return str(refusal)
    return ""


@given(BODIES)
def test_any_body_is_read_or_refused(body):
    for read, _ in READERS.values():
        assert problem_of(read, body).isprintable()


@given(st.dictionaries(st.text(st.characters(codec=None)), st.text(st.characters(codec=None))))
def test_any_query_is_read_or_refused(query):
    try:
        page = parse_page(query)
    except InvalidInput:
        return
    assert 1 <= page.limit <= 500
