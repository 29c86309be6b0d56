"""Making a `User` from what is stored: at its first message, after a crash or a restart."""

from collections.abc import Mapping, Sequence

import attrs

from presence.core.record import Record
from presence.core.rule_settings import Rules
from presence.core.types import (
    ConnectionId,
    Deadline,
    DeviceId,
    Moment,
    PublicView,
    State,
    UserId,
)
from presence.core.user.change_rate import ChangeRateLimit
from presence.core.user.device import NO_HELD_DEVICES, Device, HeldDevice, HoldKind
from presence.core.user.devices import Devices, Kept
from presence.core.user.preferences import Preferences
from presence.core.user.sweep import NEVER_PINGED, PingState
from presence.core.user.texts import Texts
from presence.core.user.user import User
from presence.core.value import value
from presence.core.versions import Versions


@value
class LiveConnection:
    """A connection that is open while its user's state is rebuilt.

    `ping_state` is that of its device.
    """

    connection: ConnectionId
    device: DeviceId
    state: State
    ping_state: PingState = NEVER_PINGED


@value
class Incarnation:
    """The knowledge of the present life of the server about earlier ones.

    Choices of users attached in `settled_epoch` or later are kept until
    `restart_grace_ends_at` (monotonic).
    """

    versions: Versions
    rules: Rules
    settled_epoch: int
    restart_grace_ends_at: float


def new_user(user_id: UserId, incarnation: Incarnation, *, forced_hidden: bool = False) -> User:
    """A user of whom nothing is stored. *forced_hidden*: something may have been, and was lost."""
    user = _bare(PublicView(user_id, username=user_id), user_id, incarnation)
    user.preferences = Preferences(forced_hidden=forced_hidden)
    return user


def unreadable_user(user_id: UserId, view: PublicView | None, incarnation: Incarnation) -> User:
    """A user whose row makes no sense or cannot be read: hidden until it sets a status."""
    user = new_user(user_id, incarnation, forced_hidden=True)
    user.is_unreadable = user.is_created = True
    if view is not None:
        user.name, user.public, user.is_announced = view.username, view, True
    return user


def restored_user(
    record: Record,
    incarnation: Incarnation,
    now: Moment,
    live: Sequence[LiveConnection] = (),
    held: Mapping[DeviceId, HeldDevice] = NO_HELD_DEVICES,
) -> User:
    """The user of *record*, with the connections that are *live* and the devices that are *held*.

    After a crash of the actor, other devices that were attached without a
    connection get a grace: nobody is shown offline for our fault. A lease holds
    until its end, over a crash as over a restart.
    """
    user = _bare(record.view, record.name, incarnation)
    user.preferences = _preferences(record, now)
    user.is_created, user.is_announced = True, record.is_announced
    user.claims_at, user.named_at = record.claims_at, record.named_at
    user.public_text_end = Deadline.of(record.view.custom_status_until, now)
    _attach(user.devices, live)
    for name, each in held.items():
        device = user.devices.by_id.setdefault(name, Device())
        device.holds, device.ping_state = each.holds, each.ping_state
    if record.attached_in == incarnation.versions.epoch:
        _hold_again(user.devices, record, now)
        if record.awaited_states and now.mono < incarnation.restart_grace_ends_at:
            # In which run they were attached is no longer known: any that is not settled.
            user.devices.kept = _kept(record.awaited_states, incarnation.settled_epoch, incarnation)
        # The view that its connections have; the status of the self view is always the public one.
        user.told = attrs.evolve(user.self_view, status=record.view.status)
    else:
        _outlive_restart(user, record, incarnation, now)
    user.preferences = user.preferences.after_time(now.mono)
    return user


def _outlive_restart(user: User, record: Record, incarnation: Incarnation, now: Moment) -> None:
    """Of those who were attached the leases still hold; the others may return within the grace."""
    leased = record.leased_at(now.wall)
    for name in leased:
        _lease_again(user.devices, name, record, now)
    if _is_kept(record, incarnation, now):
        states = {**record.awaited_states, **record.device_states}
        gone = {name: state for name, state in states.items() if name not in leased}
        if gone or not leased:
            user.devices.kept = _kept(gone, record.attached_in or 0, incarnation)
    elif not leased:
        user.preferences = user.preferences.without_devices()
    if not leased:
        user.preferences = user.preferences.with_activity(None)


def _attach(devices: Devices, live: Sequence[LiveConnection]) -> None:
    for link in live:
        device = devices.by_id.setdefault(link.device, Device())
        device.connections[link.connection] = link.state
        device.ping_state = link.ping_state


def _kept(states: Mapping[DeviceId, State], attached_in: int, incarnation: Incarnation) -> Kept:
    return Kept(dict(states), attached_in, incarnation.restart_grace_ends_at)


def _is_kept(record: Record, incarnation: Incarnation, now: Moment) -> bool:
    attached_in = record.attached_in
    was_there = attached_in is not None and attached_in >= incarnation.settled_epoch
    return was_there and now.mono < incarnation.restart_grace_ends_at


def _hold_again(devices: Devices, record: Record, now: Moment) -> None:
    rules = devices.rules
    for name, state in record.device_states.items():
        if name in record.lease_ends and not devices.has_lease(name):
            _lease_again(devices, name, record, now)
        elif name not in devices.by_id:
            device = Device()
            device.hold(HoldKind.GRACE, state, rules.grace_after, now.mono)
            if device.is_attached:
                devices.by_id[name] = device


def _lease_again(devices: Devices, name: DeviceId, record: Record, now: Moment) -> None:
    """Hold the device in its state until the end that is on record.

    However the wall clock was set meanwhile, that is no longer than the longest lease.
    """
    wall = min(record.lease_ends[name], now.wall + devices.rules.longest_lease_after)
    end = Deadline(wall, now.mono_of(wall))
    device = devices.by_id.setdefault(name, Device())
    device.lease_until(end, record.device_states[name], now.mono)


def _preferences(record: Record, now: Moment) -> Preferences:
    return Preferences(
        intent=record.intent,
        until=Deadline.of(record.intent_until, now),
        former_intent=record.former_intent,
        appear_offline=record.appear_offline,
        forced_hidden=record.forced_hidden,
        texts=Texts(
            record.custom_status, Deadline.of(record.custom_status_until, now), record.activity
        ),
    )


def _bare(view: PublicView, name: str, incarnation: Incarnation) -> User:
    return User(
        name=name,
        public=view,
        rules=incarnation.rules,
        versions=incarnation.versions,
        devices=Devices(incarnation.rules),
        rate_limit=ChangeRateLimit.of(incarnation.rules),
    )
