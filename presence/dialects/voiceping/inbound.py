"""Messages of a VoicePing client: bytes in, a command out.

Nothing is believed of `from` but the user's own id, and nothing has an answer
that says no: what is not good is dropped, and its reason counted.
"""

import re
from typing import Final

from presence.core.ids import parse_user_id
from presence.core.types import UserId
from presence.core.user.patch import PresencePatch
from presence.core.value import value
from presence.dialects.voiceping.codes import BUSY, OFFLINE, ONLINE, intent_of
from presence.dialects.voiceping.errors import DropReason, Malformed
from presence.dialects.voiceping.frames import (
    CHANNEL_TYPES,
    CONNECTION_TEST,
    KNOWN_TYPES,
    STATUS,
    Frame,
    Id,
    is_for_the_router,
)
from presence.dialects.voiceping.message_pack import decode_array, peek_array
from presence.dialects.voiceping.pings import read_ping
from presence.dialects.voiceping.text import decode_text, peek_text
from presence.errors import InvalidInput


@value
class SetStatus:
    """The client is offline, online or busy from now on; others are told, even again."""

    change: PresencePatch


@value
class Ping:
    """The device is alive."""


@value
class ConnectionTest:
    """The client wants its payload back, or an empty text where that is not fit to send."""

    payload: int | str


@value
class Ignored:
    """Something for the voice router: counted, never bad."""

    message_type: int


@value
class Dropped:
    """Nothing of the frame applies; it is counted as bad and not answered."""

    reason: DropReason


Command = SetStatus | Ping | ConnectionTest | Ignored | Dropped

_LONGEST_TEST: Final = 64  # characters
_CODES: Final = {"0": OFFLINE, "1": ONLINE, "2": BUSY}
# A user may have such a name, but a client that writes one has counted wrong.
_NEGATIVE = re.compile(r"-[0-9]+")


def read_message(message: str | bytes, user_id: UserId) -> Command:
    """Read one message of *user_id*: text between pipes, or bytes of MessagePack.

    Whatever it holds, the answer is a command. The size is limited elsewhere.
    """
    try:
        if isinstance(message, str):
            return _read_text(message, user_id)
        return _read_array(message, user_id)
    except Malformed:
        return Dropped(DropReason.MALFORMED)


def read_control(payload: bytes, user_id: UserId) -> Command | None:
    """Read what a PING or PONG of *user_id* carries.

    None where it is no VoicePing ping: empty, or the mark that a WebSocket
    library gives to its own keep-alive. That is liveness of the socket only.
    """
    named = read_ping(payload.decode(errors="replace"))
    return None if named is None else _read_named(named, user_id)


def claimed_user(line: str) -> UserId | None:
    """The user that the first line of a client names; for servers without authentication.

    Told by a ping or by a good status frame; None for any other line.
    """
    named = _named_in(line)
    if named is None or not _is_user_id(named):
        return None
    user_id = UserId(named)
    return user_id if isinstance(read_message(line, user_id), Ping | SetStatus) else None


def _read_text(text: str, user_id: UserId) -> Command:
    named = read_ping(text)
    if named is not None:
        return _read_named(named, user_id)
    head = peek_text(text)
    if head is not None and is_for_the_router(*head):
        return Ignored(head[1])
    return _read_frame(decode_text(text), user_id)


def _read_array(data: bytes, user_id: UserId) -> Command:
    head = peek_array(data)
    if head is not None and is_for_the_router(*head):
        return Ignored(head[1])
    return _read_frame(decode_array(data), user_id)


def _read_named(named: Id, user_id: UserId) -> Command:
    if named == user_id:
        return Ping()
    return Dropped(DropReason.FOREIGN_ID if _is_user_id(named) else DropReason.MALFORMED)


def _read_frame(frame: Frame, user_id: UserId) -> Command:
    if frame.channel_type not in CHANNEL_TYPES or frame.message_type not in KNOWN_TYPES:
        return Dropped(DropReason.MALFORMED)
    if is_for_the_router(frame.channel_type, frame.message_type):
        return Ignored(frame.message_type)
    if frame.sender != user_id:
        return Dropped(DropReason.FOREIGN_ID)
    if frame.message_type == CONNECTION_TEST:
        return ConnectionTest(_fit_to_send(frame.payload))
    assert frame.message_type == STATUS
    return _read_status(frame.payload)


def _read_status(payload: object) -> Command:
    code = _CODES.get(payload) if isinstance(payload, str) else payload
    # Not isinstance, nor `in` alone: True and 1.0 equal 1, but are no status.
    if type(code) is not int or code not in _CODES.values():
        return Dropped(DropReason.BAD_STATUS)
    return SetStatus(PresencePatch(intent=intent_of(code), is_forwarded=True))


def _fit_to_send(payload: object) -> int | str:
    if type(payload) is int:
        return payload
    if not isinstance(payload, str) or len(payload) > _LONGEST_TEST:
        return ""
    return payload if payload.isprintable() and "|" not in payload else ""


def _named_in(line: str) -> Id | None:
    named = read_ping(line)
    if named is not None:
        return named
    try:
        return decode_text(line).sender
    except Malformed:
        return None


def _is_user_id(text: Id) -> bool:
    try:
        parse_user_id(text)
    except InvalidInput:
        return False
    return not _NEGATIVE.fullmatch(text)
