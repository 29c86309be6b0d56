"""A sliding window: so many in so many seconds."""

import math
from bisect import bisect_right

import attrs


@attrs.define
class SlidingWindow:
    """Counts what happened in the last *span* seconds, against *limit* (0: no limit).

    Events that are forced over the limit are counted too and delay later ones.
    """

    limit: int
    span: float
    # A tuple: every user has several windows, and most of them count next to nothing.
    _times: tuple[float, ...] = ()

    def opens_at(self) -> float:
        """From when on one more fits; in the past where it fits already."""
        if self.limit == 0 or len(self._times) < self.limit:
            return -math.inf
        return self._times[-self.limit] + self.span

    def count(self, now: float) -> None:
        """Note that one happened at *now*; nothing is kept where there is no limit."""
        if self.limit == 0:
            return
        left = self._times[bisect_right(self._times, now - self.span) :]
        # Only the newest of them decide when the window opens.
        self._times = (*left, now)[-self.limit :]

    def take(self, now: float) -> bool:
        """Note that one happens at *now*; False, with nothing noted, where it is one too many."""
        if self.opens_at() > now:
            return False
        self.count(now)
        return True

    def is_full(self, now: float) -> bool:
        return self.opens_at() > now

    def empties_at(self) -> float | None:
        """When the last of what was counted leaves the window; None if nothing was counted."""
        return self._times[-1] + self.span if self._times else None

    def clear(self) -> None:
        self._times = ()
