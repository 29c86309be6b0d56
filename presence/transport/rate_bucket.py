"""A rate with bursts, as the time at which a bucket is full again. Pure."""


class RateBucket:
    """At most *burst* events at once and *per_second* in the long run.

    Holds no state, so that all connections share it: each of them keeps the time at
    which its own bucket is full again, 0 in the beginning.
    """

    __slots__ = ("_every", "_full_after", "_slack")

    def __init__(self, per_second: float, burst: float) -> None:
        self._every = 1 / per_second
        # The last event of a burst takes the allowance exactly; rounding must not refuse it.
        self._slack = (burst - 0.5) * self._every
        self._full_after = (burst - 1) * self._every

    def take(self, full_at: float, now: float) -> float | None:
        """Return when the bucket is full after one more event; None if that is too many."""
        if full_at < now:
            full_at = now
        elif full_at - now > self._slack:
            return None
        return full_at + self._every

    def retry_after(self, full_at: float, now: float) -> float:
        """Seconds until one more fits, after `take` refused it."""
        return full_at - now - self._full_after
