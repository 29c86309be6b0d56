"""Which devices of one user are attached, and in which state each of them is."""

from collections.abc import Iterator, Mapping, Set

import attrs

from presence.core.events import Connected, Ending
from presence.core.rule_settings import Rules
from presence.core.types import NO_STATES, ConnectionId, Deadline, DeviceId, Moment, State
from presence.core.user.device import Device, HeldDevice, HoldKind


@attrs.define
class Kept:
    """Device states from before a restart, for who returns within the restart grace."""

    states: dict[DeviceId, State]
    attached_in: int
    ends_at: float


@attrs.define
class Devices:
    """The devices of one user. A device that nothing attaches any more is forgotten."""

    rules: Rules
    by_id: dict[DeviceId, Device] = attrs.field(factory=dict)
    kept: Kept | None = None

    @property
    def connections(self) -> dict[ConnectionId, DeviceId]:
        """The device of each connection."""
        return {key: name for name, device in self.by_id.items() for key in device.connections}

    def has(self, connection: ConnectionId) -> bool:
        """Whether a device has this connection."""
        return any(connection in device.connections for device in self.by_id.values())

    @property
    def is_over(self) -> bool:
        """True when no device is attached, nor awaited from before a restart."""
        return not self.by_id and self.kept is None

    @property
    def states(self) -> dict[DeviceId, State]:
        """The state of each attached device."""
        return {name: device.state for name, device in self.by_id.items()}

    @property
    def awaited_states(self) -> dict[DeviceId, State]:
        """The state of each device that is awaited from before a restart; none of them counts."""
        return dict(self.kept.states) if self.kept else {}

    @property
    def lease_ends(self) -> dict[DeviceId, float]:
        """Until when (Unix time) a lease holds each device that has one."""
        return {
            name: lease.until
            for name, device in self.by_id.items()
            if (lease := device.lease) is not None and lease.until is not None
        }

    @property
    def held(self) -> dict[DeviceId, HeldDevice]:
        """The devices that something holds beside their connections."""
        return {
            name: HeldDevice(device.holds, device.ping_state)
            for name, device in self.by_id.items()
            if device.holds
        }

    def attached_in(self, epoch: int) -> int | None:
        """The run, *epoch* or an earlier one, that the user's devices belong to."""
        if self.by_id:
            return epoch
        return self.kept.attached_in if self.kept else None

    def counted(self) -> list[State]:
        """The states that count for the union: of all that holds a device, unless it is swept."""
        return [
            state
            for device in self.by_id.values()
            if not device.is_swept
            for state in device.states
        ]

    def counted_after(
        self,
        states: Mapping[ConnectionId, State],
        returning: Set[ConnectionId],
        device_states: Mapping[DeviceId, State] = NO_STATES,
    ) -> list[State]:
        """`counted` as it would be with *states* and *device_states* set, and swept devices back.

        A state of a whole device is also a sign of life of it.
        """
        after: list[State] = []
        for name, device in self.by_id.items():
            whole = device_states.get(name)
            if not device.is_swept or whole or returning & device.connections.keys():
                after += device.states_after(states, whole)
        return after

    def would_alter(
        self,
        states: Mapping[ConnectionId, State],
        returning: Set[ConnectionId],
        device_states: Mapping[DeviceId, State] = NO_STATES,
    ) -> bool:
        """True if setting these states, or a swept device's return, makes any difference."""
        return any(
            (device.is_swept and (name in device_states or returning & device.connections.keys()))
            or device.states_after(states, device_states.get(name)) != device.states
            for name, device in self.by_id.items()
        )

    def has_lease(self, name: DeviceId) -> bool:
        """Whether a lease holds the device *name*."""
        device = self.by_id.get(name)
        return device is not None and device.lease is not None

    def has_room(self, name: DeviceId) -> bool:
        """Whether one more device fits, if need be in place of one without a connection."""
        limit = self.rules.max_devices_per_user
        if limit == 0 or name in self.by_id or len(self.by_id) < limit:
            return True
        return any(not device.connections for device in self.by_id.values())

    # -- what happens ------------------------------------------------------------------------

    def connect(self, event: Connected) -> bool:
        """Attach a connection; False where every device of the user is in use."""
        if not self._make_room(event.device):
            return False
        state = self._first_state(event)
        self.by_id.setdefault(event.device, Device()).connect(event.connection, state)
        return True

    def end(self, connection: ConnectionId, ending: Ending, now: float) -> None:
        """A connection is over; of an unknown one nothing happens."""
        name = self.connections.get(connection)
        if name is None:
            return
        device = self.by_id[name]
        state = device.connections.pop(connection)
        if ending is Ending.LOST:
            device.hold(HoldKind.GRACE, state, self.rules.grace_after, now)
        elif ending is Ending.POLL:
            device.hold(HoldKind.POLL, state, self.rules.poll_grace_after, now)
        self._drop_if_detached(name)

    def set_states(self, states: Mapping[ConnectionId, State]) -> None:
        """Set the states of single connections; those that are over are left out."""
        for device in self.by_id.values():
            for connection in states.keys() & device.connections.keys():
                device.connections[connection] = states[connection]

    def ping(self, connection: ConnectionId, now: float, *, may_begin: bool = True) -> None:
        """A ping of the device of *connection*; unless *may_begin* it only renews."""
        name = self.connections.get(connection)
        if name is not None and (may_begin or self.by_id[name].ping_state.is_running):
            self.by_id[name].ping(now)

    def bring_back(self, returning: Set[ConnectionId]) -> None:
        """The devices of the connections *returning* count again, if they were swept."""
        for device in self.by_id.values():
            if returning & device.connections.keys():
                device.bring_back()

    def set_device_states(self, states: Mapping[DeviceId, State]) -> None:
        """Set the states of whole devices; those that are not attached are left out."""
        for name in states.keys() & self.by_id.keys():
            self.by_id[name].set_state(states[name])

    def lease(
        self,
        name: DeviceId,
        asked: float | None,
        until: float | None,
        now: Moment,
        *,
        made_in: State | None = None,
    ) -> None:
        """Renew the lease of the device *name*, or make it in the state *made_in*.

        Without *made_in* none is made. It holds for *asked* seconds from now, by
        default for the usual length, and up to *until* (Unix time) where that is
        later, but never longer than the longest. Only a length that is *asked*
        for shortens one that lives.
        """
        lease = self.by_id[name].lease if name in self.by_id else None
        state = made_in if lease is None else lease.state
        if state is None:
            return
        length = self.rules.lease_after if asked is None else asked
        if until is not None:
            length = max(length, until - now.wall)
        length = min(length, self.rules.longest_lease_after)
        if asked is None and lease is not None and lease.ends_at >= now.mono + length:
            return
        if self._make_room(name):
            end = Deadline(now.wall + length, now.mono + length)
            self.by_id.setdefault(name, Device()).lease_until(end, state, now.mono)

    def release(self, name: DeviceId) -> None:
        """End what holds the device *name* beside its connections."""
        if name in self.by_id:
            self.by_id[name].holds = ()
            self._drop_if_detached(name)

    def pass_time(self, now: float) -> None:
        """Let what has come to its end be over."""
        for name, device in list(self.by_id.items()):
            device.pass_time(now, self.rules)
            self._drop_if_detached(name)
        if self.kept and self.kept.ends_at <= now:
            self.kept = None

    def outlast_stall(self, now: float) -> None:
        """Put off what came due while the process stood still."""
        for device in self.by_id.values():
            device.outlast_stall(now, self.rules)
        if self.kept and self.kept.ends_at <= now:
            patience = min(self.rules.restart_grace_after, self.rules.stall_grace_after)
            self.kept.ends_at = now + patience

    def expel(self) -> None:
        """All devices are gone at once."""
        self.by_id, self.kept = {}, None

    def deadlines(self) -> Iterator[float]:
        """Every moment at which time alone changes who is attached or counts."""
        for device in self.by_id.values():
            yield from device.deadlines(self.rules)
        if self.kept:
            yield self.kept.ends_at

    # -- details -----------------------------------------------------------------------------

    def _first_state(self, event: Connected) -> State:
        """The connection's wish, else what its device was last, else online.

        Within the restart grace the weaker of the two holds: whatever wish the
        connect carries, a deploy brings nobody into the open.
        """
        kept = self.kept.states.pop(event.device, None) if self.kept else None
        if kept is not None:
            return min(kept, event.state or kept, key=lambda state: state.strength)
        if event.state is not None:
            return event.state
        device = self.by_id.get(event.device)
        return device.state if device else State.ONLINE

    def _make_room(self, name: DeviceId) -> bool:
        """See that one more device fits, at the cost of one that only a hold attaches."""
        limit = self.rules.max_devices_per_user
        if limit and name not in self.by_id and len(self.by_id) >= limit:
            held = (name for name, device in self.by_id.items() if not device.connections)
            oldest = next(held, None)
            if oldest is None:
                return False
            del self.by_id[oldest]
        return True

    def _drop_if_detached(self, name: DeviceId) -> None:
        if not self.by_id[name].is_attached:
            del self.by_id[name]
            if not self.by_id and self.kept and not self.kept.states:
                self.kept = None  # all have returned and left again: gone, not awaited
