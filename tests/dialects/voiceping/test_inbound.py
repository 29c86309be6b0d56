"""Frames of VoicePing clients: commands in all forms, and dropped frames with their reasons."""

import re

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.core.types import Status
from presence.core.user.patch import PresencePatch
from presence.dialects.voiceping.errors import DropReason
from presence.dialects.voiceping.inbound import (
    ConnectionTest,
    Dropped,
    Ignored,
    Ping,
    SetStatus,
    claimed_user,
    read_control,
    read_message,
)

MALFORMED = Dropped(DropReason.MALFORMED)
FOREIGN_ID = Dropped(DropReason.FOREIGN_ID)
BAD_STATUS = Dropped(DropReason.BAD_STATUS)
OFFLINE, ONLINE, BUSY = (
    SetStatus(PresencePatch(intent=intent, is_forwarded=True))
    for intent in (Status.OFFLINE, Status.ONLINE, Status.DND)
)
ROUTER_TYPES = sorted(set(range(28)) - {5, 25})


def read(message, user_id="7"):
    return read_message(message, user_id)


def pack(*items):
    return msgpack.packb(list(items))


def pipe(*fields):
    return f"|{'|'.join(map(str, fields))}|"


BOTH_FORMS = pytest.mark.parametrize("write", [pipe, pack], ids=["pipe", "MessagePack"])


def test_the_frames_of_the_documents():
    assert read("|0|5|7|0|2|") == BUSY
    assert read(bytes.fromhex("95 00 05 01 00 02"), "1") == BUSY
    assert read(bytes.fromhex("95 00 05 ce 00 01 11 70 00 00"), "70000") == OFFLINE
    assert read("voiceping:7") == Ping()


@BOTH_FORMS
@pytest.mark.parametrize("channel_type", [0, 1])
@pytest.mark.parametrize(
    ("payload", "command"),
    [(0, OFFLINE), (1, ONLINE), (2, BUSY), ("0", OFFLINE), ("1", ONLINE), ("2", BUSY)],
    ids=repr,
)
def test_a_status_sets_the_intent_and_is_forwarded(write, channel_type, payload, command):
    assert read(write(channel_type, 5, 7, 0, payload)) == command
    assert read(write(channel_type, 5, "7", 0, payload)) == command


@BOTH_FORMS
def test_six_fields_hold_a_message_id_before_the_payload(write):
    assert read(write(0, 5, 7, 0, 1, 2)) == BUSY
    assert read(write(0, 5, 7, 0, "m-1", 0)) == OFFLINE
    assert read(write(0, 5, 7, 0, 2, "m-1")) == BAD_STATUS


@BOTH_FORMS
@pytest.mark.parametrize("to", ["", "8", -1, "everyone", "\n", "7" * 200], ids=repr)
def test_to_is_ignored(write, to):
    assert read(write(0, 5, 7, to, 2)) == BUSY


@pytest.mark.parametrize("user_id", ["anna", "a.b@c", "-1", "9007199254740991", "x" * 128])
@BOTH_FORMS
def test_an_id_of_letters_is_as_good_as_a_number(write, user_id):
    assert read(write(0, 5, user_id, 0, 2), user_id) == BUSY


@BOTH_FORMS
@pytest.mark.parametrize("message_type", [5, 25])
@pytest.mark.parametrize(
    "sender", [8, "8", 0, "0", "07", "7 ", "", "\uff17", "+7", 77, "anna", 10**18], ids=repr
)
def test_a_frame_in_the_name_of_another_is_dropped(write, message_type, sender):
    assert read(write(0, message_type, sender, 0, 1)) == FOREIGN_ID


