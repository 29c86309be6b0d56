"""One user and the clock it lives by, for the tests of the core."""

from collections.abc import Iterable

import attrs

from presence.core.events import (
    Commanded,
    Connected,
    DeviceRemoved,
    Effect,
    Ended,
    Ending,
    Event,
    NotAttached,
    OverRate,
    Pinged,
    Save,
    ShowSelf,
    Stalled,
    TimePassed,
    TooManyDevices,
    WakeAt,
)
from presence.core.public_changes import PresenceChanged
from presence.core.record import Record
from presence.core.restore import Incarnation, LiveConnection, new_user, restored_user
from presence.core.rule_settings import Rules
from presence.core.types import (
    ConnectionId,
    DeviceId,
    Moment,
    PublicView,
    SelfView,
    State,
    Status,
    UserId,
)
from presence.core.user.patch import UNSET, PresencePatch
from presence.core.user.user import User
from presence.core.versions import Versions

ALICE = UserId("alice")
START = 1_200.0
"""When lives begin, on the monotonic clock: a moment of the sweep by the standard rules."""
WALL = 1_000_000.0
"""How far the wall clock is ahead of the monotonic one."""
MOST_WAKES = 50
"""More than that at one instant is a rule that spins."""


def run_of(epoch: int = 1, *, began_at: float = 0.0, settled: int = 0, **rules) -> Incarnation:
    """A run of the server that has accepted connections since *began_at*."""
    preferences = Rules(**rules)
    ends_at = began_at + preferences.restart_grace_after
    return Incarnation(Versions(epoch), preferences, settled, ends_at)


def as_stored(record: Record, committed_at: float, versions: Versions, now: float) -> Record:
    """*record* as a start of the server at *now* leaves it; times are Unix times.

    A user shown online is offline, unless a lease still shows it, and texts
    whose time has passed are cleared.
    """
    view = record.view
    if view.is_visible and not record.is_shown_by_lease(now):
        view = attrs.evolve(view, status=Status.OFFLINE, activity=None, last_seen=committed_at)
    if view.custom_status_until is not None and view.custom_status_until <= now:
        view = attrs.evolve(view, custom_status=None, custom_status_until=None)
    if view != record.view:
        view = attrs.evolve(view, version=versions.next())
    if record.custom_status_until is not None and record.custom_status_until <= now:
        record = attrs.evolve(record, custom_status=None, custom_status_until=None)
    return attrs.evolve(record, view=view)


def later(change: PresencePatch, by: float) -> PresencePatch:
    """*change* with its ends, which are seconds from now, put *by* seconds later."""
    until, text_until = change.until, change.custom_status_until
    return attrs.evolve(
        change,
        until=None if until is None or change.intent is UNSET else until + by,
        custom_status_until=text_until if text_until in (None, UNSET) else text_until + by,
    )


@attrs.frozen
class Told:
    """Something that others were told, and when (monotonic)."""

    at: float
    change: PresenceChanged


