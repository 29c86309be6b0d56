"""Frames as MessagePack: exact bytes, bombs, and what only looks like a number."""

import attrs
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.dialects.voiceping.errors import Malformed
from presence.dialects.voiceping.frames import Frame
from presence.dialects.voiceping.message_pack import decode_array, encode_array, peek_array
from presence.dialects.voiceping.outbound import connection_ack, login_duplicated, status_frame

EXACT = [
    (status_frame("1", 2), "95 00 05 01 00 02"),
    (status_frame("70000", 0), "95 00 05 ce 00 01 11 70 00 00"),
    (status_frame("anna", 1), "95 00 05 a4 61 6e 6e 61 00 01"),
    (status_frame("9007199254740991", 1), "95 00 05 cf 00 1f ff ff ff ff ff ff 00 01"),
    (connection_ack("7", "hi"), "95 01 1a 00 07 a2 68 69"),
    (connection_ack("7", 300), "95 01 1a 00 07 cd 01 2c"),
    (attrs.evolve(status_frame("7", 1), message_id="m"), "96 00 05 07 00 a1 6d 01"),
]

TYPES = st.integers(0, 2**32)
IDS = st.integers(0, 2**53).map(str) | st.text()
SCALARS = (
    st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.binary()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.none()
)
FRAMES = st.builds(Frame, TYPES, TYPES, IDS, IDS, SCALARS, SCALARS)


def wire(*items):
    return msgpack.packb(list(items))


@pytest.mark.parametrize(("frame", "hexed"), EXACT, ids=[hexed for _, hexed in EXACT])
def test_frames_have_their_exact_bytes_both_ways(frame, hexed):
    assert encode_array(frame).hex(" ") == hexed
    assert decode_array(bytes.fromhex(hexed)) == frame


def test_the_last_frame_of_a_replaced_socket():
    text = b"user 7 has logged in on another device"

    assert encode_array(login_duplicated("7")) == b"\x95\x01\x09\x00\x07\xd9\x26" + text


@pytest.mark.parametrize(
    "hexed",
    [
        "95 cc 00 05 07 00 02",
        "95 00 cd 00 05 07 00 02",
        "95 00 05 cf 00 00 00 00 00 00 00 07 00 02",
        "95 00 05 d3 00 00 00 00 00 00 00 07 00 02",
        "95 00 05 a1 37 a1 30 02",
        "95 00 05 d9 01 37 00 02",
        "dc 00 05 00 05 07 00 02",
        "dd 00 00 00 05 00 05 07 00 02",
    ],
)
def test_longer_forms_of_the_same_values_read_alike(hexed):
    assert decode_array(bytes.fromhex(hexed)) == status_frame("7", 2)


@pytest.mark.parametrize("to", [0, -1, 8, "8", "", None, True, 1.5, b"x"], ids=repr)
def test_any_scalar_recipient_is_accepted(to):
    frame = decode_array(wire(0, 5, 7, to, 2))

    assert attrs.evolve(frame, recipient="0") == status_frame("7", 2)


