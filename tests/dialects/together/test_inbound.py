"""Frames of gateway clients: commands, and dropped frames with their reasons."""

import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from poison import POISON

from presence.core.types import State, Status
from presence.core.user.patch import PresencePatch
from presence.dialects.together.errors import DropReason
from presence.dialects.together.inbound import (
    HEARTBEAT,
    Dropped,
    Heartbeat,
    PresenceUpdate,
    parse_frame,
)

NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z
DEEP = "[" * 900 + "]" * 900


def parse(frame):
    return parse_frame(frame if isinstance(frame, str | bytes) else json.dumps(frame), NOW)


def parse_update(data):
    return parse({"op": "PRESENCE_UPDATE", "d": data})


def update(**fields):
    return PresenceUpdate(PresencePatch(**fields))


def by_hand(**fields):
    return update(state=State.ONLINE, **fields)


@pytest.mark.parametrize(
    "frame",
    [
        '{"op":"HEARTBEAT"}',
        ' {"op" : "HEARTBEAT", "d": null}\n',
        '{"op":"HEARTBEAT","d":{"seq":5},"t":"x","s":9}',
    ],
)
def test_a_heartbeat_is_a_heartbeat_whatever_it_carries(frame):
    assert parse(frame) == HEARTBEAT


@pytest.mark.parametrize("status", Status)
def test_a_status_by_hand_is_the_intent_and_makes_the_connection_online(status):
    assert parse_update({"status": status.value}) == by_hand(intent=status)


@pytest.mark.parametrize(
    ("data", "command"),
    [
        pytest.param(
            {"status": "dnd", "custom_status": "In a voice call", "activity": "Playing Valorant"},
            by_hand(
                intent=Status.DND, custom_status="In a voice call", activity="Playing Valorant"
            ),
            id="the example of the page",
        ),
        pytest.param(
            {"status": "online", "custom_status": None, "activity": None},
            by_hand(intent=Status.ONLINE, custom_status=None, activity=None),
            id="null clears",
        ),
        pytest.param(
            {"status": "online", "custom_status": " \u3164", "activity": ""},
            by_hand(intent=Status.ONLINE, custom_status=None, activity=None),
            id="blank clears",
        ),
        pytest.param(
            {"status": "online", "custom_status": "e\u0301\u200b"},
            by_hand(intent=Status.ONLINE, custom_status="\u00e9"),
            id="texts are cleaned",
        ),
        pytest.param(
            {"status": "away", "afk": True}, update(state=State.IDLE), id="auto-away is a state"
        ),
        pytest.param(
            {"status": "away", "afk": True, "activity": None},
            update(state=State.IDLE, activity=None),
            id="auto-away with a text",
        ),
        pytest.param({"afk": False}, update(state=State.ONLINE), id="back from auto-away"),
        pytest.param(
            {"afk": False, "status": "dnd", "custom_status": "back"},
            update(state=State.ONLINE, custom_status="back"),
            id="coming back ignores the status beside it",
        ),
        pytest.param(
            {"afk": False, "status": "offline", "until": None},
            update(state=State.ONLINE),
            id="coming back hides nobody",
        ),
        pytest.param(
            {"status": "dnd", "until": 60},
            by_hand(intent=Status.DND, until=NOW + 60),
            id="until in seconds",
        ),
        pytest.param(
            {"status": "dnd", "until": 0.5},
            by_hand(intent=Status.DND, until=NOW + 0.5),
            id="until in parts of a second",
        ),
        pytest.param(
            {"status": "away", "until": "2025-06-15T17:07:40+02:00"},
            by_hand(intent=Status.AWAY, until=NOW + 60),
            id="until as a time",
        ),
        pytest.param(
            {"status": "dnd", "until": None}, by_hand(intent=Status.DND), id="until null is none"
        ),
        pytest.param(
            {"status": "online", "custom_status": "lunch", "custom_status_until": 3600},
            by_hand(intent=Status.ONLINE, custom_status="lunch", custom_status_until=NOW + 3600),
            id="text with an end",
        ),
        pytest.param(
            {"status": "online", "custom_status_until": "2025-06-15T15:06:41Z"},
            by_hand(intent=Status.ONLINE, custom_status_until=NOW + 1),
            id="end of the present text",
        ),
        pytest.param(
            {"status": "online", "custom_status_until": None},
            by_hand(intent=Status.ONLINE, custom_status_until=None),
            id="null takes the end away",
        ),
        pytest.param(
            {"status": "online", "custom_status": None, "custom_status_until": 60},
            by_hand(intent=Status.ONLINE, custom_status=None, custom_status_until=None),
            id="no text has no end",
        ),
        pytest.param(
            {"status": "away", "mood": {"x": [1]}, "appear_offline": True, "last_seen": 5},
            by_hand(intent=Status.AWAY),
            id="unknown keys are ignored",
        ),
    ],
)
def test_a_presence_update_becomes_a_change(data, command):
    assert parse_update(data) == command


