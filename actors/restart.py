"""How often a child may be restarted, and how long to wait before. Pure."""

from collections.abc import Hashable
from typing import Generic, TypeVar

import attrs

K = TypeVar("K", bound=Hashable)

_CALM_KEPT = 64


@attrs.frozen
class RestartBudget:
    """At most *max_restarts* within any window of *within* seconds.

    The first restart of a window waits *backoff* seconds (0: none at all), each
    further one twice as long as the one before, up to *backoff_limit*.
    """

    max_restarts: int = attrs.field(validator=attrs.validators.ge(0))
    within: float = attrs.field(validator=attrs.validators.gt(0))
    backoff: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    backoff_limit: float = attrs.field(default=60.0, validator=attrs.validators.ge(0))


class RestartHistory:
    """The crashes of one child that still count against its budget."""

    __slots__ = ("_budget", "_crashes")

    def __init__(self, budget: RestartBudget) -> None:
        self._budget = budget
        self._crashes: list[float] = []

    def next_delay(self, now: float) -> float | None:
        """Count a crash at *now*; seconds to wait before the restart, None: no more restarts.

        A crash exactly `within` seconds ago no longer counts.
        """
        self._forget_old(now)
        earlier = len(self._crashes)
        if earlier >= self._budget.max_restarts:
            return None
        self._crashes.append(now)
        # The exponent is kept small: a large budget must not overflow a float.
        delay = self._budget.backoff * 2.0 ** min(earlier, 64)
        return min(delay, self._budget.backoff_limit)

    def is_calm(self, now: float) -> bool:
        """True when nothing counts any more, so that the history may be forgotten."""
        self._forget_old(now)
        return not self._crashes

    def _forget_old(self, now: float) -> None:
        within = self._budget.within
        self._crashes = [at for at in self._crashes if now - at < within]


class RestartHistories(Generic[K]):
    """A history for each child that crashed lately, under one budget.

    They outlive their children, or a child that crashes, is retired and comes
    back would never use up its budget. Calm ones are forgotten in time, so
    memory is bounded by the crashes of two windows.
    """

    __slots__ = ("_budget", "_forget_calm_at", "_histories")

    def __init__(self, budget: RestartBudget) -> None:
        self._budget = budget
        self._histories: dict[K, RestartHistory] = {}
        self._forget_calm_at = _CALM_KEPT

    def __len__(self) -> int:
        return len(self._histories)

    def next_delay(self, key: K, now: float) -> float | None:
        """Count a crash of *key*; as `RestartHistory.next_delay`."""
        history = self._histories.get(key)
        if history is None:
            self._forget_calm(now)
            history = self._histories[key] = RestartHistory(self._budget)
        return history.next_delay(now)

    def forget(self, key: K) -> None:
        """Give *key* its whole budget again."""
        self._histories.pop(key, None)

    def _forget_calm(self, now: float) -> None:
        if len(self._histories) < self._forget_calm_at:
            return
        kept = {key: old for key, old in self._histories.items() if not old.is_calm(now)}
        self._histories = kept
        self._forget_calm_at = 2 * len(kept) + _CALM_KEPT
