"""Requests of Matrix clients."""

import pytest

from presence.core.types import State, Status
from presence.core.user.patch import UNSET, PresencePatch
from presence.dialects.matrix.errors import BadJson, NotJson
from presence.dialects.matrix.inbound import (
    LONGEST_POLL,
    Login,
    parse_events,
    parse_filter,
    parse_login,
    parse_presence_put,
    parse_sync,
)
from presence.dialects.matrix.rest import (
    parse_appear_offline_put,
    parse_device_put,
    parse_status_put,
)
from presence.errors import InvalidInput

ONLINE, IDLE, OFF = State.ONLINE, State.IDLE, State.OFFLINE


def put(body, *, knows_busy=False):
    return parse_presence_put(body, knows_busy=knows_busy)


# -- presence --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("presence", "state", "intent"),
    [
        ("online", ONLINE, UNSET),
        ("unavailable", IDLE, UNSET),
        ("offline", OFF, UNSET),
        ("busy", ONLINE, Status.DND),
        ("org.matrix.msc3026.busy", ONLINE, Status.DND),
    ],
)
def test_a_presence_is_a_state_of_the_device_and_busy_a_choice(presence, state, intent):
    read = put(b'{"presence": "%s"}' % presence.encode())
    assert (read.change.state, read.change.intent) == (state, intent)
    assert read.change.custom_status is UNSET
    assert read.is_busy is (intent is Status.DND)


@pytest.mark.parametrize("presence", ["online", "unavailable", "offline"])
def test_a_device_that_knows_busy_takes_it_back_by_another_presence(presence):
    body = b'{"presence": "%s"}' % presence.encode()
    assert put(body, knows_busy=True).change.ends_dnd
    assert not put(body).change.ends_dnd
    assert not put(b'{"presence": "busy"}', knows_busy=True).change.ends_dnd


@pytest.mark.parametrize(
    ("raw", "text"), [(b'"Lunch"', "Lunch"), (b'""', None), (b"null", None), (b'" "', None)]
)
def test_the_status_message_is_the_custom_status_and_an_empty_one_clears_it(raw, text):
    body = b'{"presence": "online", "status_msg": %s, "unknown": {}}' % raw
    assert put(body).change.custom_status == text


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        (b"{", NotJson, "body"),
        (b"", NotJson, "body"),
        (b"[]", BadJson, "body"),
        (b"{}", BadJson, "presence"),
        (b'{"presence": 1}', BadJson, "presence"),
        (b'{"presence": "away"}', InvalidInput, "presence"),
        (b'{"presence": "online", "status_msg": 1}', InvalidInput, "status_msg"),
        (b'{"presence": "online", "status_msg": "%s"}' % (b"x" * 129), InvalidInput, "status_msg"),
    ],
)
def test_what_is_no_presence_is_refused_by_its_kind(body, error, field):
    with pytest.raises(InvalidInput) as refusal:
        put(body)
    assert (type(refusal.value), refusal.value.field) == (error, field)


# -- sync ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ({}, ONLINE),
        ({"set_presence": "online"}, ONLINE),
        ({"set_presence": "unavailable"}, IDLE),
        ({"set_presence": "offline"}, OFF),
        ({"set_presence": "busy", "full_state": "x", "anything": "y"}, ONLINE),
    ],
)
def test_a_sync_without_a_presence_is_online(query, state):
    assert parse_sync(query).state is state


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [("0", 0.0), ("30000", 30.0), ("1", 0.001), ("999999999", LONGEST_POLL)],
)
def test_a_timeout_is_milliseconds_and_bounded(raw, seconds):
    assert parse_sync({"timeout": raw}).timeout == seconds


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("timeout", "-1"),
        ("timeout", "1.5"),
        ("timeout", "1e3"),
        ("timeout", "x"),
        ("set_presence", "away"),
        ("filter", "2"),
        ("filter", "{"),
        ("filter", '{"presence": 1}'),
        ("filter", '{"presence": {"not_types": "m.presence"}}'),
        ("filter", '{"presence": {"types": [1]}}'),
    ],
)
def test_what_makes_no_sense_in_a_sync_is_refused(name, raw):
    with pytest.raises(InvalidInput):
        parse_sync({name: raw})


