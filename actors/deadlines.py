"""A table of keyed deadlines, soonest first. Pure."""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """One deadline per key. Times are of any one clock, in seconds.

    A changed or cancelled deadline leaves a stale entry in the heap; they are
    swept out when they outnumber the live ones, so memory is bounded by twice
    the keys, and setting costs O(log n) on average.
    """

    __slots__ = ("_count", "_heap", "_live")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._live: dict[K, tuple[float, int, K]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._live)

    def set(self, key: K, at: float) -> None:
        """Set the deadline of *key*, in place of an earlier one."""
        # The count keeps equal times in order of setting, and keys uncompared.
        self._count += 1
        entry = (at, self._count, key)
        self._live[key] = entry
        heapq.heappush(self._heap, entry)
        self._sweep_if_stale()

    def cancel(self, key: K) -> bool:
        """Take back the deadline of *key*; False when there is none."""
        had_one = self._live.pop(key, None) is not None
        self._sweep_if_stale()
        return had_one

    def pop_due(self, now: float, limit: int) -> list[K]:
        """Remove and return the keys due at *now* or before, soonest first, at most *limit*."""
        due: list[K] = []
        while len(due) < limit:
            at = self.next_at()
            if at is None or at > now:
                break
            key = heapq.heappop(self._heap)[2]
            del self._live[key]
            due.append(key)
        self._sweep_if_stale()
        return due

    def next_at(self) -> float | None:
        """The soonest deadline; None when there is none."""
        heap = self._heap
        while heap and self._live.get(heap[0][2]) is not heap[0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def _sweep_if_stale(self) -> None:
        if len(self._heap) > 2 * len(self._live):
            self._heap = list(self._live.values())
            heapq.heapify(self._heap)
