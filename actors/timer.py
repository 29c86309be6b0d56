"""One task for any number of deadlines."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeAlias, TypeVar

import trio

from actors.deadlines import Deadlines
from actors.shards import Shards

K = TypeVar("K", bound=Hashable)

Notify: TypeAlias = Callable[[bool], None]
"""Called with `stalled` when a deadline has come. Must not block; may set deadlines."""

BATCH = 4
"""Deadlines told before other tasks run. Whom they wake all run in the turn that follows."""

LOOKS = 64
"""Deadlines set later, or cancelled, that are passed over on the way to each that is told."""

CATCH_UP_AFTER = 0.05
"""Seconds that others get after a stall, beside some checkpoints, before deadlines are told."""


class Timer(Generic[K]):
    """Keyed deadlines on Trio's clock, told by the one task that is in `run`.

    The table belongs to this object and outlives a crash of `run`: a `notify`
    that raises loses its own deadline, no other.

    Stall guard: when `run` wakes more than *stalled_after* seconds later than
    it wanted, the whole process stood still (a paused machine, SIGSTOP), and
    what was to renew the deadlines may be waiting unread in the sockets. So it
    first lets other tasks run and read: five checkpoints with a sleep of
    `CATCH_UP_AFTER` before the last. Each deadline that came due in the stall and
    was not set anew by then gets `notify(stalled=True)`; its owner decides what
    that means.
    """

    def __init__(self, stalled_after: float = 5.0) -> None:
        self._stalled_after = stalled_after
        self._deadlines: Deadlines[K] = Deadlines()
        self._notify: Shards[K, Notify] = Shards()
        self._stalled_until = float("-inf")
        self._wakeup: trio.Event | None = None
        self._sleeps_until = float("inf")
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._deadlines)

    def set(self, key: K, at: float, notify: Notify) -> None:
        """Have *notify* called at *at* (Trio's clock), in place of the key's earlier deadline."""
        self._notify[key] = notify
        self._deadlines.set(key, at)
        if at < self._sleeps_until:
            self._wake()

    def cancel(self, key: K) -> None:
        """Forget the key's deadline, if it has one."""
        if self._deadlines.cancel(key):
            self._notify.pop(key)

    def close(self) -> None:
        """Let `run` end; deadlines that have not come are not told."""
        self._is_closed = True
        self._wake()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell deadlines as they come, until closed."""
        task_status.started()
        wanted = trio.current_time()
        while not self._is_closed:
            now = trio.current_time()
            if now - wanted > self._stalled_after:
                self._stalled_until = now
                await _let_others_catch_up()
            wanted = now = trio.current_time()
            if self._tell_due(now):
                await trio.lowlevel.checkpoint()
            else:
                wanted = await self._sleep()

    def _tell_due(self, now: float) -> bool:
        """Tell a batch of what is due; True when there may be more."""
        for _ in range(BATCH):
            if not self._deadlines.prune_stale(now, LOOKS):
                return True
            # One at a time: a notify that raises, or cancels another, must find the rest here.
            stalled = bool(due := self._deadlines.pop_due(self._stalled_until, 1))
            if not due:
                due = self._deadlines.pop_due(now, 1)
            if not due:
                return False
            notify = self._notify.pop(due[0])
            assert notify is not None
            notify(stalled)
            if self._is_closed:
                return False
        return True

    async def _sleep(self) -> float:
        """Sleep until the soonest deadline or a sooner one is set; the time it meant to wake."""
        next_at = self._deadlines.next_at()
        wanted = float("inf") if next_at is None else next_at
        self._wakeup, self._sleeps_until = trio.Event(), wanted
        if self._is_closed:
            return wanted
        try:
            with trio.move_on_at(wanted):
                await self._wakeup.wait()
        finally:
            self._wakeup, self._sleeps_until = None, float("inf")
        return wanted

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup.set()


async def _let_others_catch_up() -> None:
    for _ in range(4):
        await trio.lowlevel.checkpoint()
    await trio.sleep(CATCH_UP_AFTER)
    await trio.lowlevel.checkpoint()