HOSTILE = {
    "nothing": b"",
    "two arrays": wire(0, 5, 7, 0, 2) * 2,
    "a trailing byte": wire(0, 5, 7, 0, 2) + b"\x00",
    "a trailing nil": wire(0, 5, 7, 0, 2) + b"\xc0",
    "the start of a second array": wire(0, 5, 7, 0, 2) + b"\x95",
    "cut short": wire(0, 5, 7, 0, 2)[:-1],
    "an empty array": b"\x90",
    "three items": wire(0, 5, 7),
    "four items": wire(0, 5, 7, 0),
    "seven items": wire(0, 5, 7, 0, "m", 2, 2),
    "a number": b"\x05",
    "a string": msgpack.packb("|0|5|7|0|2|"),
    "a ping": b"voiceping:7",
    "a map": msgpack.packb({0: 5, 7: 0}),
    "the byte that is no type": b"\xc1",
    "that byte inside": b"\x95\x00\x05\x07\x00\xc1",
    "an array inside": wire(0, 5, 7, 0, [2]),
    "an empty array inside": wire(0, 5, 7, 0, []),
    "a map inside": wire(0, 5, 7, 0, {"status": 2}),
    "an empty map inside": wire(0, 5, 7, 0, {}),
    "an array as message id": wire(0, 5, 7, 0, [], 2),
    "an array in to": wire(0, 5, 7, [], 2),
    "a bomb of arrays": b"\x91" * 16_000,
    "a bomb of maps": b"\x81" * 16_000,
    "a bomb as payload": b"\x95\x00\x05\x07\x00" + b"\x91" * 16_000,
    "a wide bomb": b"\x95" * 16_000,
    "a bomb that is whole": b"\x91" * 900 + b"\x00",
    "an array said to be huge": b"\xdd\xff\xff\xff\xff",
    "a map said to be huge": b"\xdf\xff\xff\xff\xff",
    "a string said to be huge": b"\x95\x00\x05\x07\x00\xdb\xff\xff\xff\xff",
    "bytes said to be huge": b"\x95\x00\x05\x07\x00\xc6\xff\xff\xff\xff",
    "an ext": wire(0, 5, 7, 0, msgpack.ExtType(5, b"2")),
    "an ext without content": b"\x95\x00\x05\x07\x00\xc7\x00\x05",
    "a timestamp": wire(0, 5, 7, 0, msgpack.Timestamp(2)),
    "an ext alone": msgpack.packb(msgpack.ExtType(5, b"\x95\x00\x05\x07\x00\x02")),
    "invalid UTF-8 in a string": b"\x95\x00\x05\x07\x00\xa1\xff",
    "invalid UTF-8 in an id": b"\x95\x00\x05\xa1\xff\x00\x02",
    "half a surrogate": b"\x95\x00\x05\x07\x00\xa3\xed\xa0\x80",
    "too long a string": wire(0, 5, 7, 0, "x" * 65_537),
    "too long bytes": wire(0, 5, 7, 0, b"x" * 65_537),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_anything_but_one_array_of_scalars_is_malformed(data):
    with pytest.raises(Malformed):
        decode_array(data)


@pytest.mark.parametrize("channel_or_type", [True, False, 1.0, "5", None, b"5"], ids=repr)
@pytest.mark.parametrize("place", [0, 1])
def test_a_type_is_an_integer_and_nothing_that_equals_one(place, channel_or_type):
    items = [0, 5, 7, 0, 2]
    items[place] = channel_or_type

    with pytest.raises(Malformed):
        decode_array(wire(*items))


@pytest.mark.parametrize("sender", [True, 7.0, -1, None, b"7"], ids=repr)
def test_from_is_a_number_or_a_string(sender):
    with pytest.raises(Malformed):
        decode_array(wire(0, 5, sender, 0, 2))


@pytest.mark.parametrize("user_id", ["07", "+7", "-7", "\uff17", "\u0667", "7" * 17, "", "0x7"])
def test_an_id_that_is_no_canonical_number_travels_as_text(user_id):
    data = encode_array(status_frame(user_id, 1))

    assert msgpack.unpackb(data)[2] == user_id
    assert decode_array(data).sender == user_id


@pytest.mark.parametrize(
    ("data", "types"),
    [
        (wire(0, 5, 7, 0, 2), (0, 5)),
        (wire(0, 4, 7), (0, 4)),
        (wire(1, 2, 7, 8), (1, 2)),
        (wire(0, 3, 7, 8, b"x" * 70_000), (0, 3)),
        (wire(0, 23, 7, 8, {"deep": [1]}), (0, 23)),
        (b"\x95\x00\x03", (0, 3)),
        (wire(127, 127, 7), (127, 127)),
        (wire(0, 128, 7), None),
        (wire(-1, 3, 7), None),
        (wire(True, 3, 7), None),
        (wire(0, False, 7), None),
        (wire(0, "5", 7), None),
        (wire(0, 3), None),
        (b"\x90\x00\x03", None),
        (b"\x95\x00", None),
        (b"\xdc\x00\x05\x00\x03", None),
        (b"voiceping:7", None),
        (b"", None),
    ],
    ids=repr,
)
def test_the_types_are_read_whatever_follows_them(data, types):
    assert peek_array(data) == types


@given(FRAMES)
def test_an_encoded_frame_decodes_to_itself(frame):
    assert decode_array(encode_array(frame)) == frame


@settings(max_examples=600)
@given(FRAMES, st.binary(min_size=1))
def test_nothing_can_ride_behind_a_frame(frame, rider):
    with pytest.raises(Malformed):
        decode_array(encode_array(frame) + rider)


@settings(max_examples=600)
@given(SCALARS)
def test_no_payload_smuggles_a_second_frame(payload):
    data = encode_array(Frame(1, 26, "0", "7", payload))
    reader = msgpack.Unpacker()
    reader.feed(data)

    assert [*reader] == [[1, 26, 0, 7, payload]]


@settings(max_examples=300)
@given(st.binary() | st.binary(max_size=8).map(lambda rest: b"\x95\x00\x05" + rest))
def test_any_bytes_are_a_frame_or_malformed(data):
    try:
        frame = decode_array(data)
    except Malformed:
        return
    assert decode_array(encode_array(frame)) == frame or frame != frame
    assert peek_array(data) in (None, (frame.channel_type, frame.message_type))
