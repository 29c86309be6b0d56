"""An actor: a behaviour, its mailbox, and the ways to send it messages."""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import trio

from actors.errors import ActorCrashed, ActorStopped, AskTimedOut, MailboxFull, MessageReplaced
from actors.mailbox import Mailbox, WhenFull

M = TypeVar("M")
R = TypeVar("R")

DRAIN_LIMIT = 64
"""Messages that one actor handles before it lets other tasks run."""


class Behaviour(Generic[M]):
    """Handles the messages of an actor, one at a time. Subclass and write `receive`.

    A behaviour that raises is thrown away and a fresh one is built: nothing in
    it needs to be repaired. The message that raised is dropped, no other.
    """

    __slots__ = ()

    async def receive(self, message: M) -> None:
        """Handle one message."""
        raise NotImplementedError

    def receive_nowait(self, message: M) -> bool:
        """Handle one message without waiting; False, with nothing done, where that cannot be.

        Called instead of `receive` where a sender offers to do the work itself
        while the actor rests: see `DynamicSupervisor.handle_inline`.
        """
        return False

    async def started(self) -> None:
        """Get ready; awaited before the first message. Raising drops no message."""

    async def stopped(self) -> None:
        """Say farewell; awaited when retired or closed, not after a crash or cancellation."""

    @property
    def is_idle(self) -> bool:
        """True when this object may be forgotten; asked each time its mailbox is empty."""
        return False


class Reply(Generic[R]):
    """The handle for answering one ask; travels inside the message.

    May be kept and answered later, from any task. Only the first answer
    counts. Asks merged into one message are answered together by any of their
    handles.
    """

    __slots__ = ("_answered", "_error", "_joined", "_value")

    def __init__(self) -> None:
        self._answered: trio.Event | None = trio.Event()
        self._value: R | None = None
        self._error: Exception | None = None
        self._joined: list[Reply[R]] = []

    def answer(self, value: R) -> None:
        """Give the asker *value*; ignored when already answered or nobody waits."""
        for reply in self._joined or (self,):
            reply._settle(value, None)

    def fail(self, error: Exception) -> None:
        """Raise *error* from the asker's `ask`; ignored likewise."""
        for reply in self._joined or (self,):
            reply._settle(None, error)

    @property
    def is_answered(self) -> bool:
        """True when an answer was given, or nobody waits for one any more."""
        return all(reply._answered is None for reply in self._joined or (self,))

    def join(self, other: "Reply[R]") -> None:
        """From now on the first answer to either is the answer to both."""
        together = [*(self._joined or (self,)), *(other._joined or (other,))]
        for reply in together:
            reply._joined = together

    async def wait(self, timeout: float) -> R:
        """The answer; raises what `fail` was given, or `AskTimedOut`."""
        try:
            if self._answered is not None:
                with trio.move_on_after(timeout):
                    await self._answered.wait()
            if self._answered is not None:
                raise AskTimedOut(f"no answer within {timeout} s")
        finally:
            self._answered = None
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def _settle(self, value: R | None, error: Exception | None) -> None:
        if self._answered is None:
            return
        self._value, self._error = value, error
        self._answered.set()
        self._answered = None


class Asked(Generic[M]):
    """A mailbox entry whose sender waits for an answer."""

    __slots__ = ("message", "reply")

    def __init__(self, message: M, reply: Reply[Any]) -> None:
        self.message = message
        self.reply = reply


class Put(Protocol):
    """Puts an entry, a message or an `Asked`, into some actor's mailbox."""

    def __call__(self, entry: Any, slot: Hashable, merge: Callable[[Any, Any], Any] | None) -> None:
        """Raises `ActorStopped` or `MailboxFull`."""


class ActorRef(Generic[M]):
    """An address. Holds nothing of the actor, so it stays good while actors come and go."""

    __slots__ = ("_put",)

    def __init__(self, put: Put) -> None:
        self._put = put

    def tell_nowait(
        self, message: M, *, slot: Hashable = None, merge: Callable[[M, M], M] | None = None
    ) -> None:
        """Put *message* into the mailbox; raises `ActorStopped` or `MailboxFull`.

        With a *slot* it is never refused by the bound: it replaces the pending
        message of that slot, or `merge(older, newer)` does.
        """
        self._put(message, slot, merge)

    async def ask(
        self,
        make: Callable[[Reply[R]], M],
        *,
        timeout: float,
        slot: Hashable = None,
        merge: Callable[[M, M], M] | None = None,
    ) -> R:
        """Send `make(reply)` and wait for the answer, at most *timeout* seconds.

        Raises `AskTimedOut`, `ActorStopped`, `ActorCrashed`, `MailboxFull` or
        what the behaviour failed the reply with. Replaced in its *slot*, it
        raises `MessageReplaced`; merged, it is answered with the message it
        became part of, and *merge* must keep one of the two replies. If
        cancelled, the message may still be handled; its answer is ignored.
        """
        reply: Reply[R] = Reply()
        self._put(Asked(make(reply), reply), slot, merge)
        return await reply.wait(timeout)