@BOTH_FORMS
@pytest.mark.parametrize(
    "payload",
    [
        *(-1, 3, 10, 10**18),
        *("3", "-1", "", "\uff12", "\u0662", "1 ", " 1", "01", "1.0", "true"),
        *("busy", "2\n", "2\x00", "1" * 9999),
    ],
    ids=lambda payload: repr(payload)[:12],
)
def test_a_payload_that_is_no_status_is_dropped(write, payload):
    assert read(write(0, 5, 7, 0, payload)) == BAD_STATUS


@pytest.mark.parametrize("payload", [True, False, 0.0, 1.0, 2.0, None, b"2", b""], ids=repr)
def test_a_value_that_merely_equals_a_status_is_dropped(payload):
    assert read(pack(0, 5, 7, 0, payload)) == BAD_STATUS


@BOTH_FORMS
@pytest.mark.parametrize("channel_type", [2, 5, 127, 999, -1])
@pytest.mark.parametrize("message_type", [3, 5, 25])
def test_a_channel_type_is_group_or_private(write, channel_type, message_type):
    assert read(write(channel_type, message_type, 7, 0, 2)) == MALFORMED


@BOTH_FORMS
@pytest.mark.parametrize("message_type", [28, 29, 99, 127, 128, 999, 10**18, -1])
def test_an_unknown_message_type_is_malformed(write, message_type):
    assert read(write(0, message_type, 7, 0, 2)) == MALFORMED


@BOTH_FORMS
@pytest.mark.parametrize("message_type", ROUTER_TYPES)
def test_frames_for_the_voice_router_are_ignored(write, message_type):
    assert read(write(0, message_type, 7, 0, "x")) == Ignored(message_type)
    assert read(write(1, message_type, 8, 9, "m-1", 5)) == Ignored(message_type)


@pytest.mark.parametrize(
    ("message", "command"),
    [
        pytest.param(pack(0, 4, 7), Ignored(4), id="connection of the Android SDK"),
        pytest.param(pack(1, 1, 7, 8, 1500), Ignored(1), id="start of talk"),
        pytest.param(pack(1, 3, 7, 8, b"\xff" * 16_000), Ignored(3), id="audio"),
        pytest.param(pack(0, 3, 7, 8, b"\xff" * 70_000), Ignored(3), id="much audio"),
        pytest.param(pack(1, 2, 7, 8), Ignored(2), id="stop of talk"),
        pytest.param(pack(0, 17, 7, 8, "a|b\n"), Ignored(17), id="text"),
        pytest.param(pack(0, 23, 7, 8, {"choice": [1]}), Ignored(23), id="an object"),
        pytest.param(b"\x95\x00\x01\x07\x08\xd4\x00\x00", Ignored(1), id="undefined of JavaScript"),
        pytest.param(b"\x95\x00\x11\x07\x08\xa1\xff", Ignored(17), id="text of another charset"),
        pytest.param(b"\xdc\x00\x05\x00\x03\x07\x08\xc4\x01\xff", Ignored(3), id="a long form"),
        pytest.param("|0|4|7|", Ignored(4), id="connection as text"),
        pytest.param("|1|2|7|8|", Ignored(2), id="stop as text"),
        pytest.param("|0|17|7|8|a|b|c|d|\n", Ignored(17), id="a text with pipes"),
    ],
)
def test_frames_of_the_voice_router_are_never_bad(message, command):
    assert read(message) == command


@BOTH_FORMS
@pytest.mark.parametrize("payload", ["", "abc", "caf\u00e9 2", "x" * 64, "voiceping:8"])
def test_a_connection_test_wants_its_payload_back(write, payload):
    assert read(write(1, 25, 7, 0, payload)) == ConnectionTest(payload)


@pytest.mark.parametrize("payload", [0, -1, 2**63, 1500])
def test_a_number_as_payload_of_a_test_stays_a_number(payload):
    assert read(pack(1, 25, 7, 0, payload)) == ConnectionTest(payload)
    assert read(pipe(1, 25, 7, 0, payload)) == ConnectionTest(str(payload))


