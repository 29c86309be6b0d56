"""Keyed children started on demand: one actor per user, say, and thousands of them.

An idle child is its behaviour and nothing else: no task, no mailbox. Its next
message gives it both, until it has handled all there is.
"""

from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar

import attrs
import trio

from actors.actor import (
    DRAIN_LIMIT,
    ActorRef,
    Asked,
    Behaviour,
    Reply,
    deliver,
    fail_asks,
    put_entry,
)
from actors.errors import ActorCrashed, ActorStopped
from actors.mailbox import Mailbox
from actors.restart import ChildCrashReport, Recovery, RestartBudget
from actors.shards import Shards

K = TypeVar("K", bound=Hashable)
M = TypeVar("M")
R = TypeVar("R")


@attrs.frozen
class DynamicSupervisorStatistics:
    """A snapshot: children at rest, with a task, and in quarantine; crashes so far.

    Those in quarantine are among those with a task.
    """

    resting: int
    working: int
    quarantined: int
    crashes: int


class _Child(Generic[K, M]):
    """A child that has messages, and so a mailbox and a task."""

    __slots__ = ("behaviour", "crash", "key", "mailbox", "since_checkpoint")

    def __init__(self, key: K, behaviour: Behaviour[M] | None, mailbox: Mailbox[Any]) -> None:
        self.key = key
        self.behaviour = behaviour
        self.mailbox = mailbox
        self.since_checkpoint = 0
        self.crash: Exception | None = None
        """That of a message that was handed over."""


