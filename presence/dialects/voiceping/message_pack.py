"""Frames as MessagePack, one array in one binary message: `95 00 05 01 00 02`."""

from typing import Final

import msgpack

from presence.dialects.voiceping.codes import wire_id
from presence.dialects.voiceping.errors import Malformed
from presence.dialects.voiceping.frames import SERVER, Frame, Id

_SIZES: Final = (5, 6)
_LONGEST_FIELD: Final = 65_536  # bytes
_SCALARS: Final = (int, str, bytes, float, bool, type(None))

# The first byte of an array of 3 to 15 items, and of an integer of up to 127 [MessagePack].
_SHORT_ARRAYS: Final = range(0x93, 0xA0)
_SHORT_INTEGERS: Final = range(0x80)


def decode_array(data: bytes) -> Frame:
    """Read one array of five or six scalars, or raise `Malformed`.

    Nothing may follow it. Ids are integers or strings; what stands in `to` is
    ignored and reads as `0` where it is no id.
    """
    channel_type, message_type, sender, recipient, *middle, payload = _items_of(data)
    if type(channel_type) is not int or type(message_type) is not int:
        raise Malformed("a type is an integer")
    return Frame(
        channel_type=channel_type,
        message_type=message_type,
        sender=_id(sender),
        recipient=_recipient(recipient),
        payload=payload,
        message_id=middle[0] if middle else None,
    )


def peek_array(data: bytes) -> tuple[int, int] | None:
    """Channel type and message type, whatever follows them; None where they cannot be read.

    They can where written in the shortest form, as real clients do. Some frames
    of the voice router have but three or four fields, others large audio:
    neither need be unpacked to be ignored.
    """
    if len(data) < 3 or data[0] not in _SHORT_ARRAYS:
        return None
    if data[1] not in _SHORT_INTEGERS or data[2] not in _SHORT_INTEGERS:
        return None
    return data[1], data[2]


def encode_array(frame: Frame) -> bytes:
    """Write *frame* as one array; ids of digits as integers."""
    head = [
        frame.channel_type,
        frame.message_type,
        wire_id(frame.sender),
        wire_id(frame.recipient),
    ]
    middle = [] if frame.message_id is None else [frame.message_id]
    packed: bytes = msgpack.packb([*head, *middle, frame.payload])
    return packed


def _items_of(data: bytes) -> list[object]:
    try:
        items = msgpack.unpackb(
            data,
            max_array_len=max(_SIZES),
            max_map_len=0,
            max_ext_len=0,
            max_str_len=_LONGEST_FIELD,
            max_bin_len=_LONGEST_FIELD,
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise Malformed("is no MessagePack that we take") from error
    if type(items) is not list or len(items) not in _SIZES:
        raise Malformed("a frame is an array of five or six")
    if any(type(item) not in _SCALARS for item in items):
        raise Malformed("a field is a scalar")
    return items


def _id(raw: object) -> Id:
    if type(raw) is int and raw >= 0:
        return str(raw)
    if isinstance(raw, str):
        return raw
    raise Malformed("an id is a number from 0 on, or a string")


def _recipient(raw: object) -> Id:
    try:
        return _id(raw)
    except Malformed:
        return SERVER
