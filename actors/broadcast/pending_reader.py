"""A reader that somebody empties now and then."""

from collections.abc import Hashable, Sequence
from typing import Any, Generic, TypeVar

import trio

from actors.broadcast.audience import EACH_VALUE, EachValue

V = TypeVar("V")


class PendingReader(Generic[V]):
    """A reader that keeps the newest value of each key until somebody takes them all.

    However slow the taker: memory is bounded by the number of keys.
    """

    __slots__ = ("_pending", "_wakeup")

    lane: EachValue = EACH_VALUE

    def __init__(self) -> None:
        self._pending: dict[Hashable, V] = {}
        self._wakeup: trio.Event | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def offer(self, packet: Sequence[tuple[Hashable, V]]) -> None:
        """Keep each value in place of an older one of its key, as the newest of all."""
        for key, value in packet:
            self._pending.pop(key, None)
            self._pending[key] = value
        if self._wakeup is not None:
            self._wakeup.set()
            self._wakeup = None

    async def take_all(self) -> dict[Any, V]:
        """Wait for at least one value, then take everything, oldest first.

        If cancelled, nothing has been taken.
        """
        await trio.lowlevel.checkpoint()
        while not self._pending:
            if self._wakeup is None:
                self._wakeup = trio.Event()
            await self._wakeup.wait()
        taken, self._pending = self._pending, {}
        return taken
