"""Why a user is shown as it is: the reasons that the union weighs, and its next change.

An explanation reads the true state, so it is for the user itself and for
administrators. To make one changes nothing.
"""

import copy
import enum
from collections.abc import Iterator, Sequence

import attrs

from presence.core.events import TimePassed
from presence.core.status_union import strongest
from presence.core.types import Moment, State, Status
from presence.core.user.device import Device, Hold, HoldKind
from presence.core.user.user import User
from presence.core.value import value

STEPS_AHEAD = 100
"""How many deadlines the search for the next change looks at; a user has fewer."""


class ReasonKind(enum.Enum):
    """A part of the state that the union depends on, in the order in which it asks."""

    FLAG = "flag"
    INTENT = "intent"
    DEVICE = "device"
    LEASE = "lease"
    GRACE = "grace"
    POLL = "poll"
    SWEPT = "swept"


@value
class Reason:
    """One reason. Times are Unix times.

    `name` is the device's id, empty for a reason of the whole user. `status` is
    the status that an intent or the flag asks for, `state` that of the device.
    `until` is when the reason ends by itself: for an open device, when a sweep
    will find it silent. `is_lost`: the intent could not be read from the store.
    """

    kind: ReasonKind
    name: str = ""
    status: Status | None = None
    state: State | None = None
    connections: int = 0
    last_ping: float | None = None
    until: float | None = None
    is_lost: bool = False
    is_deciding: bool = False


@value
class NextChange:
    """The next status that time alone brings, at Unix time *at*, and the reason that ends then."""

    status: Status
    at: float
    because: Reason | None


@value
class Explanation:
    """The status that the union gives, its reasons, and what changes next."""

    status: Status
    because: Sequence[Reason]
    next: NextChange | None


def explain(user: User, now: Moment) -> Explanation:
    """The reasons for the true status of *user*; those that decide it are marked."""
    reasons = [*_choices(user), *_devices(user, now)]
    return Explanation(user.status, reasons, _next_change(user, reasons, now))


def _choices(user: User) -> Iterator[Reason]:
    preferences = user.preferences
    if preferences.appear_offline:
        yield Reason(ReasonKind.FLAG, status=Status.OFFLINE, is_deciding=True)
    until = preferences.until
    is_hidden = user.status is Status.OFFLINE
    decides = preferences.intent is Status.OFFLINE or (
        preferences.intent is not Status.ONLINE and not is_hidden
    )
    yield Reason(
        ReasonKind.INTENT,
        status=Status.OFFLINE if preferences.forced_hidden else preferences.intent,
        until=until.wall if until else None,
        is_lost=preferences.forced_hidden,
        is_deciding=(decides or preferences.forced_hidden) and not preferences.appear_offline,
    )


def _devices(user: User, now: Moment) -> Iterator[Reason]:
    deciding = _deciding_state(user)
    for name, device in user.devices.by_id.items():
        for reason in _reasons_of(device, user, now):
            is_deciding = not device.is_swept and reason.state is deciding
            yield attrs.evolve(reason, name=name, is_deciding=is_deciding)


def _deciding_state(user: User) -> State | None:
    """The state of the devices that decide; None where the user's choice does."""
    preferences, counted = user.preferences, user.devices.counted()
    if preferences.is_hiding or preferences.intent is Status.OFFLINE:
        return None
    state = strongest(counted)
    is_chosen = preferences.intent is not Status.ONLINE and state is not State.OFFLINE
    return None if is_chosen else state


def _reasons_of(device: Device, user: User, now: Moment) -> Iterator[Reason]:
    pings = device.ping_state
    last_ping = None if pings.last_ping is None else now.wall + (pings.last_ping - now.mono)
    swept_at = device.swept_at(user.rules)
    if device.connections or device.is_swept:
        yield Reason(
            ReasonKind.SWEPT if device.is_swept else ReasonKind.DEVICE,
            state=strongest(device.connections.values()) if device.connections else device.state,
            connections=len(device.connections),
            last_ping=last_ping,
            until=None if swept_at is None else now.wall + (swept_at - now.mono),
        )
    for hold in device.holds:
        yield _reason_of_hold(hold, now)


def _reason_of_hold(hold: Hold, now: Moment) -> Reason:
    kinds = {
        HoldKind.LEASE: ReasonKind.LEASE,
        HoldKind.GRACE: ReasonKind.GRACE,
        HoldKind.POLL: ReasonKind.POLL,
    }
    until = now.wall + (hold.ends_at - now.mono) if hold.until is None else hold.until
    return Reason(kinds[hold.kind], state=hold.state, until=until)


def _next_change(user: User, reasons: Sequence[Reason], now: Moment) -> NextChange | None:
    """Let time pass for a copy of the user until its status is another one."""
    ahead, at = copy.deepcopy(user), now
    for _ in range(STEPS_AHEAD):
        wake_at = ahead.next_wake(at)
        if wake_at is None:
            return None
        at = Moment(wake_at, now.wall + (wake_at - now.mono))
        ahead.apply(TimePassed(), at)
        if ahead.status is not user.status:
            return NextChange(ahead.status, at.wall, _ended_at(reasons, at.wall))
    return None


def _ended_at(reasons: Sequence[Reason], at: float) -> Reason | None:
    """The reason that ends at Unix time *at*, those that decide before others."""
    ended = [each for each in reasons if each.until is not None and abs(each.until - at) < 0.001]
    return max(ended, key=lambda reason: reason.is_deciding, default=None)