@pytest.mark.parametrize(
    "payload",
    [
        *("x" * 65, "a|b", "|0|5|8|0|0|", "a\nb", "a\rb", "\x00", "\u2028", "\u202e"),
        *(b"abc", None, True, 1.5),
    ],
    ids=lambda payload: ascii(payload)[:16],
)
def test_a_payload_that_is_not_fit_to_send_is_answered_with_nothing(payload):
    answer = read(pack(1, 25, 7, 0, payload))

    assert answer == ConnectionTest("")
    assert isinstance(answer.payload, str)


@pytest.mark.parametrize("payload", ["x" * 65, "a\nb", "\x00", "\u2028"], ids=ascii)
def test_the_same_payloads_between_pipes_are_answered_with_nothing(payload):
    assert read(pipe(1, 25, 7, 0, payload)) == ConnectionTest("")


@pytest.mark.parametrize(
    ("message", "command"),
    [
        pytest.param("|0|5|7|0|", MALFORMED, id="four fields"),
        pytest.param("|0|5|7|", MALFORMED, id="three fields"),
        pytest.param("0|5|7|0|2", BUSY, id="no outer pipes"),
        pytest.param("|0|5|7|0|m|2|", BUSY, id="six fields"),
        pytest.param("|0|5|7|0|m|n|2|", MALFORMED, id="seven fields"),
        pytest.param("|0|5|7|0|2|1|", ONLINE, id="the last of six fields is the payload"),
        pytest.param("|0|5|7|0|2|\n", BAD_STATUS, id="a line end within a message"),
        pytest.param("|0|5|7|0|2|\r\n|0|5|7|0|1|", MALFORMED, id="two frames"),
        pytest.param(" |0|5|7|0|2|", MALFORMED, id="a leading space"),
        pytest.param("|0 |5|7|0|2|", MALFORMED, id="a space in a type"),
        pytest.param("|+0|5|7|0|2|", MALFORMED, id="a sign"),
        pytest.param("|0|05|7|0|2|", MALFORMED, id="a leading zero"),
        pytest.param("|0|\uff15|7|0|2|", MALFORMED, id="digits of another script"),
        pytest.param(f"|{'9' * 5000}|5|7|0|2|", MALFORMED, id="a number without end"),
        pytest.param("", MALFORMED, id="nothing"),
        pytest.param("hello", MALFORMED, id="words"),
        pytest.param("\ufffd|\ufffd", MALFORMED, id="what was no UTF-8"),
        pytest.param("\ud800", MALFORMED, id="half a surrogate"),
        pytest.param('{"op":"HEARTBEAT"}', MALFORMED, id="another dialect"),
        pytest.param("token:abc", MALFORMED, id="a token after login"),
        pytest.param(pack(0, 5, 7), MALFORMED, id="three items"),
        pytest.param(pack(0, 5, 7, 0), MALFORMED, id="four items"),
        pytest.param(pack(0, 5, 7, 0, 1, 2), BUSY, id="six items"),
        pytest.param(pack(0, 5, 7, 0, 1, 2, 2), MALFORMED, id="seven items"),
        pytest.param(pack(0, 5, 7, 0, 2) * 2, MALFORMED, id="two arrays"),
        pytest.param(pack(0, 5, 7, 0, 2) + b"\x00", MALFORMED, id="a trailing byte"),
        pytest.param(pack(0, 5, 7, 0, [2]), MALFORMED, id="an array as payload"),
        pytest.param(b"\x91" * 16_000, MALFORMED, id="a nested bomb"),
        pytest.param(b"\x95\x00\x05\x07\x00" + b"\x91" * 9_000, MALFORMED, id="a bomb inside"),
        pytest.param(pack(0, 5, 7, 0, msgpack.ExtType(1, b"2")), MALFORMED, id="an ext type"),
        pytest.param(b"\x95\x00\x05\x07\x00\xa1\xff", MALFORMED, id="invalid UTF-8"),
        pytest.param(pack(0, 5, True, 0, 2), MALFORMED, id="true as an id"),
        pytest.param(pack(0, 5, 7.0, 0, 2), MALFORMED, id="a fraction as an id"),
        pytest.param(pack(0, True, 7, 0, 2), MALFORMED, id="true as a type"),
        pytest.param(b"", MALFORMED, id="no bytes"),
    ],
)
def test_hostile_and_odd_frames(message, command):
    assert read(message) == command