@pytest.mark.parametrize(
    ("body", "is_wanted"),
    [
        (b"{}", True),
        (b'{"room": {"timeline": {"limit": 20}}}', True),
        (b'{"presence": {"types": ["m.presence"]}}', True),
        (b'{"presence": {"types": ["m.room.*"]}}', False),
        (b'{"presence": {"types": []}}', False),
        (b'{"presence": {"not_types": ["m.presence"]}}', False),
        (b'{"presence": {"not_types": ["*"]}}', False),
        (b'{"presence": {"not_types": ["m.*"]}}', False),
        (b'{"presence": {"not_types": ["m.typing", "x*"]}}', True),
        (b'{"presence": {"types": ["m.*"], "not_types": ["m.presence"]}}', False),
    ],
)
def test_a_filter_says_whether_presence_is_wanted(body, is_wanted):
    assert parse_sync({"filter": parse_filter(body)}).wants_presence is is_wanted
    assert parse_sync({"filter": body.decode()}).wants_presence is is_wanted


# -- login -----------------------------------------------------------------------------------


def test_a_login_names_a_token_or_a_user_and_may_name_a_device():
    token = parse_login(b'{"type": "m.login.token", "token": "t", "device_id": "D"}')
    assert token == Login("m.login.token", "t", None, "D")
    named = b'{"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "a"}}'
    assert parse_login(named) == Login("m.login.password", None, "a", None)
    assert parse_login(b'{"type": "m.login.password", "user": "a"}').user == "a"


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"type": 1}', b'{"type": "t", "token": 1}', b'{"type": "t", "device_id": "a b"}'],
)
def test_what_is_no_login_is_refused(body):
    with pytest.raises(InvalidInput):
        parse_login(body)


# -- the draft -------------------------------------------------------------------------------


def test_the_event_stream_names_nothing_unless_asked():
    query = parse_events({}, {})
    assert (query.state, query.device, query.timeout, query.since) == (None, None, None, None)


def test_a_browser_resumes_by_its_header():
    query = parse_events(
        {"since": "1", "state": "idle", "device": "tab", "timeout": "5"}, {"last-event-id": "2"}
    )
    assert (query.state, query.device, query.timeout, query.since) == (IDLE, "tab", 0.005, "2")


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (b"{}", PresencePatch()),
        (b'{"status": "busy"}', PresencePatch(intent=Status.DND)),
        (b'{"status": "dnd"}', PresencePatch(intent=Status.DND)),
        (b'{"status": "offline"}', PresencePatch(intent=Status.OFFLINE)),
        (b'{"custom_status": "x"}', PresencePatch(custom_status="x")),
        (b'{"custom_status": null}', PresencePatch(custom_status=None)),
    ],
)
def test_a_status_of_the_draft(body, change):
    assert parse_status_put(body) == change


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (b'{"state": "online"}', PresencePatch(state=ONLINE)),
        (b'{"state": "idle", "lease": 10}', PresencePatch(state=IDLE, lease=10.0)),
        (b'{"state": "offline", "lease": 14400}', PresencePatch(state=OFF, lease=14400.0)),
    ],
)
def test_a_state_of_a_device(body, change):
    assert parse_device_put(body) == change


def test_the_flag():
    change = parse_appear_offline_put(b'{"appear_offline": true}')
    assert change == PresencePatch(appear_offline=True)


@pytest.mark.parametrize(
    ("parse", "body", "field"),
    [
        (parse_status_put, b"[]", "body"),
        (parse_status_put, b'{"state": "idle"}', "body"),
        (parse_status_put, b'{"status": "unavailable"}', "status"),
        (parse_status_put, b'{"custom_status": 5}', "custom_status"),
        (parse_device_put, b"{}", "state"),
        (parse_device_put, b'{"state": "away"}', "state"),
        (parse_device_put, b'{"state": ["idle"]}', "state"),
        (parse_device_put, b'{"state": "idle", "lease": 9}', "lease"),
        (parse_device_put, b'{"state": "idle", "lease": 14401}', "lease"),
        (parse_device_put, b'{"state": "idle", "lease": true}', "lease"),
        (parse_device_put, b'{"state": "idle", "lease": "60"}', "lease"),
        (parse_appear_offline_put, b"{}", "appear_offline"),
        (parse_appear_offline_put, b'{"appear_offline": 1}', "appear_offline"),
    ],
)
def test_what_makes_no_sense_to_the_draft_is_refused_by_its_field(parse, body, field):
    with pytest.raises(InvalidInput) as refusal:
        parse(body)
    assert refusal.value.field == field