def put_entry(
    mailbox: Mailbox[Any],
    entry: Any,
    slot: Hashable,
    merge: Callable[[Any, Any], Any] | None,
) -> None:
    """Put a message or an `Asked`, merging replies where messages merge."""
    if slot is None:
        mailbox.put_nowait(entry)
    else:
        mailbox.put_keyed(slot, entry, partial(_merge_entries, merge))


async def deliver(behaviour: Behaviour[M], entry: M | Asked[M]) -> None:
    """Let *behaviour* handle one mailbox entry; whoever asked learns if that fails."""
    if not isinstance(entry, Asked):
        await behaviour.receive(entry)
        return
    is_handled = False
    try:
        await behaviour.receive(entry.message)
        is_handled = True
    except Exception as error:  # told to the asker only; the supervisor handles it
        crash = ActorCrashed(f"handling the message raised {error!r}")
        crash.__cause__ = error
        entry.reply.fail(crash)
        raise
    finally:
        if not is_handled:
            entry.reply.fail(ActorStopped("stopped while handling the message"))


def fail_asks(entries: list[Any], error: Exception) -> None:
    """Tell those who asked that their messages will not be handled."""
    for entry in entries:
        if isinstance(entry, Asked):
            entry.reply.fail(error)


class Actor(Generic[M]):
    """One long-lived actor with a task of its own, to be run by a supervisor.

    The mailbox outlives a crash of `run`: what waited is handled first after
    the restart. Give `run` and `close` to a `ChildSpec`.
    """

    def __init__(
        self,
        factory: Callable[[], Behaviour[M]],
        *,
        capacity: int,
        when_full: WhenFull = WhenFull.REFUSE,
    ) -> None:
        self._factory = factory
        self._mailbox: Mailbox[Any] = Mailbox(capacity, when_full, _fail_dropped)
        self._is_running = False
        self.ref: ActorRef[M] = ActorRef(partial(put_entry, self._mailbox))

    async def run(
        self, *, task_status: trio.TaskStatus[ActorRef[M]] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Handle messages until closed and empty; ready when `started()` returned."""
        is_ready = False
        self._is_running = True
        try:
            behaviour = self._factory()
            await behaviour.started()
            is_ready = True
            task_status.started(self.ref)
            await self._handle_all(behaviour)
            await behaviour.stopped()
        except trio.Cancelled:
            if is_ready:  # a start that took too long is cancelled too, and tried again
                self._mailbox.close()
            raise
        finally:
            self._is_running = False
            self._discard_if_closed()

    def close(self) -> None:
        """Take no more messages; `run` handles what waits and ends.

        When `run` is not under way, messages left are discarded: their asks
        raise `ActorStopped`.
        """
        self._mailbox.close()
        self._discard_if_closed()

    async def _handle_all(self, behaviour: Behaviour[M]) -> None:
        while True:
            try:
                await self._mailbox.wait_not_empty()
            except trio.EndOfChannel:
                return
            for _ in range(min(len(self._mailbox), DRAIN_LIMIT)):
                await deliver(behaviour, self._mailbox.take_nowait())

    def _discard_if_closed(self) -> None:
        if self._mailbox.is_closed and not self._is_running:
            fail_asks(self._mailbox.discard_all(), ActorStopped("the actor has stopped"))


def _fail_dropped(entry: Any) -> None:
    fail_asks([entry], MailboxFull("dropped from a full mailbox"))


def _merge_entries(merge: Callable[[Any, Any], Any] | None, older: Any, newer: Any) -> Any:
    """Merge two entries of one slot: their messages and their replies."""
    if merge is None:
        fail_asks([older], MessageReplaced("a newer message took the slot"))
        return newer
    message = merge(_message_of(older), _message_of(newer))
    replies = [entry.reply for entry in (older, newer) if isinstance(entry, Asked)]
    if len(replies) == 2:
        replies[0].join(replies[1])
    return Asked(message, replies[0]) if replies else message


def _message_of(entry: Any) -> Any:
    return entry.message if isinstance(entry, Asked) else entry