class Life:
    """Applies events to a `User` at moments, and lets time pass exactly as it asks for.

    Between the steps of a test every deadline is met: `TimePassed` comes at the
    very moment that `WakeAt` named. `stall` is the exception.
    """

    def __init__(
        self,
        user: User | None = None,
        *,
        run: Incarnation | None = None,
        now: float = START,
        wall: float = WALL,
    ) -> None:
        self.run = run_of() if run is None else run
        self.user = new_user(ALICE, self.run) if user is None else user
        self.mono = now
        self.wall_ahead = wall
        self.wake_at: float | None = None
        self.told: list[Told] = []
        self.self_views: list[SelfView] = []
        self.records: list[Record] = []
        self.devices: dict[ConnectionId, DeviceId] = {}
        self._last_connection = 0
        self._wakes_at_once = 0

    @property
    def now(self) -> Moment:
        return Moment(self.mono, self.mono + self.wall_ahead)

    @property
    def record(self) -> Record:
        """The last stored record."""
        return self.records[-1]

    @property
    def view(self) -> PublicView:
        """The public view."""
        return self.user.public

    # -- what happens ------------------------------------------------------------------------

    def do(self, *events: Event) -> list[Effect]:
        """Let *events* happen now."""
        effects = []
        for event in events:
            effects += self._note(self.user.apply(event, self.now))
        self._meet_deadlines(self.mono)
        return effects

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._meet_deadlines(self.mono + seconds)

    def wait_until(self, mono: float) -> None:
        self._meet_deadlines(mono)

    def stall(self, seconds: float, *late: Event) -> None:
        """The process stands still; sockets are read first, then the timer reports it."""
        self.mono += seconds
        for event in late:
            self._note(self.user.apply(event, self.now))
        if self.wake_at is not None and self.wake_at <= self.mono:
            self.wake_at = None
            self._note(self.user.apply(Stalled(), self.now))
        self._meet_deadlines(self.mono)

    def connect(
        self,
        device: str = "phone",
        state: State | None = None,
        intent: Status | None = None,
    ) -> ConnectionId:
        """Open a connection of *device*; return its id."""
        connection = self.new_connection(device)
        self.do(Connected(connection, DeviceId(device), state, intent))
        return connection

    def new_connection(self, device: str) -> ConnectionId:
        self._last_connection += 1
        connection = ConnectionId(self._last_connection)
        self.devices[connection] = DeviceId(device)
        return connection

    def end(self, connection: ConnectionId, ending: Ending = Ending.CLEAN) -> None:
        self.devices.pop(connection, None)
        self.do(Ended(connection, ending))

    def lose(self, connection: ConnectionId) -> None:
        self.end(connection, Ending.LOST)

    def ping(self, connection: ConnectionId) -> None:
        self.do(Pinged(connection))

    def say(self, connection: ConnectionId, **fields) -> list[Effect]:
        """Command a change over *connection*; it may wait."""
        return self.do(Commanded(PresencePatch(**fields), connection, may_wait=True))

    def patch(self, **fields) -> list[Effect]:
        """Command a change over REST; over the rate it is refused."""
        return self.do(Commanded(PresencePatch(**fields), None, may_wait=False))

    def set_device(self, device: str, state: State, **fields) -> list[Effect]:
        """Set the state of a whole device over REST."""
        change = PresencePatch(state=state, **fields)
        return self.do(Commanded(change, None, may_wait=False, device=DeviceId(device)))

    def remove_device(self, device: str) -> None:
        self.do(DeviceRemoved(DeviceId(device)))

    def crash(self, *, knows_held: bool = True) -> None:
        """The actor dies; a fresh one knows the last record, what is connected and what is held."""
        devices = self.user.devices.by_id
        live = [
            LiveConnection(key, name, devices[name].connections[key], devices[name].ping_state)
            for key, name in self.user.devices.connections.items()
        ]
        held = self.user.devices.held if knows_held else {}
        self.user = restored_user(self.record, self.run, self.now, live, held)
        self.wake_at = None
        self.do(TimePassed())

    def restart(self, after: float = 0.0) -> Record:
        """The server dies and starts again, *after* seconds later; what it starts from."""
        versions, died_at = Versions(self.run.versions.epoch + 1), self.now.wall
        self.mono += after
        stored = as_stored(self.record, died_at, versions, self.now.wall)
        grace_ends_at = self.mono + self.run.rules.restart_grace_after
        self.run = Incarnation(versions, self.run.rules, self.run.settled_epoch, grace_ends_at)
        self.devices.clear()
        self.user = restored_user(stored, self.run, self.now)
        self.wake_at = None
        self.records.append(stored)
        self.do(TimePassed())
        return stored

    # -- what was seen -----------------------------------------------------------------------

    def take_told(self) -> list[PresenceChanged]:
        """The changes published since the last call."""
        told, self.told = self.told, []
        return [each.change for each in told]

    def take_statuses(self) -> list[Status]:
        """The statuses that others were told since this was last asked."""
        return [change.view.status for change in self.take_told()]

    def take_timed_statuses(self) -> list[tuple[float, Status]]:
        """As `take_statuses`, each with the seconds since the beginning of the life."""
        told, self.told = self.told, []
        return [(each.at - START, each.change.view.status) for each in told]

    # -- details -----------------------------------------------------------------------------

    def _note(self, effects: Iterable[Effect]) -> list[Effect]:
        noted = list(effects)
        for effect in noted:
            match effect:
                case PresenceChanged():
                    self.told.append(Told(self.mono, effect))
                case ShowSelf(view):
                    self.self_views.append(view)
                case Save(record):
                    self.records.append(record)
                case WakeAt(at):
                    # The timer would take a wake in the past for a stall of its own.
                    assert at is None or at >= self.mono
                    self.wake_at = at
                case OverRate() | NotAttached() | TooManyDevices():
                    pass
        return noted

    def _meet_deadlines(self, until: float) -> None:
        wakes = 0
        while self.wake_at is not None and self.wake_at <= until:
            wakes = wakes + 1 if self.wake_at <= self.mono else 0
            assert wakes < MOST_WAKES, "the user wants to be woken again and again"
            self.mono = max(self.mono, self.wake_at)
            self.wake_at = None
            self._note(self.user.apply(TimePassed(), self.now))
        self.mono = until
