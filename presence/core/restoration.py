"""Making a `User` from what is stored: at its first message, after a crash or a restart."""

from collections.abc import Mapping, Sequence

import attrs

from presence.core.attendance import Attendance, Kept
from presence.core.choices import Choices
from presence.core.device import NEVER_PINGED, Device, HoldKind, Pulse
from presence.core.pace import Pace
from presence.core.record import Record
from presence.core.rules import Rules
from presence.core.types import (
    ConnectionId,
    Deadline,
    DeviceId,
    Moment,
    PublicView,
    State,
    UserId,
)
from presence.core.user import User
from presence.core.value import value
from presence.core.versions import Versions


@value
class LiveConnection:
    """A connection that is open while its user's state is rebuilt.

    `pulse` is that of its device.
    """

    connection: ConnectionId
    device: DeviceId
    state: State
    pulse: Pulse = NEVER_PINGED


@value
class Run:
    """What the present run of the server knows about earlier ones.

    Choices of users attached in `settled_start` or later are kept until
    `restart_grace_ends_at` (monotonic).
    """

    versions: Versions
    rules: Rules
    settled_start: int
    restart_grace_ends_at: float


def new_user(user_id: UserId, run: Run, *, is_sealed: bool = False) -> User:
    """A user of whom nothing is stored. *is_sealed*: something may have been, and was lost."""
    user = _bare(PublicView(user_id, username=user_id), user_id, run)
    user.choices = Choices(is_sealed=is_sealed)
    return user


def unreadable_user(user_id: UserId, view: PublicView | None, run: Run) -> User:
    """A user whose row makes no sense or cannot be read: hidden until it sets a status."""
    user = new_user(user_id, run, is_sealed=True)
    user.is_unreadable = user.is_created = True
    if view is not None:
        user.name, user.public, user.is_shown = view.username, view, True
    return user


def restored_user(
    record: Record, run: Run, now: Moment, live: Sequence[LiveConnection] = ()
) -> User:
    """The user of *record*, with the connections that are *live*.

    After a crash of the actor, devices that were attached without a
    connection get their hold anew: nobody is shown offline for our fault. A
    lease holds until its end, over a crash as over a restart.
    """
    user = _bare(record.view, record.name, run)
    user.choices = _choices(record, now)
    user.is_created, user.is_shown = True, record.is_shown
    user.claims_at, user.named_at = record.claims_at, record.named_at
    user.public_text_end = Deadline.of(record.view.custom_status_until, now)
    _attach(user.attendance, live)
    if record.attached_in == run.versions.start_number:
        _hold_again(user.attendance, record, now)
        if record.awaited_states and now.mono < run.restart_grace_ends_at:
            # In which run they were attached is no longer known: any that is not settled.
            user.attendance.kept = _kept(record.awaited_states, run.settled_start, run)
        # What its connections have; the status of the self view is always the public one.
        user.told = attrs.evolve(user.self_view, status=record.view.status)
    else:
        _outlive_restart(user, record, run, now)
    user.choices = user.choices.after_time(now.mono)
    return user


def _outlive_restart(user: User, record: Record, run: Run, now: Moment) -> None:
    """Of those who were attached the leases still hold; the others may return within the grace."""
    leased = record.leased_at(now.wall)
    for name in leased:
        _lease_again(user.attendance, name, record, now)
    if _is_kept(record, run, now):
        states = {**record.awaited_states, **record.device_states}
        gone = {name: state for name, state in states.items() if name not in leased}
        if gone or not leased:
            user.attendance.kept = _kept(gone, record.attached_in or 0, run)
    elif not leased:
        user.choices = user.choices.without_devices()
    if not leased:
        user.choices = user.choices.with_activity(None)


def _attach(attendance: Attendance, live: Sequence[LiveConnection]) -> None:
    for link in live:
        device = attendance.devices.setdefault(link.device, Device())
        device.connections[link.connection] = link.state
        device.pulse = link.pulse


def _kept(states: Mapping[DeviceId, State], attached_in: int, run: Run) -> Kept:
    return Kept(dict(states), attached_in, run.restart_grace_ends_at)


def _is_kept(record: Record, run: Run, now: Moment) -> bool:
    attached_in = record.attached_in
    was_there = attached_in is not None and attached_in >= run.settled_start
    return was_there and now.mono < run.restart_grace_ends_at


def _hold_again(attendance: Attendance, record: Record, now: Moment) -> None:
    rules = attendance.rules
    for name, state in record.device_states.items():
        if name in record.lease_ends:
            _lease_again(attendance, name, record, now)
        elif name not in attendance.devices:
            device = Device()
            if rules.grace_after:
                device.hold(HoldKind.GRACE, state, rules.grace_after, now.mono)
            else:  # without a grace, only a poll can have left it attached
                device.hold(HoldKind.POLL, state, rules.poll_grace_after, now.mono)
            if device.is_attached:
                attendance.devices[name] = device


def _lease_again(attendance: Attendance, name: DeviceId, record: Record, now: Moment) -> None:
    """Hold the device in its state until the end that is on record.

    However the wall clock was set meanwhile, that is no longer than the longest lease.
    """
    wall = min(record.lease_ends[name], now.wall + attendance.rules.longest_lease_after)
    end = Deadline(wall, now.mono_of(wall))
    device = attendance.devices.setdefault(name, Device())
    device.lease_until(end, record.device_states[name], now.mono)


def _choices(record: Record, now: Moment) -> Choices:
    return Choices(
        intent=record.intent,
        until=Deadline.of(record.intent_until, now),
        former_intent=record.former_intent,
        appear_offline=record.appear_offline,
        is_sealed=record.is_sealed,
        custom_status=record.custom_status,
        custom_status_until=Deadline.of(record.custom_status_until, now),
        activity=record.activity,
    )


def _bare(view: PublicView, name: str, run: Run) -> User:
    return User(
        name=name,
        public=view,
        rules=run.rules,
        versions=run.versions,
        attendance=Attendance(run.rules),
        pace=Pace.of(run.rules),
    )
