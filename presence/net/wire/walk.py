"""One packet to thousands of connections."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from presence.net.wire.packet import Packet

LOST = "lost"
"""Why a connection is cut whose socket is broken."""

Write: TypeAlias = Callable[[bytes], int]
"""Takes bytes and returns how many of them went out; raises as a non-blocking socket does."""


def write_nothing(data: bytes) -> int:
    """The `Write` of a connection where others wait to go first, or nothing goes any more."""
    return 0


class Keeper(Protocol):
    """Where that waits which could not be written."""

    def keep(self, packet: Packet, sent: int) -> None:
        """Let wait what is left of *packet*, of which *sent* bytes went out."""

    def cut(self, reason: str) -> None:
        """End the connection at once."""


class Writer(Protocol):
    """Who can be written to: an outbox, or somebody with a copy of its `write`."""

    write: Write

    @property
    def outbox(self) -> Keeper: ...


def write_to_all(packet: Packet, writers: Iterable[Writer]) -> None:
    """Offer the frames of *packet* to each of *writers*, in one write each.

    This is where a server of thousands of listeners spends its time: on the way
    that is always taken there is nothing but the system call, and as few
    objects as can be, for each of them is far away in memory.
    """
    data, size = packet.joined, packet.size
    for writer in writers:
        write = writer.write
        try:
            sent = write(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            writer.outbox.cut(LOST)
            continue
        if sent != size:
            writer.outbox.keep(packet, sent)
