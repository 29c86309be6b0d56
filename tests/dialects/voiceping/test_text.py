"""Frames between pipes: what is read, what is refused, and what never gets out."""

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from presence.dialects.voiceping.errors import Malformed
from presence.dialects.voiceping.frames import Frame
from presence.dialects.voiceping.outbound import connection_ack, status_frame
from presence.dialects.voiceping.text import decode_text, encode_text, peek_text

BUSY_7 = Frame(0, 5, "7", "0", "2")
# What may stand in a field and come back as it was.
PLAIN = st.text().filter(lambda text: text.isprintable() and "|" not in text)
TYPES = st.integers(0, 999)
FRAMES = st.builds(Frame, TYPES, TYPES, PLAIN, PLAIN, PLAIN, st.none() | PLAIN)


@pytest.mark.parametrize("text", ["|0|5|7|0|2|", "0|5|7|0|2|", "|0|5|7|0|2", "0|5|7|0|2"], ids=repr)
def test_outer_pipes_may_be_missing(text):
    assert decode_text(text) == BUSY_7


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        pytest.param("|1|9|0|7|bye now|", Frame(1, 9, "0", "7", "bye now"), id="words"),
        pytest.param("|1|26|0|7||", Frame(1, 26, "0", "7", ""), id="an empty payload"),
        pytest.param("|0|5|7|0|m1|2|", attrs.evolve(BUSY_7, message_id="m1"), id="a message id"),
        pytest.param("|0|5|7|0||2|", attrs.evolve(BUSY_7, message_id=""), id="an empty one"),
        pytest.param("|0|5|a.b@c|0|2|", Frame(0, 5, "a.b@c", "0", "2"), id="an id of letters"),
        pytest.param("|0|5|07|x y|2|", Frame(0, 5, "07", "x y", "2"), id="ids as they stand"),
        pytest.param("|999|999|7|0|2|", Frame(999, 999, "7", "0", "2"), id="unknown types"),
    ],
)
def test_a_frame_is_its_fields(text, frame):
    assert decode_text(text) == frame


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "||",
        "||||||",
        "|||||||",
        "hello",
        "|0|5|",
        "|0|5|7|",
        "|0|5|7|0|",
        "0|5|7|0|",  # an empty payload needs its outer pipe
        "|0|5|7|0|m1|x|2|",
        "|0|5|7|0|2|\n|0|5|7|0|1|",
        "|0|5|7|0|2|0|5|7|0|1|",
        "||0|5|7|0|2||",
    ],
    ids=repr,
)
def test_there_are_five_or_six_fields(text):
    with pytest.raises(Malformed):
        decode_text(text)


@pytest.mark.parametrize(
    "number",
    [
        *("", " 0", "0 ", "+0", "-0", "-1", "00", "05", "1_0", "1.0", "1e0", "0x1", "true"),
        *("\u0661", "\uff11", "\u00b2", "1000", "9" * 5000, "0\n", "5\x00"),
    ],
    ids=lambda text: repr(text)[:12],
)
@pytest.mark.parametrize("wire", ["|{}|5|7|0|2|", "|0|{}|7|0|2|"])
def test_a_type_is_a_plain_number(wire, number):
    with pytest.raises(Malformed):
        decode_text(wire.format(number))


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("|0|5|7|0|2|", (0, 5)),
        ("0|5|", (0, 5)),
        ("|1|2|7|8|", (1, 2)),
        ("|0|17|7|8|a|b|c|d|", (0, 17)),
        ("|99|27|\n", (99, 27)),
        ("|0|5", None),
        ("||0|5|", None),
        ("|00|5|", None),
        ("|0|05|", None),
        ("|0|-5|", None),
        ("|0|\uff15|", None),
        (" |0|5|", None),
        ("|0|555|", None),
        ("", None),
    ],
)
def test_the_types_are_read_whatever_follows_them(text, types):
    assert peek_text(text) == types


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (status_frame("7", 2), b"|0|5|7|0|2|"),
        (status_frame("70000", 0), b"|0|5|70000|0|0|"),
        (status_frame("a.b", 1), b"|0|5|a.b|0|1|"),
        (connection_ack("7", 5), b"|1|26|0|7|5|"),
        (connection_ack("7", ""), b"|1|26|0|7||"),
        (connection_ack("7", "caf\u00e9"), b"|1|26|0|7|caf\xc3\xa9|"),
        (attrs.evolve(BUSY_7, message_id="m1"), b"|0|5|7|0|m1|2|"),
        (attrs.evolve(BUSY_7, message_id=""), b"|0|5|7|0||2|"),
        (attrs.evolve(BUSY_7, message_id=0), b"|0|5|7|0|0|2|"),
    ],
)
def test_a_frame_is_written_between_pipes(frame, wire):
    assert encode_text(frame) == wire


@pytest.mark.parametrize("payload", [True, None, 1.0, b"2", [2], {}], ids=repr)
def test_a_payload_without_a_form_between_pipes_is_left_empty(payload):
    assert encode_text(attrs.evolve(BUSY_7, payload=payload)) == b"|0|5|7|0||"


@pytest.mark.parametrize(
    "char",
    ["|", "\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\ud800", "\u00a0"],
    ids=ascii,
)
def test_characters_that_could_begin_a_frame_become_question_marks(char):
    assert encode_text(connection_ack("7", f"a{char}b")) == b"|1|26|0|7|a?b|"
    hostile = Frame(0, 5, f"7{char}", f"{char}0", "2", message_id=f"m{char}")

    assert encode_text(hostile) == b"|0|5|7?|?0|m?|2|"


@given(FRAMES)
def test_an_encoded_frame_decodes_to_itself(frame):
    assert decode_text(encode_text(frame).decode()) == frame


@given(FRAMES)
def test_missing_outer_pipes_change_nothing(frame):
    text = encode_text(frame).decode()

    assert decode_text(text[1:]) == frame
    if frame.payload:
        assert decode_text(text[:-1]) == decode_text(text[1:-1]) == frame


SMUGGLED = st.lists(
    st.sampled_from(["|", "\n", "\r\n", "|0|5|8|0|0|", "voiceping:8", "\x00", "\x0b", "\x85"])
    | st.text(max_size=5)
    | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"])
).map("".join)


@settings(max_examples=600)
@given(SMUGGLED)
@example("x|\n|0|5|8|0|0|")
@example("x|\r|0|5|8|0|0|")
def test_no_payload_smuggles_a_second_frame(payload):
    wire = encode_text(connection_ack("7", payload))
    text = wire.decode()
    read = decode_text(text)

    assert text.splitlines() == [text]
    assert text.isprintable()
    assert wire.count(b"|") == 6
    assert attrs.evolve(read, payload="") == connection_ack("7", "")
    assert len(read.payload) == len(payload)


@settings(max_examples=300)
@given(st.text() | st.text("|0157\n", max_size=20))
def test_any_text_is_a_frame_or_malformed(text):
    try:
        frame = decode_text(text)
    except Malformed:
        return
    assert text.strip("|").count("|") <= 5
    assert all(isinstance(part, str) for part in (frame.sender, frame.recipient, frame.payload))
    assert peek_text(text) in (None, (frame.channel_type, frame.message_type))