class DynamicSupervisor(Generic[K, M]):
    """Children by key, started by their first message within the block of `open`.

    Messages before that block, and after it, get `ActorStopped`. For the
    parameters see `open_dynamic_supervisor`.
    """

    def __init__(
        self,
        name: str,
        factory: Callable[[K], Behaviour[M]],
        *,
        mailbox_capacity: int,
        child_budget: RestartBudget,
        budget: RestartBudget,
        quarantine_after: float = 60.0,
        stop_after: float = 5.0,
        on_crash: ChildCrashReport[K] | None = None,
    ) -> None:
        self.name = name
        self._factory = factory
        self._mailbox_capacity = mailbox_capacity
        self._stop_after = stop_after
        self._body = trio.CancelScope()
        self._closing = trio.Event()
        self._recovery = Recovery(
            name,
            child_budget=child_budget,
            budget=budget,
            quarantine_after=quarantine_after,
            on_crash=on_crash,
            closing=self._closing,
            on_give_up=self._body.cancel,
        )
        # A key is in at most one of the two; between them there is never an await.
        self._resting: Shards[K, Behaviour[M]] = Shards()
        self._working: dict[K, _Child[K, M]] = {}
        self._workers: trio.Nursery | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The block in which children live; to be entered once."""
        error: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._host)
                try:
                    with self._body:
                        yield
                except Exception as raised:  # raised again below, not wrapped by the nursery
                    error = raised
                finally:
                    self.close()
        finally:
            self._discard_all()
        failure = self._recovery.failure
        if failure is not None:
            if error is not None:
                failure.add_note(f"meanwhile the block raised {error!r}")
            raise failure
        if error is not None:
            raise error

    def __len__(self) -> int:
        """How many children are known: at rest, at work, waiting for a restart or quarantined."""
        return len(self._resting) + len(self._working)

    def is_alive(self, key: K) -> bool:
        """True when the child has a behaviour at this moment."""
        working = self._working.get(key)
        return key in self._resting if working is None else working.behaviour is not None

    def tell_nowait(
        self,
        key: K,
        message: M,
        *,
        slot: Hashable = None,
        merge: Callable[[M, M], M] | None = None,
    ) -> None:
        """Put *message* into the child's mailbox, starting the child if there is none.

        As `ActorRef.tell_nowait`; raises `MailboxFull` or, once closed, `ActorStopped`.
        """
        self._put(key, message, slot, merge)

    def handle_inline(
        self,
        key: K,
        message: M,
        *,
        slot: Hashable = None,
        merge: Callable[[M, M], M] | None = None,
    ) -> None:
        """As `tell_nowait`; but a child at rest handles *message* before this returns, if it can.

        That saves a task and two switches where a message is urgent. The
        child's crash is its own: the sender does not see it. Not to be called
        by a child of this supervisor while it handles a message.
        """
        if not self._handle_at_once(key, message):
            self._put(key, message, slot, merge)

    async def ask_inline(
        self, key: K, make: Callable[[Reply[R]], M], *, timeout: float, slot: Hashable = None
    ) -> R:
        """As `ask`; but a child at rest answers before this waits, if it can."""
        reply: Reply[R] = Reply()
        message = make(reply)
        if not self._handle_at_once(key, message):
            self._put(key, Asked(message, reply), slot, None)
        elif not reply.is_answered:
            raise ActorCrashed(f"{self.name} {key} crashed on the message")
        return await reply.wait(timeout)

    def _handle_at_once(self, key: K, message: M) -> bool:
        """Let a child at rest handle *message*; False where it cannot. A crash is handled, too."""
        # It stays at rest meanwhile: what it is told while it handles waits for its task.
        behaviour = None if self._closing.is_set() else self._resting.get(key)
        if behaviour is None:
            return False
        try:
            is_handled = behaviour.receive_nowait(message)
        except Exception as error:
            child = self._working.get(key) or self._wake(key)
            child.crash = error
            return True
        if is_handled and behaviour.is_idle and key in self._resting:
            self._wake(key)
        return is_handled

    async def ask(
        self,
        key: K,
        make: Callable[[Reply[R]], M],
        *,
        timeout: float,
        slot: Hashable = None,
        merge: Callable[[M, M], M] | None = None,
    ) -> R:
        """Ask the child; as `ActorRef.ask`."""
        return await self.ref(key).ask(make, timeout=timeout, slot=slot, merge=merge)

    def ref(self, key: K) -> ActorRef[M]:
        """The address of the child; good whether or not it exists now."""
        return ActorRef(partial(self._put, key))

    def statistics(self) -> DynamicSupervisorStatistics:
        return DynamicSupervisorStatistics(
            len(self._resting),
            len(self._working),
            len(self._recovery.quarantined),
            self._recovery.crashes,
        )

    def close(self) -> None:
        """Take no more messages. Children handle what waits; the block still has to be left.

        Back-offs are cut short; a quarantined child ends, its messages unhandled.
        """
        self._closing.set()
        for child in self._working.values():
            child.mailbox.close()

    def _put(
        self, key: K, entry: Any, slot: Hashable, merge: Callable[[Any, Any], Any] | None
    ) -> None:
        child = self._working.get(key)
        if child is None:
            child = self._wake(key)
        put_entry(child.mailbox, entry, slot, merge)

    def _wake(self, key: K) -> _Child[K, M]:
        """Give a child that has neither a mailbox and a task."""
        if self._closing.is_set() or self._workers is None:
            raise ActorStopped(f"{self.name} is closed")
        child = _Child[K, M](key, self._resting.pop(key, None), Mailbox(self._mailbox_capacity))
        self._working[key] = child
        self._workers.start_soon(self._work, child)
        return child

    async def _work(self, child: _Child[K, M]) -> None:
        """Handle messages until none is left, over all crashes; then the task ends."""
        is_done = False
        if child.crash is not None:
            child.behaviour = None
            is_done = not await self._recovery.wait(child.key, child.crash)
        while not is_done:
            try:
                await self._handle_all(child)
                is_done = await self._put_to_rest(child)
            except Exception as error:  # Cancelled is a BaseException: never restarted
                child.behaviour = None
                is_done = not await self._recovery.wait(child.key, error)

    async def _handle_all(self, child: _Child[K, M]) -> None:
        while child.mailbox:
            if child.behaviour is None:
                fresh = self._factory(child.key)
                await fresh.started()
                child.behaviour = fresh
            child.since_checkpoint += 1
            if child.since_checkpoint >= DRAIN_LIMIT:
                child.since_checkpoint = 0
                await trio.lowlevel.checkpoint()
            await deliver(child.behaviour, child.mailbox.take_nowait())

    async def _put_to_rest(self, child: _Child[K, M]) -> bool:
        """Let the child rest, or retire it if it is idle; False when a message came meanwhile."""
        behaviour = child.behaviour
        if behaviour is not None and behaviour.is_idle:
            # Messages that come during the farewell are for a fresh behaviour.
            child.behaviour = None
            await behaviour.stopped()
            if child.mailbox:
                return False
        # No await from here on: a message put before the removal would be lost.
        del self._working[child.key]
        if child.behaviour is not None:
            self._resting[child.key] = child.behaviour
        return True

    async def _host(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold the workers; only the stop of this supervisor cancels them."""
        async with trio.open_nursery() as workers:
            workers.cancel_scope.shield = True
            self._workers = workers
            task_status.started()
            await self._closing.wait()
            # The shield ends with this deadline.
            workers.cancel_scope.deadline = trio.current_time() + self._stop_after

    def _discard_all(self) -> None:
        """Answer what was left behind when the workers had to be cancelled or gave up."""
        self._workers = None
        for child in self._working.values():
            fail_asks(child.mailbox.discard_all(), ActorStopped(f"{self.name} has stopped"))
        self._working.clear()
        self._resting.clear()


@asynccontextmanager
async def open_dynamic_supervisor(
    name: str,
    factory: Callable[[K], Behaviour[M]],
    *,
    mailbox_capacity: int,
    child_budget: RestartBudget,
    budget: RestartBudget,
    quarantine_after: float = 60.0,
    stop_after: float = 5.0,
    on_crash: ChildCrashReport[K] | None = None,
) -> AsyncIterator[DynamicSupervisor[K, M]]:
    """A block in which messages to any key start its child, built by `factory(key)`.

    A crash throws the behaviour away and drops the one message; the rest waits
    for the restart. A child that uses up *child_budget* is quarantined for
    *quarantine_after* seconds: its messages wait, at the bound they are
    refused. Quarantines count against *budget*; when that is used up, the
    block is cancelled and raises `RestartsExhausted`.

    At the end children at work have *stop_after* seconds for what waits in
    their mailboxes, then they are cancelled; messages left get `ActorStopped`.
    `stopped()` is not awaited for children at rest: what must survive is to be
    saved as it changes.
    """
    supervisor = DynamicSupervisor(
        name,
        factory,
        mailbox_capacity=mailbox_capacity,
        child_budget=child_budget,
        budget=budget,
        quarantine_after=quarantine_after,
        stop_after=stop_after,
        on_crash=on_crash,
    )
    async with supervisor.open():
        yield supervisor
