"""Frames between pipes: `|0|5|7|0|2|`, the same on a line and in a text message.

Both ends of the fields carry a pipe; whoever leaves one out is understood all
the same. Nothing is escaped, so no field can hold a pipe.
"""

import re
from typing import Final

from presence.dialects.voiceping.errors import Malformed
from presence.dialects.voiceping.frames import Frame

_PIPE: Final = "|"
# Three digits are enough for types; a number without bound would take long to read.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,2}")
_HEAD = re.compile(r"\|?(0|[1-9][0-9]?)\|(0|[1-9][0-9]?)\|")
_HARMLESS = "?"


def decode_text(text: str) -> Frame:
    """Read one frame without its line end, or raise `Malformed`.

    There are five fields, or six with a message id before the payload. The
    payload stays text, whatever it looks like.
    """
    fields = text.removeprefix(_PIPE).removesuffix(_PIPE).split(_PIPE)
    if len(fields) not in (5, 6):
        raise Malformed("a frame has five or six fields")
    return Frame(
        channel_type=_number(fields[0]),
        message_type=_number(fields[1]),
        sender=fields[2],
        recipient=fields[3],
        payload=fields[-1],
        message_id=fields[4] if len(fields) == 6 else None,
    )


def peek_text(text: str) -> tuple[int, int] | None:
    """Channel type and message type, whatever follows them; None where they cannot be read.

    Messages for the voice router may have fewer fields than five, or pipes in their payload.
    """
    head = _HEAD.match(text)
    return None if head is None else (int(head[1]), int(head[2]))


def encode_text(frame: Frame) -> bytes:
    """Write *frame* without a line end; no field can end its own or begin another frame.

    Pipes and all that does not print become a question mark. Values other
    than numbers and texts have no form between pipes and are left empty.
    """
    fields = [frame.channel_type, frame.message_type, frame.sender, frame.recipient]
    tail = [frame.payload] if frame.message_id is None else [frame.message_id, frame.payload]
    texts = map(_field, (*fields, *tail))
    return f"|{'|'.join(texts)}|".encode()


def _number(field: str) -> int:
    if not _NUMBER.fullmatch(field):
        raise Malformed("a type is a plain number")
    return int(field)


def _field(value: object) -> str:
    # Not isinstance: a boolean would be written as a word.
    if type(value) is int:
        return str(value)
    return _harmless(value) if isinstance(value, str) else ""


def _harmless(text: str) -> str:
    if text.isprintable() and _PIPE not in text:
        return text
    return "".join(char if char.isprintable() and char != _PIPE else _HARMLESS for char in text)
