"""Which devices of one user are attached, and in which state each of them is."""

from collections.abc import Iterator, Mapping, Set

import attrs

from presence.core.events import REST_DEVICE, Connected, Ending
from presence.core.rules import Rules
from presence.core.types import ConnectionId, Deadline, DeviceId, Moment, State
from presence.core.user.device import Device, HoldKind


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
        self, states: Mapping[ConnectionId, State], returning: Set[ConnectionId]
    ) -> list[State]:
        """`counted` as it would be with *states* set, and swept devices back in."""
        after: list[State] = []
        for device in self.by_id.values():
            if not device.is_swept or returning & device.connections.keys():
                after += [states.get(key, state) for key, state in device.connections.items()]
                after += [hold.state for hold in device.holds]
        return after

    def would_alter(
        self, states: Mapping[ConnectionId, State], returning: Set[ConnectionId]
    ) -> bool:
        """True if setting *states*, or a swept device's return, makes any difference."""
        return any(
            (device.is_swept and returning & device.connections.keys())
            or any(states.get(key, state) is not state for key, state in device.connections.items())
            for device in self.by_id.values()
        )

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

    def lease(
        self, asked: float | None, until: float | None, now: Moment, *, may_make: bool
    ) -> None:
        """Renew the lease that lives, or make it where *may_make*.

        It holds for *asked* seconds from now, by default for the usual length,
        and up to *until* (Unix time) where that is later, but never longer than
        the longest. Only a length that is *asked* for shortens one that lives.
        """
        lease = self.by_id[REST_DEVICE].lease if REST_DEVICE in self.by_id else None
        if lease is None and not may_make:
            return
        length = self.rules.lease_after if asked is None else asked
        if until is not None:
            length = max(length, until - now.wall)
        length = min(length, self.rules.longest_lease_after)
        if asked is None and lease is not None and lease.ends_at >= now.mono + length:
            return
        state = State.ONLINE if lease is None else lease.state
        end = Deadline(now.wall + length, now.mono + length)
        self.by_id.setdefault(REST_DEVICE, Device()).lease_until(end, state, now.mono)

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
        if limit == 0 or name in self.by_id or len(self.by_id) < limit:
            return True
        held = (name for name, device in self.by_id.items() if not device.connections)
        oldest = next(held, None)
        if oldest is not None:
            del self.by_id[oldest]
        return oldest is not None

    def _drop_if_detached(self, name: DeviceId) -> None:
        if not self.by_id[name].is_attached:
            del self.by_id[name]
            if not self.by_id and self.kept and not self.kept.states:
                self.kept = None  # all have returned and left again: gone, not awaited
