"""A table of keyed deadlines, soonest first. Pure."""

import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from actors.shards import Shards

K = TypeVar("K", bound=Hashable)

_PRUNED_AT_ONCE = 64
_MOVED_AT_ONCE = 8


class Deadlines(Generic[K]):
    """One deadline per key. Times are of any one clock, in seconds.

    A deadline that is set later again and again, as by the pings of a device,
    stays where it is in the heap and is moved once it would have come: setting
    it costs O(1). One that is set sooner or cancelled leaves a stale entry.
    When these outnumber the live ones, the heap becomes the old heap, and each
    call from then on brings a few live entries over from it: however many keys
    there are, no call takes long, and memory is bounded by about twice the keys.
    """

    __slots__ = ("_count", "_heap", "_length", "_live", "_old_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._old_heap: list[tuple[float, int, K]] = []
        # Each key's deadline, with its entry in the heap, which may be of an earlier time.
        self._live: Shards[K, tuple[float, int, tuple[float, int, K]]] = Shards()
        self._length = 0
        self._count = 0

    def __len__(self) -> int:
        return self._length

    def set(self, key: K, at: float) -> None:
        """Set the deadline of *key*, in place of an earlier one."""
        # The count keeps equal times in order of setting, and keys uncompared.
        self._count = count = self._count + 1
        present = self._live.get(key)
        if present is not None and present[2][0] <= at:
            self._live[key] = (at, count, present[2])
            return
        entry = (at, count, key)
        self._live[key] = (at, count, entry)
        self._length += present is None
        heapq.heappush(self._heap, entry)
        self._clear_out()

    def cancel(self, key: K) -> bool:
        """Take back the deadline of *key*; False when there is none."""
        had_one = self._live.pop(key) is not None
        self._length -= had_one
        self._clear_out()
        return had_one

    def pop_due(self, now: float, limit: int) -> list[K]:
        """Remove and return the keys due at *now* or before, soonest first, at most *limit*.

        Takes long where many of those that would have been due were set later
        or cancelled; `prune_stale` does that part of the work bit by bit.
        """
        due: list[K] = []
        while len(due) < limit:
            while not self.prune_stale(now, _PRUNED_AT_ONCE):
                pass
            heap = self._soonest_heap()
            if not heap or heap[0][0] > now:
                break
            key = heapq.heappop(heap)[2]
            self._live.pop(key)
            self._length -= 1
            due.append(key)
            self._clear_out()
        return due

    def prune_stale(self, now: float, limit: int) -> bool:
        """Look at up to *limit* entries for those that were set later or cancelled.

        False where it takes more until the soonest deadline, as far as any is
        due at *now*, is the true one.
        """
        for _ in range(limit):
            heap = self._soonest_heap()
            if not heap or heap[0][0] > now:
                return True
            entry = heap[0]
            present = self._live.get(entry[2])
            if present is None or present[2] is not entry:
                heapq.heappop(heap)
            elif present[1] != entry[1]:
                moved = (present[0], present[1], entry[2])
                self._live[entry[2]] = (*present[:2], moved)
                heapq.heapreplace(heap, moved)
            else:
                return True
        return False

    def next_at(self) -> float | None:
        """The soonest deadline, or somewhat before it; None when there is none.

        It is before it where more than a few deadlines that would have come
        sooner were set later or cancelled.
        """
        self.prune_stale(math.inf, _PRUNED_AT_ONCE)
        return self._soonest_heap()[0][0] if self._length else None

    def _soonest_heap(self) -> list[tuple[float, int, K]]:
        """The heap with the soonest entry of all, stale or not."""
        heap, old = self._heap, self._old_heap
        return old if old and (not heap or old[0] < heap[0]) else heap

    def _clear_out(self) -> None:
        """Bring a few entries over from the old heap; have one where most entries are stale."""
        old = self._old_heap
        if not old:
            if len(self._heap) <= 2 * self._length:
                return
            self._old_heap, self._heap = self._heap, old
            old = self._old_heap
        for _ in range(min(_MOVED_AT_ONCE, len(old))):
            entry = old.pop()  # without its last entry a heap is still one
            present = self._live.get(entry[2])
            if present is not None and present[2] is entry:
                moved = (present[0], present[1], entry[2])
                self._live[entry[2]] = (*present[:2], moved)
                heapq.heappush(self._heap, moved)