PINGS = [
    ("7", "voiceping:7", Ping()),
    ("anna", "voiceping:anna", Ping()),
    ("-1", "voiceping:-1", Ping()),
    ("7", "voiceping:8", FOREIGN_ID),
    ("7", "voiceping:77", FOREIGN_ID),
    ("7", "voiceping:abc", FOREIGN_ID),
    ("7", "voiceping:9007199254740991", FOREIGN_ID),
    ("7", "voiceping:", MALFORMED),
    ("7", "voiceping:0", MALFORMED),
    ("7", "voiceping:07", MALFORMED),
    ("7", "voiceping:-1", MALFORMED),
    ("7", "voiceping:-07", MALFORMED),
    ("7", f"voiceping:{10**30}", MALFORMED),
    ("7", "voiceping:9007199254740992", MALFORMED),
    ("7", f"voiceping:{'x' * 129}", MALFORMED),
    ("7", "voiceping: 7", MALFORMED),
    ("7", "voiceping:7 ", MALFORMED),
    ("7", "voiceping:7\n", MALFORMED),
    ("7", "voiceping:7\nvoiceping:7", MALFORMED),
    ("7", "voiceping:\uff17", MALFORMED),
    ("7", "voiceping:7|", MALFORMED),
    ("7", "voiceping:voiceping:7", MALFORMED),
    ("7", "voiceping:@me", MALFORMED),
]


@pytest.mark.parametrize(("user_id", "text", "command"), PINGS)
def test_a_ping_names_exactly_its_own_user(user_id, text, command):
    assert read_message(text, user_id) == command


@pytest.mark.parametrize(
    ("user_id", "text", "command"), [ping for ping in PINGS if len(ping[1].encode()) <= 125]
)
def test_a_control_frame_holds_the_same_ping(user_id, text, command):
    assert read_control(text.encode(), user_id) == command


@pytest.mark.parametrize("text", ["VOICEPING:7", " voiceping:7", "voiceping", "voicepin:7", ":7"])
def test_a_text_without_the_ping_prefix_is_no_ping(text):
    assert read(text) == MALFORMED
    assert read_control(text.encode(), "7") is None


@pytest.mark.parametrize(
    "payload", [b"", b"\x00\xff\x12\x99", b"keepalive", b"\xffvoiceping:7", b"|0|5|7|0|2|"]
)
def test_a_control_frame_of_another_kind_is_liveness_of_the_socket_only(payload):
    assert read_control(payload, "7") is None


@pytest.mark.parametrize("rest", [b"\xff", b"7\xff", b"\xed\xa0\x80"])
def test_a_control_frame_that_is_no_text_is_malformed(rest):
    assert read_control(b"voiceping:" + rest, "7") == MALFORMED


@pytest.mark.parametrize("message", [b"voiceping:7", msgpack.packb("voiceping:7")])
def test_a_ping_in_a_binary_message_is_malformed(message):
    assert read(message) == MALFORMED


