"""One batch of frames to thousands of connections, found by small numbers."""

import os
from array import array
from collections.abc import Hashable, Iterable
from typing import Protocol

from presence.transport.sockets.frame_batch import FrameBatch

LOST = "lost"
"""Why a connection is cut whose socket is broken."""

BLOCK = 1024
"""Slots are made in blocks, so that they are adjacent in memory."""

NOT_WRITABLE = -1


class FdOwner(Protocol):
    """Keeps what could not be written. Has at most one slot at a time."""

    def join_fd_table(self, fd_table: "FdTable", slot: int) -> None:
        """Say by `FdTable.set_fd` through which file descriptor it may be written past it."""

    def leave_fd_table(self) -> None:
        """The slot belongs to another owner from now on."""

    def is_gone(self, key: Hashable, /) -> bool:
        """Whether what waits of a vanished key is to be forgotten."""

    def keep(self, packet: FrameBatch, sent: int) -> None:
        """Keep the rest of *packet*, of which *sent* bytes went out."""

    def cut(self, reason: str) -> None:
        """End the connection at once."""


class FdTable:
    """A number for each connection, and the descriptor that it is written to.

    A session, its outbox, a socket and its `send` are far from one another in
    memory, and by the next update the kernel has pushed them all out of the
    caches: to touch them costs a listener of thousands a fifth of its system
    call. A number and a descriptor are dense.
    """

    def __init__(self) -> None:
        self._descriptors = array("i")
        self._owners: list[FdOwner | None] = []
        self._free: list[int] = []

    def take(self, owner: FdOwner) -> int:
        """Return the number of *owner* until it is given back."""
        if not self._free:
            self._add_block()
        slot = self._free.pop()
        self._owners[slot] = owner
        owner.join_fd_table(self, slot)
        return slot

    def unregister(self, slot: int) -> None:
        owner = self.owner(slot)
        self._descriptors[slot] = NOT_WRITABLE
        self._owners[slot] = None
        self._free.append(slot)
        owner.leave_fd_table()

    def owner(self, slot: int) -> FdOwner:
        """The owner of *slot*; raises `LookupError` where it has none."""
        owner = self._owners[slot]
        if owner is None:
            raise LookupError(f"slot {slot} has no owner")
        return owner

    def set_fd(self, slot: int, descriptor: int | None) -> None:
        """Where the frames of *slot* go; None: others wait to go first, or nothing goes.

        To be called before the descriptor is closed: its number will be another's.
        """
        self._descriptors[slot] = NOT_WRITABLE if descriptor is None else descriptor

    def write_to_all(self, packet: FrameBatch, fd_table: Iterable[int]) -> None:
        """Offer the frames of *packet* to each of *fd_table*, in one write each.

        This is where a server of thousands of listeners spends its time: on the
        way that is always taken there is nothing but the system call.
        """
        data, size = packet.joined, packet.size
        descriptors, write = self._descriptors, os.write
        for slot in fd_table:
            descriptor = descriptors[slot]
            if descriptor < 0:
                self.owner(slot).keep(packet, 0)
                continue
            try:
                sent = write(descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.owner(slot).cut(LOST)
                continue
            if sent != size:
                self.owner(slot).keep(packet, sent)

    def _add_block(self) -> None:
        first = len(self._owners)
        numbers = list(range(first, first + BLOCK))
        self._descriptors.extend([NOT_WRITABLE] * BLOCK)
        self._owners.extend([None] * BLOCK)
        self._free = numbers[::-1]
