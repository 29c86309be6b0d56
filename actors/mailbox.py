"""A bounded inbox which its one consumer drains whole per wake."""

import enum
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import attrs
import trio

from actors.errors import ActorStopped, MailboxFull

M = TypeVar("M")


class WhenFull(enum.Enum):
    """The policy for a plain message that is put into a full mailbox."""

    REFUSE = "refuse"
    """The put raises `MailboxFull`."""
    DROP_OLDEST = "drop oldest"
    """The plain message that waited longest makes room."""
    DROP_NEWEST = "drop newest"
    """The message just put is dropped; the put does not raise."""


@attrs.frozen
class MailboxStatistics:
    """A snapshot: plain and keyed messages waiting, and how many were dropped so far."""

    plain: int
    keyed: int
    dropped: int
    is_closed: bool


class _Slot:
    """The place of a keyed message in the queue; its message may be replaced."""

    __slots__ = ("message", "name")

    def __init__(self, name: Hashable, message: Any) -> None:
        self.name = name
        self.message = message


class Mailbox(Generic[M]):
    """Messages in the order of arrival; at most *capacity* plain ones.

    Keyed messages do not count against the bound: there is at most one per
    slot, so whoever names the slots bounds them. *on_drop* is called with each
    message that the policy drops; it must not raise.
    """

    __slots__ = (
        "_capacity",
        "_dropped",
        "_is_closed",
        "_on_drop",
        "_queue",
        "_slots",
        "_wakeup",
        "_when_full",
    )

    def __init__(
        self,
        capacity: int,
        when_full: WhenFull = WhenFull.REFUSE,
        on_drop: Callable[[M], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError("a mailbox needs a capacity of at least 1")
        self._capacity = capacity
        self._when_full = when_full
        self._on_drop = on_drop
        self._queue: deque[Any] = deque()
        self._slots: dict[Hashable, _Slot] = {}
        self._wakeup: trio.Event | None = None
        self._is_closed = False
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def put_nowait(self, message: M) -> None:
        """Append a plain message; raises `MailboxFull` or `ActorStopped`."""
        if self._is_closed:
            raise ActorStopped("the mailbox is closed")
        if len(self._queue) - len(self._slots) >= self._capacity and not self._make_room(message):
            return
        self._queue.append(message)
        if self._wakeup is not None:
            self._wake()

    def put_keyed(
        self, slot: Hashable, message: M, merge: Callable[[M, M], M] | None = None
    ) -> None:
        """Put a message that the bound never refuses, one per *slot*.

        A pending message of the slot is replaced where it stands in the queue,
        or by `merge(older, newer)`. Raises only `ActorStopped`, and what
        *merge* raises, which leaves the pending message as it was.
        """
        if self._is_closed:
            raise ActorStopped("the mailbox is closed")
        pending = self._slots.get(slot)
        if pending is not None:
            pending.message = message if merge is None else merge(pending.message, message)
            return
        self._slots[slot] = added = _Slot(slot, message)
        self._queue.append(added)
        if self._wakeup is not None:
            self._wake()

    def take_nowait(self) -> M:
        """Take the oldest message; raises `trio.WouldBlock` when there is none."""
        if not self._queue:
            raise trio.WouldBlock
        entry = self._queue.popleft()
        if type(entry) is _Slot:
            del self._slots[entry.name]
            return entry.message  # type: ignore[no-any-return]
        return entry  # type: ignore[no-any-return]

    async def take(self) -> M:
        """Wait for a message and take it; raises `trio.EndOfChannel` once closed and empty.

        If cancelled, nothing has been taken.
        """
        await self.wait_not_empty()
        while not self._queue:  # another consumer was faster
            await self.wait_not_empty()
        return self.take_nowait()

    async def wait_not_empty(self) -> None:
        """Wait until there is a message; raises `trio.EndOfChannel` once closed and empty."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._queue:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        while not self._queue:
            if self._is_closed:
                raise trio.EndOfChannel
            if self._wakeup is None:
                self._wakeup = trio.Event()
            await self._wakeup.wait()

    def close(self) -> None:
        """Take no more puts; what is inside can still be taken. Closing again does nothing."""
        self._is_closed = True
        if self._wakeup is not None:
            self._wake()

    def discard_all(self) -> list[M]:
        """Empty the mailbox and return what was left, oldest first."""
        left = [entry.message if type(entry) is _Slot else entry for entry in self._queue]
        self._queue.clear()
        self._slots.clear()
        return left

    def statistics(self) -> MailboxStatistics:
        keyed = len(self._slots)
        return MailboxStatistics(len(self._queue) - keyed, keyed, self._dropped, self._is_closed)

    def _make_room(self, message: M) -> bool:
        """Carry out the policy; True when *message* may now be appended."""
        if self._when_full is WhenFull.REFUSE:
            raise MailboxFull(f"{self._capacity} messages are waiting")
        is_newest = self._when_full is WhenFull.DROP_NEWEST
        dropped = message if is_newest else self._remove_oldest_plain()
        self._dropped += 1
        if self._on_drop is not None:
            self._on_drop(dropped)
        return not is_newest

    def _remove_oldest_plain(self) -> M:
        at = next(n for n, entry in enumerate(self._queue) if type(entry) is not _Slot)
        oldest: M = self._queue[at]
        del self._queue[at]
        return oldest

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup.set()
            self._wakeup = None