@pytest.mark.parametrize(
    ("line", "user_id"),
    [
        ("voiceping:7", "7"),
        ("voiceping:anna", "anna"),
        ("|0|5|7|0|2|", "7"),
        ("0|5|7|0|2", "7"),
        ("|0|5|anna|0|m|0|", "anna"),
        ("voiceping:", None),
        ("voiceping:07", None),
        ("voiceping:-1", None),
        ("voiceping:0", None),
        ("voiceping:@me", None),
        (f"voiceping:{10**30}", None),
        ("|0|5|0|0|2|", None),
        ("|0|5|07|0|2|", None),
        ("|0|5|-1|0|2|", None),
        ("|0|5||0|2|", None),
        ("|0|5|7|0|3|", None),
        ("|2|5|7|0|2|", None),
        ("|0|5|7|0|", None),
        ("|0|4|7|", None),
        ("|0|17|7|8|hello|", None),
        ("|1|25|7|0|x|", None),
        ("|0|99|7|0|2|", None),
        ("token:7", None),
        ("7", None),
        ("", None),
    ],
)
def test_the_first_line_names_the_user(line, user_id):
    assert claimed_user(line) == user_id


OWN_STATUS = re.compile(r"\|?[01]\|5\|7\|[^|]*\|([^|]*\|)?[012]\|?")
SCALARS = (int, str, bytes, float, bool, type(None))
COMMANDS = SetStatus | Ping | ConnectionTest | Ignored | Dropped


def is_own_status(data):
    """Whether a reader of streams finds one good status of user 7 and nothing else in *data*."""
    reader = msgpack.Unpacker(strict_map_key=False)
    reader.feed(data)
    try:
        frame = reader.unpack()
    except (ValueError, TypeError, msgpack.OutOfData):
        return False
    return (
        reader.tell() == len(data)
        and isinstance(frame, list)
        and len(frame) in (5, 6)
        and all(type(part) in SCALARS for part in frame)
        and all(type(part) is int for part in frame[:2])
        and (frame[0] in (0, 1) and frame[1] == 5)
        and (type(frame[2]) in (int, str) and str(frame[2]) == "7")
        and (type(frame[-1]) in (int, str) and str(frame[-1]) in ("0", "1", "2"))
    )


def mutated(whole, unit):
    """Inputs near *whole*: parts of it repeated, left out or replaced."""
    cut = st.integers(0, len(whole))
    return st.builds(
        lambda start, middle, end: whole[:start] + middle + whole[end:],
        cut,
        unit | st.just(whole),
        cut,
    )


NEAR_TEXT = mutated("|0|5|7|0|2|", st.text("|0157\n voicepng:", max_size=4) | st.text())
NEAR_ARRAY = mutated(b"\x95\x00\x05\x07\x00\x02", st.binary(max_size=4))
NEAR_PING = mutated("voiceping:7", st.text("70:\n-", max_size=3) | st.text())


@settings(max_examples=800)
@given(st.text() | NEAR_TEXT | NEAR_PING)
def test_any_text_is_a_command_and_changes_nothing_but_ones_own_status(text):
    command = read(text)

    assert isinstance(command, COMMANDS)
    assert isinstance(command, SetStatus) == (OWN_STATUS.fullmatch(text) is not None)
    assert isinstance(command, Ping) == (text == "voiceping:7")


@settings(max_examples=800)
@given(st.binary() | NEAR_ARRAY)
def test_any_bytes_are_a_command_and_change_nothing_but_ones_own_status(data):
    command = read(data)

    assert isinstance(command, COMMANDS)
    assert not isinstance(command, Ping)
    assert isinstance(command, SetStatus) == is_own_status(data)


@settings(max_examples=300)
@given(st.binary() | NEAR_PING.map(lambda text: text.encode(errors="surrogatepass")))
def test_any_control_payload_is_a_ping_a_drop_or_nothing(payload):
    command = read_control(payload, "7")

    assert command is None or isinstance(command, Ping | Dropped)
    assert (command == Ping()) == (payload == b"voiceping:7")
    assert (command is None) == (not payload.startswith(b"voiceping:"))


@settings(max_examples=300)
@given(st.text() | NEAR_TEXT | NEAR_PING)
def test_the_user_of_a_first_line_may_send_it(line):
    user_id = claimed_user(line)

    assert user_id is None or isinstance(read_message(line, user_id), Ping | SetStatus)
