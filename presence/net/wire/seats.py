"""One packet to thousands of connections, which are walked by small numbers."""

import os
from array import array
from collections.abc import Hashable, Iterable
from typing import Protocol

from presence.net.wire.packet import Packet

LOST = "lost"
"""Why a connection is cut whose socket is broken."""

BLOCK = 1024
"""So many numbers are made at a time, so that they lie side by side in memory."""

NOT_CLEAR = -1


class Sitter(Protocol):
    """Where that waits which could not be written. At most one seat at a time is its own."""

    def sit_down(self, seats: "Seats", seat: int) -> None:
        """Say by `Seats.set_way` through which file descriptor it may be written past it."""

    def stand_up(self) -> None:
        """The seat is another's from now on."""

    def is_gone(self, key: Hashable, /) -> bool:
        """Whether what waits of a vanished key is to be forgotten."""

    def keep(self, packet: Packet, sent: int) -> None:
        """Let wait what is left of *packet*, of which *sent* bytes went out."""

    def cut(self, reason: str) -> None:
        """End the connection at once."""


class Seats:
    """A number for each connection, and the descriptor that it is written to.

    A session, its outbox, a socket and its `send` are far from one another in
    memory, and by the next update the kernel has pushed them all out of the
    caches: to touch them costs a listener of thousands a fifth of its system
    call. A number and a descriptor are dense.
    """

    def __init__(self) -> None:
        self._descriptors = array("i")
        self._sitters: list[Sitter | None] = []
        self._free: list[int] = []

    def take(self, sitter: Sitter) -> int:
        """Return the number of *sitter* until it is given back."""
        if not self._free:
            self._add_block()
        seat = self._free.pop()
        self._sitters[seat] = sitter
        sitter.sit_down(self, seat)
        return seat

    def give_back(self, seat: int) -> None:
        sitter = self.sitter(seat)
        self._descriptors[seat] = NOT_CLEAR
        self._sitters[seat] = None
        self._free.append(seat)
        sitter.stand_up()

    def sitter(self, seat: int) -> Sitter:
        sitter = self._sitters[seat]
        assert sitter is not None, "a seat that nobody has"
        return sitter

    def set_way(self, seat: int, descriptor: int | None) -> None:
        """Where the frames of *seat* go; None: others wait to go first, or nothing goes.

        To be called before the descriptor is closed: its number will be another's.
        """
        self._descriptors[seat] = NOT_CLEAR if descriptor is None else descriptor

    def write_to_all(self, packet: Packet, seats: Iterable[int]) -> None:
        """Offer the frames of *packet* to each of *seats*, in one write each.

        This is where a server of thousands of listeners spends its time: on the
        way that is always taken there is nothing but the system call.
        """
        data, size = packet.joined, packet.size
        descriptors, write = self._descriptors, os.write
        for seat in seats:
            descriptor = descriptors[seat]
            if descriptor < 0:
                self.sitter(seat).keep(packet, 0)
                continue
            try:
                sent = write(descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.sitter(seat).cut(LOST)
                continue
            if sent != size:
                self.sitter(seat).keep(packet, sent)

    def _add_block(self) -> None:
        first = len(self._sitters)
        numbers = list(range(first, first + BLOCK))
        self._descriptors.extend([NOT_CLEAR] * BLOCK)
        self._sitters.extend([None] * BLOCK)
        self._free = numbers[::-1]
