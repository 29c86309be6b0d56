"""An explanation as Together tells it: the same as data and as sentences."""

import math

import orjson

from presence.core.types import State, Status
from presence.core.user.explanation import Explanation, NextChange, Reason, ReasonKind
from presence.dialects.together.times import format_time
from presence.dialects.together.views import Json


def explanation_json(explanation: Explanation, now_wall: float) -> bytes:
    """The body for `GET /users/@me/explain`; *now_wall* is Unix time."""
    next_change = explanation.next
    return orjson.dumps(
        {
            "status": explanation.status.value,
            "because": [reason_object(each) for each in explanation.because],
            "next": None if next_change is None else _next_object(next_change, now_wall),
        }
    )


def reason_object(reason: Reason) -> Json:
    """One reason; fields that do not concern its kind are null."""
    return {
        "kind": reason.kind.value,
        "name": reason.name,
        "says": sentence_for(reason),
        "is_deciding": reason.is_deciding,
        "status": None if reason.status is None else reason.status.value,
        "state": None if reason.state is None else reason.state.value,
        "connections": reason.connections,
        "last_ping": format_time(reason.last_ping),
        "until": format_time(reason.until),
    }


def _next_object(change: NextChange, now_wall: float) -> Json:
    return {
        "status": change.status.value,
        "at": format_time(change.at),
        "because": _next_sentence(change, now_wall),
    }


def sentence_for(reason: Reason) -> str:
    """The reason as a sentence in English."""
    match reason.kind:
        case ReasonKind.FLAG:
            return "Appear offline is set, so others see the user offline."
        case ReasonKind.INTENT:
            return _intent_sentence(reason)
        case ReasonKind.DEVICE:
            return f"Device {reason.name} {_connected(reason)} and {_is_in_state(reason)}."
        case ReasonKind.SWEPT:
            since = "" if reason.last_ping is None else f" since {format_time(reason.last_ping)}"
            return f"Device {reason.name} sent no ping{since}, so it does not count."
        case ReasonKind.LEASE:
            return f"A lease holds {_device(reason)} as {_state(reason)}{_until(reason)}."
        case ReasonKind.GRACE:
            return (
                f"Device {reason.name} lost its connection and still counts"
                f" as {_state(reason)}{_until(reason)}."
            )
        case ReasonKind.POLL:
            return (
                f"Device {reason.name} polls and is held between two polls"
                f" as {_state(reason)}{_until(reason)}."
            )


def _intent_sentence(reason: Reason) -> str:
    if reason.is_lost:
        return "The stored status could not be read, so the user is hidden until it sets one."
    if reason.status is Status.ONLINE:
        return "No status was set by hand, so the devices decide."
    if reason.status is Status.OFFLINE:
        return f"The user chose to be invisible{_until(reason)}."
    return f"The user chose {reason.status.value if reason.status else 'none'}{_until(reason)}."


def _next_sentence(change: NextChange, now_wall: float) -> str:
    ends = "" if change.because is None else f", when {_end_of(change.because)}"
    return f"{change.status.value} in {_span(change.at - now_wall)}{ends}"


def _end_of(reason: Reason) -> str:
    match reason.kind:
        case ReasonKind.INTENT:
            return "the time set for the status is over"
        case ReasonKind.LEASE:
            return f"the lease of {_device(reason)} ends, unless it is renewed"
        case ReasonKind.GRACE | ReasonKind.POLL:
            return f"the grace of device {reason.name} ends, unless it returns"
        case _:
            return f"a sweep finds device {reason.name} silent, unless it pings"


def _span(seconds: float) -> str:
    """A time ahead, as `4:10` or `1:04:10`."""
    minutes, rest = divmod(math.ceil(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _until(reason: Reason) -> str:
    return "" if reason.until is None else f" until {format_time(reason.until)}"


def _device(reason: Reason) -> str:
    return "the commands over REST" if reason.name.startswith("/") else f"device {reason.name}"


def _connected(reason: Reason) -> str:
    return "is connected" if reason.connections == 1 else f"has {reason.connections} connections"


def _is_in_state(reason: Reason) -> str:
    return "does not count" if reason.state is State.OFFLINE else f"is {_state(reason)}"


def _state(reason: Reason) -> str:
    return "nothing" if reason.state is None else reason.state.value
