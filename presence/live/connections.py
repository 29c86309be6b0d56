"""The open connections of each user."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import attrs

from actors import Shards
from presence.core.restore import LiveConnection
from presence.core.types import ConnectionId, DeviceId, State, UserId
from presence.core.user.device import NO_HELD_DEVICES, HeldDevice
from presence.core.user.devices import Devices
from presence.core.user.sweep import NEVER_PINGED, PingState
from presence.live.subscriber import EndReason, Subscriber


@attrs.define
class Attached:
    """A connection and its last known state, from which a crashed actor is rebuilt.

    `is_ending`: it was told to end, and no longer counts for its user.
    """

    subscriber: Subscriber
    state: State
    ping_state: PingState = NEVER_PINGED
    is_welcomed: bool = False
    is_ending: bool = False


class ConnectionRegistry:
    """The connections by user. They stay registered while the user's actor restarts."""

    def __init__(self) -> None:
        # Tuples: nearly all users have one connection or two.
        self._by_user: Shards[UserId, tuple[Attached, ...]] = Shards()
        self._ending: Shards[UserId, tuple[Attached, ...]] = Shards()
        self._held: Shards[UserId, Mapping[DeviceId, HeldDevice]] = Shards()
        self._ids = itertools.count(1)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Subscriber]:
        for attached in self._by_user.values():
            for entry in attached:
                yield entry.subscriber

    def new_connection(self) -> ConnectionId:
        return ConnectionId(next(self._ids))

    def count_of(self, user_id: UserId) -> int:
        return len(self.of(user_id))

    def devices_of(self, user_id: UserId) -> list[DeviceId]:
        """The device of each connection of the user."""
        return [entry.subscriber.device for entry in self.of(user_id)]

    def add(self, subscriber: Subscriber, state: State) -> None:
        """Register an open connection, before its user's actor knows it."""
        user_id = subscriber.user_id
        self._by_user[user_id] = (*self.of(user_id), Attached(subscriber, state))
        self._count += 1

    def remove(self, subscriber: Subscriber) -> None:
        """Unregister a connection that is over.

        Until `note_end_handled` a rebuilt actor still gets it by `live`, because its
        last commands may wait in the mailbox, before its end.
        """
        user_id = subscriber.user_id
        entry = self._entry_of(subscriber)
        if entry is not None:
            self._count -= 1
            _take_out(self._by_user, user_id, entry)
            if entry.is_welcomed and not entry.is_ending:
                self._ending[user_id] = (*(self._ending.get(user_id) or ()), entry)

    def note_end_handled(self, user_id: UserId, connection: ConnectionId) -> None:
        """From now on a rebuilt actor no longer gets *connection*, which has ended."""
        for entry in self._ending.get(user_id) or ():
            if entry.subscriber.connection == connection:
                _take_out(self._ending, user_id, entry)

    def of(self, user_id: UserId) -> Sequence[Attached]:
        """The user's connections, the oldest first."""
        return self._by_user.get(user_id) or ()

    def is_open(self, subscriber: Subscriber) -> bool:
        """False if the connection is over, or was told to end."""
        entry = self._entry_of(subscriber)
        return entry is not None and not entry.is_ending

    def welcome(self, subscriber: Subscriber) -> bool:
        """Note that *subscriber* gets its snapshot now; False if it has ended meanwhile."""
        entry = self._entry_of(subscriber)
        if entry is None or entry.is_ending:
            return False
        entry.is_welcomed = True
        return True

    def end_all(self, user_id: UserId, reason: EndReason) -> None:
        """Tell the user's connections to end; from now on they do not count for the user."""
        for entry in self.of(user_id):
            entry.is_ending = True
            entry.subscriber.end(reason)

    def note_states(self, user_id: UserId, devices: Devices) -> None:
        """Remember the state of each of the user's connections, and what else holds its devices."""
        held = devices.held
        if held:
            self._held[user_id] = held
        else:
            self._held.pop(user_id, None)
        for entry in self._present(user_id):
            device, key = devices.by_id.get(entry.subscriber.device), entry.subscriber.connection
            if device is not None and key in device.connections:
                entry.state, entry.ping_state = device.connections[key], device.ping_state

    def subscribers_of(self, user_id: UserId) -> list[Subscriber]:
        return [entry.subscriber for entry in self.of(user_id)]

    def welcomed(self, user_id: UserId) -> list[Subscriber]:
        """The user's connections that have their snapshot and are not about to end."""
        return [
            entry.subscriber
            for entry in self.of(user_id)
            if entry.is_welcomed and not entry.is_ending
        ]

    def live(self, user_id: UserId) -> list[LiveConnection]:
        """The connections of the user, as a fresh actor needs them."""
        return [
            LiveConnection(
                entry.subscriber.connection, entry.subscriber.device, entry.state, entry.ping_state
            )
            for entry in self._present(user_id)
            if entry.is_welcomed and not entry.is_ending
        ]

    def held(self, user_id: UserId) -> Mapping[DeviceId, HeldDevice]:
        """The devices that more than connections hold, as a fresh actor needs them."""
        return self._held.get(user_id) or NO_HELD_DEVICES

    def _present(self, user_id: UserId) -> Sequence[Attached]:
        """The connections that the user's actor knows, or whose end it has not handled yet."""
        return (*(self._ending.get(user_id) or ()), *self.of(user_id))

    def _entry_of(self, subscriber: Subscriber) -> Attached | None:
        own = self.of(subscriber.user_id)
        return next((entry for entry in own if entry.subscriber is subscriber), None)


def _take_out(table: Shards[UserId, tuple[Attached, ...]], user_id: UserId, gone: Attached) -> None:
    left = tuple(entry for entry in table[user_id] if entry is not gone)
    if left:
        table[user_id] = left
    else:
        table.pop(user_id)
