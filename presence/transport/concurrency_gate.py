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
    """Lets *slots* connections through at a time, the others in order of arrival.

    Release the slot before waiting for the peer or the disk, so that a slow client
    cannot hold one.

    Connections that wait at the gate that it is *behind* go first.
    """

    def __init__(
        self, slots: int = HANDSHAKES_AT_ONCE, *, behind: "ConcurrencyGate | None" = None
    ) -> None:
        self._slots = trio.Semaphore(slots)
        self._inside: set[Hashable] = set()
        self._behind = behind
        self._is_empty: trio.Event | None = None

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return self._slots.statistics().tasks_waiting

    async def enter(self, connection: Hashable) -> None:
        """Wait for a slot; it is *connection*'s until `leave`. If cancelled, it has none."""
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
        """Release the slot of *connection*, if it has one."""
        if connection in self._inside:
            self._inside.remove(connection)
            self._slots.release()
            if self._is_empty is not None and not self.waiting:
                self._is_empty.set()
                self._is_empty = None

    async def wait_until_empty(self) -> None:
        """Return as soon as nobody waits for a slot; if cancelled, nothing has changed."""
        while self.waiting:
            if self._is_empty is None:
                self._is_empty = trio.Event()
            await self._is_empty.wait()