def test_an_omitted_custom_status_stays():
    assert parse_update({"status": "away"}).change == PresencePatch(
        intent=Status.AWAY, state=State.ONLINE
    )  # Shortfall 1: UNSET is neither a text nor null.


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="missing"),
        pytest.param({"custom_status": "only a text"}, id="missing beside a text"),
        pytest.param({"afk": True}, id="missing beside afk"),
        *(
            pytest.param({"status": status}, id=json.dumps(status))
            for status in [None, 1, True, [], ["online"], {}, "", "Online", "ONLINE", " online"]
        ),
        *(
            pytest.param({"status": status}, id=status)
            for status in ["invisible", "busy", "idle", "unavailable", "online\n", "o\u200bnline"]
        ),
        pytest.param({"afk": False, "status": "invisible"}, id="unknown beside the return"),
        pytest.param({"afk": False, "status": None}, id="null beside the return"),
    ],
)
def test_a_missing_or_unknown_status_is_dropped_and_never_taken_for_online(data):
    assert parse_update(data) == Dropped(DropReason.BAD_STATUS)


@pytest.mark.parametrize("status", ["online", "dnd", "offline"])
def test_auto_away_goes_with_away_only(status):
    assert parse_update({"status": status, "afk": True}) == Dropped(DropReason.BAD_AFK)


@pytest.mark.parametrize("afk", [None, 0, 1, "true", "", [], {}])
def test_afk_is_true_or_false(afk):
    assert parse_update({"status": "away", "afk": afk}) == Dropped(DropReason.BAD_AFK)


ENDS_THAT_ARE_NONE = [
    0,
    -1,
    -0.0,
    True,
    False,
    365 * 24 * 3600 + 1,
    2**63,
    10**300,
    "",
    "60",
    "2025-06-15T15:06:40Z",
    "2025-06-15T15:06:39Z",
    "2027-06-15T15:06:40Z",
    "2025-06-15",
    "2025-06-15T16:00:00",
    "tomorrow",
    [60],
    {"seconds": 60},
]


@pytest.mark.parametrize("until", ENDS_THAT_ARE_NONE)
@pytest.mark.parametrize("field", ["until", "custom_status_until"])
def test_an_end_that_is_no_time_or_not_ahead_drops_the_frame(field, until):
    data = {"status": "dnd", "custom_status": "x", field: until}
    assert parse_update(data) == Dropped(DropReason.BAD_TIME)


@pytest.mark.parametrize("data", [{"status": "away", "afk": True}, {"afk": False}])
def test_until_belongs_to_a_status_set_by_hand(data):
    assert parse_update({**data, "until": 60}) == Dropped(DropReason.BAD_TIME)


UNUSABLE_TEXTS = ["x" * 129, "a\nb", "\u202eevil", "\u2028", "e" + "\u0315" * 9, 5, True, [], {}]


