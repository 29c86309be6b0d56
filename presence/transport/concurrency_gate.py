"""How many connections come, or end, at a time, so that the first are done first.

Thousands of handshakes at once would all be half done for seconds, and each
turn of the event loop would take as long as all of them take one step.
"""

from collections.abc import Hashable

import trio

HANDSHAKES_AT_ONCE = 32
TEARDOWNS_AT_ONCE = 8
"""Few at a time: the fewer connections end in one turn, the sooner others are served."""


class ConcurrencyGate:
    """Lets *places* connections through at a time, the others in order of arrival.

    A place is for work of ours only: whoever starts to wait for its peer, or
    for the disk, has to leave first. So nobody can hold one.

    Connections that wait at the gate that it is *behind* go first.
    """

    def __init__(
        self, places: int = HANDSHAKES_AT_ONCE, *, behind: "ConcurrencyGate | None" = None
    ) -> None:
        self._slots = trio.Semaphore(places)
        self._inside: set[Hashable] = set()
        self._behind = behind
        self._is_empty: trio.Event | None = None

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return self._slots.statistics().tasks_waiting

    async def enter(self, connection: Hashable) -> None:
        """Wait for a place; it is *connection*'s until `leave`. If cancelled, it has none."""
        if connection in self._inside:
            await trio.lowlevel.checkpoint()
            return
        await self._slots.acquire()
        self._inside.add(connection)
        if self._behind is not None and self._behind.waiting:
            try:
                await self._behind.wait_until_empty()
            except trio.Cancelled:
                self.leave(connection)
                raise

    def leave(self, connection: Hashable) -> None:
        """Make room for the next; does nothing for those who have no place."""
        if connection in self._inside:
            self._inside.remove(connection)
            self._slots.release()
            if self._is_empty is not None and not self.waiting:
                self._is_empty.set()
                self._is_empty = None

    async def wait_until_empty(self) -> None:
        """Return as soon as nobody waits for a place; if cancelled, nothing has changed."""
        while self.waiting:
            if self._is_empty is None:
                self._is_empty = trio.Event()
            await self._is_empty.wait()
