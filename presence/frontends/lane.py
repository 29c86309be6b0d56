"""How announcements reach the connections that are sockets, whatever dialect they speak."""

from collections.abc import Hashable, Sequence
from typing import Generic, Protocol, TypeVar

import attrs

from presence.core.public_changes import MemberRemoved, Update, subject_of
from presence.live.subscriber import Announcement, Encoder
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.frame_batch import FrameBatch
from presence.transport.sockets.outbox import Outbox

E = TypeVar("E", bound=Encoder)


class HasOutbox(Protocol):
    """A subscriber whose connection is a socket."""

    @property
    def outbox(self) -> Outbox: ...


@attrs.frozen
class RemovalBatch:
    """Frames some of which are only for connections that no longer see their user.

    `steps` are pairs of a user and its frame, oldest first; `removals` are the
    positions of those frames that say that the user is gone.
    """

    steps: Sequence[tuple[Hashable, bytes]]
    removals: frozenset[int]

    @property
    def removed(self) -> frozenset[Hashable]:
        """The users that one of the frames says are gone."""
        return frozenset(self.steps[index][0] for index in self.removals)

    def frames_for(self, gone: frozenset[Hashable]) -> FrameBatch | None:
        """The frames for connections that of all removed users no longer see those in *gone*."""
        steps = [
            step
            for index, step in enumerate(self.steps)
            if index not in self.removals or step[0] in gone
        ]
        return newest_of_each(steps) if steps else None


class SocketLane(Generic[E]):
    """The lane of all sockets that speak the dialect of *encoder*.

    Its addresses are slots of *fd_table*, so that an update is one packet and
    one write to a file descriptor for each connection.
    """

    def __init__(self, encoder: E, fd_table: FdTable) -> None:
        self.encoder = encoder
        self._fd_table = fd_table

    def admit(self, subscriber: HasOutbox) -> int:
        return self._fd_table.take(subscriber.outbox)

    def dismiss(self, slot: int) -> None:
        self._fd_table.unregister(slot)

    def render(
        self, values: Sequence[tuple[Hashable, Announcement]]
    ) -> FrameBatch | RemovalBatch | None:
        """Join the frames of some announcements; None where the dialect has none."""
        encoder = self.encoder
        frames: dict[Hashable, bytes] = {}
        found: list[tuple[Update, bytes]] = []
        removals: list[int] = []
        for key, announcement in values:
            frame, update = announcement.frame(encoder), announcement.update
            if frame is not None:
                if isinstance(update, MemberRemoved):
                    removals.append(len(found))
                frames[key] = frame
                found.append((update, frame))
        if not found:
            return None
        if encoder.names_servers:
            vanished = [subject_of(found[index][0]) for index in removals] if removals else ()
            return FrameBatch(frames, tuple(vanished))
        steps = [(subject_of(update), frame) for update, frame in found]
        return RemovalBatch(steps, frozenset(removals)) if removals else newest_of_each(steps)

    def offer_all(self, packet: FrameBatch | RemovalBatch, slots: Sequence[int]) -> None:
        """Write *packet* to each slot; what a connection cannot take waits, newest per key."""
        if isinstance(packet, FrameBatch):
            self._fd_table.write_to_all(packet, slots)
            return
        removed = packet.removed
        alike: dict[frozenset[Hashable], list[int]] = {}
        for slot in slots:
            is_gone = self._fd_table.owner(slot).is_gone
            alike.setdefault(frozenset(filter(is_gone, removed)), []).append(slot)
        for gone, group in alike.items():
            own = packet.frames_for(gone)
            if own is not None:
                self._fd_table.write_to_all(own, group)


def newest_of_each(steps: Sequence[tuple[Hashable, bytes]]) -> FrameBatch:
    """The packet of *steps*, oldest first: of each user only the newest frame may wait."""
    frames: dict[Hashable, bytes] = {}
    for user_id, frame in steps:
        frames.pop(user_id, None)  # the newest takes its place at the end
        frames[user_id] = frame
    return FrameBatch(frames)
