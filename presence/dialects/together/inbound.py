"""Frames that a client sends over the gateway: text in, a command out."""

from typing import Any, Final

from presence.core.types import State, Status
from presence.core.user.patch import UNSET, PresencePatch
from presence.core.value import value
from presence.dialects.together.errors import DROP_REASONS, DropReason
from presence.dialects.together.fields import TextFields, parse_bool, parse_status, parse_texts
from presence.dialects.together.strict_json import load_json
from presence.dialects.together.times import parse_end
from presence.errors import InvalidInput


@value
class Heartbeat:
    """The client is alive and wants a HEARTBEAT_ACK."""


@value
class PresenceUpdate:
    """The client changes its own presence."""

    change: PresencePatch


@value
class Dropped:
    """Nothing of the frame applies; it is counted and not answered."""

    reason: DropReason


Command = Heartbeat | PresenceUpdate | Dropped

HEARTBEAT: Final = Heartbeat()


def parse_frame(frame: str | bytes, now_wall: float) -> Command:
    """Read one message; whatever it holds, the answer is one of the three commands.

    Bytes are a binary message and dropped. The size is limited elsewhere.
    Unknown keys are ignored, so that newer clients can talk to us.
    """
    if not isinstance(frame, str):
        return Dropped(DropReason.BINARY)
    try:
        return _read_envelope(load_json(frame, "frame"), now_wall)
    except InvalidInput as refusal:
        return Dropped(DROP_REASONS[refusal.field])


def _read_envelope(envelope: object, now_wall: float) -> Command:
    if not isinstance(envelope, dict):
        return Dropped(DropReason.NOT_AN_OBJECT)
    op = envelope.get("op")
    if op == "HEARTBEAT":
        return HEARTBEAT
    if op != "PRESENCE_UPDATE":
        return Dropped(DropReason.UNKNOWN_OP)
    data = envelope.get("d")
    if not isinstance(data, dict):
        return Dropped(DropReason.BAD_DATA)
    return PresenceUpdate(_read_change(data, now_wall))


def _read_change(data: dict[str, Any], now_wall: float) -> PresencePatch:
    # A missing status reads as null, which is no status.
    is_afk = parse_bool(data["afk"], "afk") if "afk" in data else None
    status = None
    if is_afk is not False or "status" in data:
        status = parse_status(data.get("status"))
    until = parse_end(data.get("until"), now_wall, "until")
    texts = parse_texts(data, now_wall)
    if is_afk is None:
        return _by_hand(status, until, texts)
    if until is not None:
        raise InvalidInput("until", "belongs to a status set by hand")
    if is_afk and status is not Status.AWAY:
        raise InvalidInput("afk", "goes with away only")
    return _by_itself(State.IDLE if is_afk else State.ONLINE, texts)


def _by_hand(status: Status | None, until: float | None, texts: TextFields) -> PresencePatch:
    return PresencePatch(
        intent=UNSET if status is None else status,
        until=until,
        state=State.ONLINE,
        **texts,
    )


def _by_itself(state: State, texts: TextFields) -> PresencePatch:
    """Auto-away and the return from it: the state of this connection, not the intent."""
    return PresencePatch(state=state, **texts)
