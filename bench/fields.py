"""VoicePing's five fields as a client writes and reads them, whatever the form."""

import re
from typing import Final

import attrs
import msgpack

from bench.load import Form

STATUS, CONNECTION_TEST, CONNECTION_ACK = 5, 25, 26
OFFLINE, ONLINE, BUSY = 0, 1, 2
_GROUP, _PRIVATE = 0, 1
_TEXT: Final = re.compile(rb"\|[01]\|(\d+)\|(\d+)\|\d+\|(\d+)\|", re.ASCII)


@attrs.frozen
class Fields:
    """The kind of a message, its user, and the payload; all that we send or wait for is numbers."""

    message_type: int
    sender: int
    payload: int = 0


def write_fields(form: Form, fields: Fields) -> bytes:
    """One message, or one line with its end."""
    kind, sender, payload = attrs.astuple(fields)
    channel = _PRIVATE if kind == CONNECTION_TEST else _GROUP
    if form == "arrays":
        packed: bytes = msgpack.packb([channel, kind, sender, 0, payload])
        return packed
    return f"|{channel}|{kind}|{sender}|0|{payload}|".encode() + b"\n" * (form == "lines")


def read_fields(form: Form, message: bytes) -> Fields | None:
    """Read one message, or one line without its end; None where it makes no sense."""
    if form == "arrays":
        return _unpacked(message)
    found = _TEXT.fullmatch(message)
    return Fields(*map(int, found.groups())) if found else None


def code_of(number: int) -> int:
    """The status in a publisher's update *number*: the first is busy, and each other one."""
    return BUSY if number % 2 else ONLINE


def number_of(code: int, *, seen: int, newest: int) -> int | None:
    """Which update it is that says *code* to whom has *seen* that many, of *newest*.

    Codes alternate: it is the next one, or the last one again; where there is
    no such next one yet, the one before the last. None: no update says so.
    """
    if code not in (ONLINE, BUSY):
        return None
    number = seen + (code_of(seen + 1) == code)
    if number > newest:
        number -= 2
    return number if number >= 0 else None


def _unpacked(message: bytes) -> Fields | None:
    try:
        items = msgpack.unpackb(message)
    except (ValueError, msgpack.UnpackException):
        return None
    if (
        not isinstance(items, list)
        or len(items) != 5
        or any(type(each) is not int for each in items)
    ):
        return None
    _, kind, sender, _, payload = items
    return Fields(kind, sender, payload)
