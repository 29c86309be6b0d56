"""How often a child may be restarted, how long to wait before, and the waiting."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeAlias, TypeVar

import attrs
import trio

from actors.errors import RestartsExhausted

K = TypeVar("K", bound=Hashable)

_CALM_KEPT = 64

ChildCrashReport: TypeAlias = Callable[[K, Exception, float | None], None]
"""Called with the key, the error and the seconds until the restart.

A child going into quarantine is reported with `RestartsExhausted`, whose cause
is the crash. Seconds of None: it is not restarted, because the supervisor is
closing or gives up. Must not raise.
"""


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


class Recovery(Generic[K]):
    """Counts the crashes of one supervisor's children and decides about their restarts.

    A child that uses up *child_budget* is quarantined; quarantines count
    against *budget*, and when that is used up *on_give_up* is called and
    `failure` says why. *closing* cuts every wait short.
    """

    def __init__(
        self,
        name: str,
        *,
        child_budget: RestartBudget,
        budget: RestartBudget,
        quarantine_after: float,
        on_crash: ChildCrashReport[K] | None,
        closing: trio.Event,
        on_give_up: Callable[[], None],
    ) -> None:
        self.crashes = 0
        self.quarantined: set[K] = set()
        self.failure: RestartsExhausted | None = None
        self._name = name
        self._history = RestartHistory(budget)
        self._histories: RestartHistories[K] = RestartHistories(child_budget)
        self._quarantine_after = quarantine_after
        self._on_crash = on_crash
        self._closing = closing
        self._on_give_up = on_give_up

    async def wait(self, key: K, error: Exception) -> bool:
        """Wait out the back-off or the quarantine; False when there will be no restart."""
        self.crashes += 1
        delay = self._histories.next_delay(key, trio.current_time())
        if delay is None:
            return await self._quarantine(key, error)
        self._report(key, error, delay)
        if delay > 0:
            await self._wait_unless_closing(delay)
        return True

    async def _quarantine(self, key: K, error: Exception) -> bool:
        exhausted = RestartsExhausted(f"{key!r} used up its restart budget")
        exhausted.__cause__ = error
        if self._closing.is_set():
            self._report(key, exhausted, None)
            return False
        if self._history.next_delay(trio.current_time()) is None:
            self._give_up(exhausted)
            self._report(key, exhausted, None)
            return False
        self._report(key, exhausted, self._quarantine_after)
        self.quarantined.add(key)
        await self._wait_unless_closing(self._quarantine_after)
        self.quarantined.discard(key)
        self._histories.forget(key)
        return not self._closing.is_set()

    def _give_up(self, exhausted: RestartsExhausted) -> None:
        if self.failure is None:
            self.failure = RestartsExhausted(f"{self._name} used up its restart budget")
            self.failure.__cause__ = exhausted
        self._on_give_up()

    def _report(self, key: K, error: Exception, restart_in: float | None) -> None:
        if self._on_crash is not None:
            self._on_crash(key, error, restart_in)

    async def _wait_unless_closing(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._closing.wait()