@pytest.mark.parametrize("text", UNUSABLE_TEXTS)
@pytest.mark.parametrize("field", ["custom_status", "activity"])
def test_an_unusable_text_drops_the_whole_frame(field, text):
    data = {"status": "dnd", "custom_status": "fine", "activity": "fine", field: text}
    assert parse_update(data) == Dropped(DropReason.BAD_TEXT)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param(b'{"op":"HEARTBEAT"}', DropReason.BINARY, id="binary"),
        pytest.param(b"\xff\x00", DropReason.BINARY, id="binary rubbish"),
        pytest.param("", DropReason.BAD_JSON, id="empty"),
        pytest.param("{", DropReason.BAD_JSON, id="cut"),
        pytest.param('{"op":"HEARTBEAT"} x', DropReason.BAD_JSON, id="something behind"),
        pytest.param("\ufeff{}", DropReason.BAD_JSON, id="byte order mark"),
        pytest.param("{'op':'HEARTBEAT'}", DropReason.BAD_JSON, id="single quotes"),
        pytest.param('{"op":"HEARTBEAT",}', DropReason.BAD_JSON, id="comma behind"),
        pytest.param(
            '{"op":"HEARTBEAT","op":"PRESENCE_UPDATE"}', DropReason.BAD_JSON, id="op twice"
        ),
        pytest.param(
            '{"op":"PRESENCE_UPDATE","d":{"status":"online","status":"offline"}}',
            DropReason.BAD_JSON,
            id="status twice",
        ),
        pytest.param("[" * 100_000, DropReason.BAD_JSON, id="depth 100,000"),
        pytest.param('{"op":' * 100_000, DropReason.BAD_JSON, id="objects 100,000 deep"),
        pytest.param("9" * 5000, DropReason.BAD_JSON, id="5,000 digits"),
        pytest.param('"\ud800"', DropReason.BAD_JSON, id="surrogate in the text itself"),
        pytest.param("null", DropReason.NOT_AN_OBJECT, id="null"),
        pytest.param("[]", DropReason.NOT_AN_OBJECT, id="list"),
        pytest.param('"HEARTBEAT"', DropReason.NOT_AN_OBJECT, id="string"),
        pytest.param("1", DropReason.NOT_AN_OBJECT, id="number"),
        pytest.param(DEEP, DropReason.NOT_AN_OBJECT, id="list of depth 900"),
        pytest.param("{}", DropReason.UNKNOWN_OP, id="no op"),
        pytest.param('{"op":null}', DropReason.UNKNOWN_OP, id="op null"),
        pytest.param('{"op":1}', DropReason.UNKNOWN_OP, id="op number"),
        pytest.param('{"op":"heartbeat"}', DropReason.UNKNOWN_OP, id="op in lower case"),
        pytest.param('{"op":"IDENTIFY","d":{}}', DropReason.UNKNOWN_OP, id="op of others"),
        pytest.param(f'{{"op":{DEEP}}}', DropReason.UNKNOWN_OP, id="op of depth 900"),
        pytest.param('{"op":"PRESENCE_UPDATE"}', DropReason.BAD_DATA, id="no d"),
        pytest.param('{"op":"PRESENCE_UPDATE","d":null}', DropReason.BAD_DATA, id="d null"),
        pytest.param('{"op":"PRESENCE_UPDATE","d":[]}', DropReason.BAD_DATA, id="d list"),
        pytest.param('{"op":"PRESENCE_UPDATE","d":"away"}', DropReason.BAD_DATA, id="d string"),
    ],
)
def test_an_invalid_frame_is_dropped_for_its_reason(frame, reason):
    assert parse(frame) == Dropped(reason)


def test_a_colon_in_a_text_is_no_key():
    data = {"status": "online", "custom_status": 'a: "b": \\ {c:d}', "activity": ':\\":'}
    assert parse_update(data) == by_hand(
        intent=Status.ONLINE, custom_status='a: "b": \\ {c:d}', activity=':\\":'
    )


FIELDS = ["op", "d", "status", "afk", "until", "custom_status", "custom_status_until", "activity"]


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
@pytest.mark.parametrize("field", FIELDS)
def test_poison_in_any_field_drops_the_frame(field, poison):
    data = b'{"status": "away", "%s": %s}' % (field.encode(), poison)
    frames = {
        "op": b'{"op": %s, "d": {"status": "away"}}' % poison,
        "d": b'{"op": "PRESENCE_UPDATE", "d": %s}' % poison,
        "status": b'{"op": "PRESENCE_UPDATE", "d": {"status": %s}}' % poison,
    }
    frame = frames.get(field, b'{"op": "PRESENCE_UPDATE", "d": %s}' % data)
    with suppress(UnicodeDecodeError):  # which is no text frame
        assert isinstance(parse(frame.decode()), Dropped)


def test_poison_in_a_field_that_nobody_reads_is_no_matter():
    frame = f'{{"op":"PRESENCE_UPDATE","d":{{"status":"away","more":{DEEP}}}}}'
    assert parse(frame) == by_hand(intent=Status.AWAY)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["online", "away", "dnd", "offline", "2025-06-15T15:06:50Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
DATA = st.dictionaries(st.sampled_from(FIELDS[2:]) | st.text(), VALUES)
ENVELOPES = st.fixed_dictionaries(
    {"op": st.sampled_from(["PRESENCE_UPDATE", "HEARTBEAT"]) | VALUES, "d": DATA | VALUES}
)


@given(ENVELOPES.map(lambda envelope: orjson.dumps(envelope).decode()) | st.text() | st.binary())
def test_any_input_gives_a_heartbeat_an_update_or_a_drop(frame):
    command = parse(frame)
    assert isinstance(command, Heartbeat | PresenceUpdate | Dropped)


@given(DATA)
def test_no_frame_changes_the_flag_or_sets_an_end_without_an_intent(data):
    command = parse_update(data)
    if isinstance(command, PresenceUpdate):
        change = command.change
        assert change.appear_offline == PresencePatch().appear_offline
        assert change.until is None or change.intent != PresencePatch().intent
        assert change.until is None or NOW < change.until <= NOW + 365 * 24 * 3600
        assert change.state in {State.ONLINE, State.IDLE}
