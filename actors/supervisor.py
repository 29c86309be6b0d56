"""Keeps named, long-running children going: one-for-one restarts, ordered stop.

Errors and the end of the block, in order: children are asked to end (`close`)
in reverse order of their start, each gets its `stop_after` seconds, then it is
cancelled. Only after a child has ended is the next one asked.
"""

import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import attrs
import trio

from actors.errors import ActorStopped, ChildNotReady, RestartsExhausted
from actors.restart import RestartBudget, RestartHistory

CrashReport: TypeAlias = Callable[[str, Exception, float | None], None]
"""Called with the child's name, its error and the seconds until its restart.

None: it is not restarted. The library does not log; this is the place to. It
must not raise.
"""


DEFAULT_CHILD_BUDGET = RestartBudget(max_restarts=3, within=60.0)
DEFAULT_BUDGET = RestartBudget(max_restarts=10, within=60.0)


class Restart(enum.Enum):
    """Which ends of a child lead to a restart."""

    PERMANENT = "permanent"
    """Every end, also a plain return."""
    TRANSIENT = "transient"
    """Errors only."""
    TEMPORARY = "temporary"
    """None."""


class Run(Protocol):
    """The work of a child; called afresh for each restart, so it builds fresh state."""

    async def __call__(self, *, task_status: trio.TaskStatus[Any]) -> None:
        """Call `task_status.started()` when truly ready; return or raise to end."""


@attrs.frozen
class ChildSpec:
    """How to run one child.

    `close` asks it to end by itself, usually by closing its mailbox; it must
    not block or raise, and is called once more when the child has ended for
    good. None: the child is cancelled instead. It has `start_within` seconds to be ready and
    `stop_after` seconds to end once closed.
    """

    name: str
    run: Run
    close: Callable[[], None] | None = None
    restart: Restart = Restart.PERMANENT
    stop_after: float = 5.0
    start_within: float = 10.0
    budget: RestartBudget = DEFAULT_CHILD_BUDGET


class InlineWork:
    """Work of a child that is done in somebody else's task: if it crashes, the child does."""

    def __init__(self) -> None:
        self._crash: Exception | None = None

    def attempt(self, work: Callable[[], None]) -> bool:
        """Do *work* now; False if it raised, which the caller does not see otherwise."""
        try:
            work()
        except Exception as crash:
            self._crash = crash
            return False
        return True

    def raise_pending(self) -> None:
        """In the child's own task: raise what an attempt raised, if one did."""
        crash, self._crash = self._crash, None
        if crash is not None:
            raise crash


