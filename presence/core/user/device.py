"""One device of a user: its connections, what holds it without one, its pings."""

import enum
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from presence.core.rule_settings import Rules
from presence.core.status_union import strongest
from presence.core.types import ConnectionId, Deadline, DeviceId, State
from presence.core.user.sweep import NEVER_PINGED, PingState
from presence.core.value import value


class HoldKind(enum.Enum):
    """Why a device is attached without an open connection."""

    GRACE = "grace"
    POLL = "poll"
    LEASE = "lease"


@value
class Hold:
    """Keeps a device attached in *state* until *ends_at* (monotonic).

    `until` is the Unix time of the end of a lease, which is told and stored;
    the others have none. It is kept beside `ends_at` and not derived from it,
    so that a jump of the wall clock makes no new record.
    """

    kind: HoldKind
    state: State
    length: float
    ends_at: float
    until: float | None = None

    def put_off(self, ends_at: float) -> "Hold":
        """The same hold, but until *ends_at* (monotonic)."""
        until = None if self.until is None else self.until + ends_at - self.ends_at
        return attrs.evolve(self, ends_at=ends_at, until=until)


@value
class HeldDevice:
    """The part of a device that outlives the actor of its user, apart from its connections."""

    holds: tuple[Hold, ...]
    ping_state: PingState


NO_HELD_DEVICES: Final[Mapping[DeviceId, HeldDevice]] = {}


@attrs.define
class Device:
    """One client installation of a user; attached while anything of it is left."""

    connections: dict[ConnectionId, State] = attrs.field(factory=dict)
    holds: tuple[Hold, ...] = ()
    ping_state: PingState = NEVER_PINGED

    @property
    def is_swept(self) -> bool:
        return self.ping_state.is_swept

    @property
    def is_attached(self) -> bool:
        return bool(self.connections or self.holds)

    @property
    def states(self) -> list[State]:
        """The states of its connections and holds."""
        return [*self.connections.values(), *[hold.state for hold in self.holds]]

    def states_after(
        self, states: Mapping[ConnectionId, State], whole: State | None
    ) -> list[State]:
        """`states` as they would be with *states* of its connections set, then *whole* for all."""
        if whole is not None:
            return [whole] * (len(self.connections) + len(self.holds))
        return [
            *[states.get(key, state) for key, state in self.connections.items()],
            *[hold.state for hold in self.holds],
        ]

    @property
    def state(self) -> State:
        """The strongest of them."""
        return strongest(self.states)

    @property
    def lease(self) -> Hold | None:
        return next((hold for hold in self.holds if hold.kind is HoldKind.LEASE), None)

    def connect(self, connection: ConnectionId, state: State) -> None:
        """A connection opens: it takes over from those that were lost, and is a sign of life.

        The timer of a poll holds the state of this connection from now on.
        """
        self.holds = tuple(
            attrs.evolve(hold, state=state) if hold.kind is HoldKind.POLL else hold
            for hold in self.holds
            if hold.kind is not HoldKind.GRACE
        )
        self.bring_back()
        self.connections[connection] = state

    def hold(self, kind: HoldKind, state: State, length: float, now: float) -> None:
        """Stay attached in *state* for *length* seconds more; a hold of a length of 0 is none.

        It stands for an earlier one of its kind and state, so that their number is bounded.
        """
        if length > 0:
            others = [hold for hold in self.holds if (hold.kind, hold.state) != (kind, state)]
            self.holds = (*others, Hold(kind, state, length, now + length))

    def set_state(self, state: State) -> None:
        """Give all that attaches the device this state; it counts again if it was swept."""
        self.connections = dict.fromkeys(self.connections, state)
        self.holds = tuple(attrs.evolve(hold, state=state) for hold in self.holds)
        self.bring_back()

    def lease_until(self, end: Deadline, state: State, now: float) -> None:
        """Be held in *state* by a lease until *end*, in place of any other lease."""
        others = [hold for hold in self.holds if hold.kind is not HoldKind.LEASE]
        lease = Hold(HoldKind.LEASE, state, end.mono - now, end.mono, end.wall)
        self.holds = (*others, lease)

    def ping(self, now: float) -> None:
        """Note a ping: the device counts again, and the sweep looks at it from now on."""
        self.ping_state = PingState(now)

    def bring_back(self) -> None:
        """Count again, without becoming something that the sweep looks at."""
        if self.is_swept:
            self.ping_state = NEVER_PINGED

    def swept_at(self, rules: Rules) -> float | None:
        """When a sweep will find this device silent; None if no sweep will."""
        return self.ping_state.swept_at(rules)

    def deadlines(self, rules: Rules) -> Iterator[float]:
        """Every moment at which time alone changes this device."""
        yield from (hold.ends_at for hold in self.holds)
        swept_at = self.swept_at(rules)
        if swept_at is not None:
            yield swept_at

    def pass_time(self, now: float, rules: Rules) -> None:
        """Let what has come to its end be over."""
        self.holds = tuple(hold for hold in self.holds if hold.ends_at > now)
        swept_at = self.swept_at(rules)
        if swept_at is not None and swept_at <= now:
            self.ping_state = attrs.evolve(self.ping_state, is_swept=True)

    def outlast_stall(self, now: float, rules: Rules) -> None:
        """Put off what came due while the process stood still, each by its length at most."""
        self.holds = tuple(
            hold.put_off(now + min(hold.length, rules.stall_grace_after))
            if hold.ends_at <= now
            else hold
            for hold in self.holds
        )
        swept_at = self.swept_at(rules)
        if swept_at is not None and swept_at <= now:
            patience = min(rules.ping_expires_after, rules.stall_grace_after)
            self.ping_state = attrs.evolve(self.ping_state, put_off_to=now + patience)
