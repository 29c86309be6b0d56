"""Output to VoicePing clients: codes, ids, pings and the user list."""

import pytest

from presence.core.types import Status
from presence.dialects.voiceping.codes import code_of, intent_of, name_of, wire_id
from presence.dialects.voiceping.frames import (
    CONNECTION_TEST,
    KNOWN_TYPES,
    STATUS,
    Frame,
    is_for_the_router,
)
from presence.dialects.voiceping.outbound import connection_ack, login_duplicated, status_frame
from presence.dialects.voiceping.pings import ping_payload, read_ping
from presence.dialects.voiceping.rest import user_object


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (Status.OFFLINE, 0, "offline"),
        (Status.ONLINE, 1, "online"),
        (Status.AWAY, 1, "online"),
        (Status.DND, 2, "busy"),
    ],
)
def test_every_status_has_a_code_and_a_name(status, code, name):
    assert code_of(status) == code
    assert name_of(code) == name


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_chosen_status_comes_back_as_the_same_code(code):
    assert code_of(intent_of(code)) == code


def test_nobody_becomes_away_by_a_code():
    assert [intent_of(code) for code in (0, 1, 2)] == [Status.OFFLINE, Status.ONLINE, Status.DND]


@pytest.mark.parametrize(
    ("user_id", "on_the_wire"),
    [
        ("7", 7),
        ("0", 0),
        ("70000", 70_000),
        ("9007199254740991", 2**53 - 1),
        ("anna", "anna"),
        ("07", "07"),
        ("-7", "-7"),
        ("7.0", "7.0"),
        ("7\n", "7\n"),
        ("1_000", "1_000"),
        ("\uff17", "\uff17"),
        ("\u00b2", "\u00b2"),
        ("1" * 40, "1" * 40),
        ("", ""),
    ],
)
def test_an_id_of_digits_is_a_number_on_the_wire(user_id, on_the_wire):
    assert wire_id(user_id) == on_the_wire
    assert type(wire_id(user_id)) is type(on_the_wire)


def test_the_frames_that_the_server_makes():
    bye = "user 7 has logged in on another device"

    assert status_frame("7", 2) == Frame(0, 5, "7", "0", 2)
    assert login_duplicated("7") == Frame(1, 9, "0", "7", bye)
    assert connection_ack("7", "x") == Frame(1, 26, "0", "7", "x")


def test_all_but_status_and_test_of_the_known_types_are_for_the_router():
    theirs = {kind for kind in range(-1, 99) if is_for_the_router(0, kind)}

    assert theirs == {kind for kind in KNOWN_TYPES if kind not in (STATUS, CONNECTION_TEST)}
    assert theirs == {kind for kind in range(-1, 99) if is_for_the_router(1, kind)}
    assert not any(is_for_the_router(channel, 3) for channel in (-1, 2, 3))


@pytest.mark.parametrize(
    ("user_id", "payload"),
    [
        ("7", b"voiceping:7"),
        ("anna", b"voiceping:anna"),
        ("x" * 115, b"voiceping:" + b"x" * 115),
        ("x" * 116, b""),
        ("x" * 128, b""),
    ],
)
def test_our_ping_names_the_user_where_a_control_frame_can_hold_it(user_id, payload):
    assert ping_payload(user_id) == payload


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("voiceping:7", "7"),
        ("voiceping:", ""),
        ("voiceping:-1", "-1"),
        ("voiceping:voiceping:7", "voiceping:7"),
        ("voicepin", None),
        ("Voiceping:7", None),
        (" voiceping:7", None),
        ("", None),
    ],
)
def test_a_ping_is_what_begins_like_one(text, named):
    assert read_ping(text) == named


@pytest.mark.parametrize(
    ("user_id", "status", "expected"),
    [
        ("7", Status.AWAY, {"id": 7, "status": "online", "statusValue": 1}),
        ("anna", Status.DND, {"id": "anna", "status": "busy", "statusValue": 2}),
        ("8", Status.OFFLINE, {"id": 8, "status": "offline", "statusValue": 0}),
    ],
)
def test_an_entry_of_the_user_list(user_id, status, expected):
    entry = user_object(user_id, "Somebody", status)

    assert entry == {**expected, "username": "Somebody"}
    assert list(entry) == ["id", "username", "status", "statusValue"]