class _Child:
    """One child, over all its restarts. It is the task status of its own runs."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.history = RestartHistory(spec.budget)
        self.scope = trio.CancelScope()
        self.is_ready = False
        self.is_cancelled = False
        self.value: Any = None
        self.first_error: Exception | None = None
        self.settled = trio.Event()
        """Set when the first start succeeded or failed."""
        self.ended = trio.Event()
        """Set when no run is under way and none will follow."""

    def cancel(self) -> None:
        """Cancel the run under way and let none follow."""
        self.is_cancelled = True
        self.scope.cancel()

    def started(self, value: Any = None) -> None:
        """Called by `task_status.started()`: the time to start no longer counts."""
        if self.is_ready:
            raise RuntimeError(f"{self.spec.name} said twice that it is ready")
        self.is_ready = True
        self.scope.deadline = float("inf")
        if not self.settled.is_set():
            self.value = value
            self.settled.set()


class Supervisor:
    """Holds the children of one `open_supervisor` block."""

    def __init__(
        self,
        name: str,
        budget: RestartBudget,
        on_crash: CrashReport | None,
        nursery: trio.Nursery,
    ) -> None:
        self.name = name
        self._history = RestartHistory(budget)
        self._on_crash = on_crash
        self._nursery = nursery
        self._children: dict[str, _Child] = {}
        self._body = trio.CancelScope()
        self._stopping = trio.Event()
        self._failure: RestartsExhausted | None = None

    @property
    def child_names(self) -> tuple[str, ...]:
        """The children that run or wait for a restart, in order of start."""
        return tuple(self._children)

    async def start(self, spec: ChildSpec) -> Any:
        """Start a child; return the value it gave to `task_status.started()`.

        A first start that fails is not tried again: raises the child's own
        error, or `ChildNotReady` when it ended or hung before it was ready.
        If cancelled, the child is cancelled as well. Once the supervisor is
        stopping it raises `ActorStopped`.
        """
        if self._stopping.is_set():
            raise ActorStopped(f"{self.name} is stopping")
        if spec.name in self._children:
            raise ValueError(f"{self.name} has a child {spec.name} already")
        child = self._children[spec.name] = _Child(spec)
        self._nursery.start_soon(self._keep, child, name=f"{self.name}/{spec.name}")
        try:
            await child.settled.wait()
        except trio.Cancelled:
            child.cancel()
            raise
        if child.first_error is not None:
            raise child.first_error
        return child.value

    async def _keep(self, child: _Child) -> None:
        """Run the child until it is not to be restarted any more."""
        try:
            await self._run_repeatedly(child)
        finally:
            del self._children[child.spec.name]
            child.ended.set()
            child.settled.set()
        if not self._stopping.is_set():
            self._close(child)  # what waits in its mailbox will never be handled

    async def _run_repeatedly(self, child: _Child) -> None:
        while True:
            error = await self._run_once(child)
            if not child.settled.is_set():
                child.first_error = error or ChildNotReady(f"{child.spec.name} was cancelled")
                return
            delay = self._decide(child, error)
            if delay is None:
                return
            with trio.move_on_after(delay):
                await self._stopping.wait()
            if self._stopping.is_set():
                return

    async def _run_once(self, child: _Child) -> Exception | None:
        """Run the child to its end; its error, None if it was stopped or may just end."""
        spec = child.spec
        child.is_ready = False
        # Shielded: only the stop of this supervisor, in its order and with its
        # deadlines, cancels a child; or the time to start running out.
        child.scope = trio.CancelScope(shield=True, relative_deadline=spec.start_within)
        if child.is_cancelled:
            child.scope.cancel()
        try:
            with child.scope:
                await spec.run(task_status=child)
        except Exception as error:  # Cancelled is a BaseException: never restarted
            return error
        if child.scope.cancelled_caught:
            if child.is_cancelled:
                return None
            return ChildNotReady(f"{spec.name} hung in its start")
        if not child.is_ready:
            return ChildNotReady(f"{spec.name} ended before it was ready")
        if spec.restart is Restart.PERMANENT and not self._stopping.is_set():
            return ActorStopped(f"{spec.name} returned, though it is permanent")
        return None

    def _decide(self, child: _Child, error: Exception | None) -> float | None:
        """Seconds until the restart; None when the child has ended for good."""
        if error is None:
            return None
        if self._stopping.is_set() or child.spec.restart is Restart.TEMPORARY:
            self._report(child, error, None)
            return None
        now = trio.current_time()
        delay = child.history.next_delay(now)
        whose = child.spec.name
        if delay is not None:
            own = self._history.next_delay(now)
            whose = self.name
            delay = None if own is None else max(own, delay)
        if delay is None:
            self._give_up(whose, error)
        self._report(child, error, delay)
        return delay

    def _give_up(self, whose: str, error: Exception) -> None:
        if self._failure is None:
            self._failure = RestartsExhausted(f"{whose} used up its restart budget")
            self._failure.__cause__ = error
        self._body.cancel()

    def _report(self, child: _Child, error: Exception, restart_in: float | None) -> None:
        if self._on_crash is not None:
            self._on_crash(child.spec.name, error, restart_in)

    async def _stop(self) -> None:
        self._stopping.set()
        for child in reversed(list(self._children.values())):
            await self._stop_child(child)

    async def _stop_child(self, child: _Child) -> None:
        """Ask, wait, cancel. A child that shields itself even then is waited for at the end."""
        self._close(child)
        with trio.move_on_after(child.spec.stop_after, shield=True):
            await child.ended.wait()
        child.cancel()
        with trio.move_on_after(child.spec.stop_after, shield=True):
            await child.ended.wait()

    def _close(self, child: _Child) -> None:
        if child.spec.close is None:
            child.cancel()
        else:
            child.spec.close()


@asynccontextmanager
async def open_supervisor(
    name: str,
    *,
    budget: RestartBudget = DEFAULT_BUDGET,
    on_crash: CrashReport | None = None,
) -> AsyncIterator[Supervisor]:
    """A block that ends only when all children have ended.

    *budget* bounds the restarts of all children together, each spec's
    own those of one child. When either is used up, the
    block is cancelled, the children are stopped in order, and
    `RestartsExhausted` is raised from the block, bare. So is an error that the
    block itself raises, after the same stop. Cancellation of the block reaches
    the children only through the same stop.
    """
    error: Exception | None = None
    async with trio.open_nursery() as nursery:
        supervisor = Supervisor(name, budget, on_crash, nursery)
        try:
            with supervisor._body:
                yield supervisor
        except Exception as raised:  # raised again below, not wrapped by the nursery
            error = raised
        finally:
            await supervisor._stop()
    if supervisor._failure is not None:
        if error is not None:
            supervisor._failure.add_note(f"meanwhile the block raised {error!r}")
        raise supervisor._failure
    if error is not None:
        raise error
