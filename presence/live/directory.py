"""The open connections of each user."""

import itertools
from collections.abc import Iterator

import attrs

from presence.core.attendance import Attendance
from presence.core.device import NEVER_PINGED, Pulse
from presence.core.restoration import LiveConnection
from presence.core.types import ConnectionId, State, UserId
from presence.live.listener import EndReason, Listener


@attrs.define
class Attached:
    """A connection and what it was last like, for rebuilding a crashed actor.

    `is_ending`: it was told to end, and is no more than a socket that closes.
    """

    listener: Listener
    state: State
    pulse: Pulse = NEVER_PINGED
    is_welcomed: bool = False
    is_ending: bool = False


class Directory:
    """Finds the connections of a user. They stay here while the user's actor restarts."""

    def __init__(self) -> None:
        self._by_user: dict[UserId, dict[ConnectionId, Attached]] = {}
        self._unheard: dict[UserId, dict[ConnectionId, Attached]] = {}
        self._ids = itertools.count(1)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Listener]:
        for attached in self._by_user.values():
            for entry in attached.values():
                yield entry.listener

    def new_connection(self) -> ConnectionId:
        return ConnectionId(next(self._ids))

    def count_of(self, user_id: UserId) -> int:
        return len(self._by_user.get(user_id, ()))

    def add(self, listener: Listener, state: State) -> None:
        """Note an open connection, before its user hears of it."""
        attached = self._by_user.setdefault(listener.user_id, {})
        attached[listener.connection] = Attached(listener, state)
        self._count += 1

    def remove(self, listener: Listener) -> None:
        """Forget a connection that is over, but for an actor that has not heard of its end.

        Until `note_end_heard` a fresh actor finds it as it was: its last words
        may wait to be handled, before its end.
        """
        user_id = listener.user_id
        attached = self._by_user.get(user_id, {})
        entry = attached.pop(listener.connection, None)
        if entry is not None:
            self._count -= 1
            if entry.is_welcomed and not entry.is_ending:
                unheard = self._unheard.setdefault(user_id, {})
                unheard[listener.connection] = entry
        if not attached:
            self._by_user.pop(user_id, None)

    def note_end_heard(self, user_id: UserId, connection: ConnectionId) -> None:
        """The user's actor handles the end of *connection* now."""
        unheard = self._unheard.get(user_id, {})
        unheard.pop(connection, None)
        if not unheard:
            self._unheard.pop(user_id, None)

    def of(self, user_id: UserId) -> dict[ConnectionId, Attached]:
        """The user's connections; not to be changed."""
        return self._by_user.get(user_id, {})

    def is_open(self, listener: Listener) -> bool:
        """False if the connection is over, or was told to end."""
        entry = self.of(listener.user_id).get(listener.connection)
        return entry is not None and not entry.is_ending

    def welcome(self, listener: Listener) -> bool:
        """Note that *listener* gets its snapshot now; False if it is over meanwhile."""
        is_open = self.is_open(listener)
        if is_open:
            self.of(listener.user_id)[listener.connection].is_welcomed = True
        return is_open

    def end_all(self, user_id: UserId, reason: EndReason) -> None:
        """Tell the user's connections to end; they no longer belong to its life."""
        for entry in self.of(user_id).values():
            entry.is_ending = True
            entry.listener.end(reason)

    def note_states(self, user_id: UserId, attendance: Attendance) -> None:
        """Remember what each of the user's connections is like."""
        for key, entry in [*self._unheard.get(user_id, {}).items(), *self.of(user_id).items()]:
            device = attendance.devices.get(entry.listener.device)
            if device is not None and key in device.connections:
                entry.state, entry.pulse = device.connections[key], device.pulse

    def listeners_of(self, user_id: UserId) -> list[Listener]:
        return [entry.listener for entry in self.of(user_id).values()]

    def welcomed(self, user_id: UserId) -> list[Listener]:
        """The user's connections that have their snapshot and are not about to end."""
        return [
            entry.listener
            for entry in self.of(user_id).values()
            if entry.is_welcomed and not entry.is_ending
        ]

    def live(self, user_id: UserId) -> list[LiveConnection]:
        """What a fresh actor needs to know of the connections that its user has."""
        present = self._unheard.get(user_id, {}) | self.of(user_id)
        return [
            LiveConnection(key, entry.listener.device, entry.state, entry.pulse)
            for key, entry in present.items()
            if entry.is_welcomed and not entry.is_ending
        ]
