"""Write-behind: changes are announced first and stored in batches by one task.

A broadcast never waits for the disk. Callers leave the newest version of a row
and go on. The task takes all dirty rows, commits them as one batch, and then
takes the rows that came in meanwhile. Rows of a failed write stay, one per
user, and are retried without end, so memory is bounded by the number of users
and not by the number of changes.
"""

import contextlib
import math
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
import trio

from presence.core.record import Record
from presence.core.types import PublicView, ServerId, UserId
from presence.core.value import value
from presence.errors import StoreUnavailable
from presence.live.persistence.commits_during_reads import CommitsDuringReads
from presence.live.persistence.dirty_rows import DirtyRows, check_storable
from presence.live.ports import Batch, MembershipRow, Revocation, Store

_HEARTBEAT_EVERY = 10.0
_REPORT_EVERY = 10.0
_RETRY_AFTER = 0.1
_RETRY_AFTER_AT_MOST = 1.0
GATHER_FOR = 0.05
"""Seconds between the first change of a batch and its commit, where none is urgent."""


@value
class WriterStatistics:
    """A snapshot of the writer. `last_batch_took` is in seconds, None before the first commit."""

    waiting: int
    committed_ticket: int
    failures: int
    last_batch_took: float | None


@attrs.define
class _Outage:
    """Reports failing writes, at most once in 10 s, and the recovery."""

    on_failure: Callable[[StoreUnavailable, int], None]
    on_recovery: Callable[[int, float], None]
    failures: int = 0
    began_at: float = 0.0
    reported_at: float = -math.inf
    is_reported: bool = False

    def note_failure(self, error: StoreUnavailable, waiting: int) -> None:
        now = trio.current_time()
        if self.failures == 0:
            self.began_at = now
        self.failures += 1
        if now - self.reported_at >= _REPORT_EVERY:
            self.reported_at, self.is_reported = now, True
            self.on_failure(error, waiting)

    def note_success(self) -> None:
        failures, self.failures = self.failures, 0
        if self.is_reported:
            self.is_reported = False
            self.on_recovery(failures, trio.current_time() - self.began_at)


class Writer:
    """Write-behind over *store*, an actor with one task.

    Every change is handed over by a method that never waits and returns a
    ticket; tickets grow, and `wait_committed` waits for one. Reads through the
    writer include the rows that are not yet written. *wall* is the wall clock
    (Unix time).
    `on_failure(error, rows that wait)` is called at most once in 10 s while
    writes fail, `on_recovery(failures, seconds)` once when they succeed again.

    The dirty rows belong to this object and not to its task: `run` may crash and
    be started again.
    """

    def __init__(
        self,
        store: Store,
        *,
        wall: Callable[[], float],
        on_failure: Callable[[StoreUnavailable, int], None],
        on_recovery: Callable[[int, float], None],
    ) -> None:
        self._store = store
        self._wall = wall
        self._outage = _Outage(on_failure, on_recovery)
        self._waiting = DirtyRows()
        self._in_flight = DirtyRows()
        self._in_flight_ticket = 0
        self._issued_ticket = 0
        self._committed_ticket = 0
        self._failures = 0
        self._last_batch_took: float | None = None
        self._is_closing = False
        self._wakeup = trio.Event()
        self._commit = trio.Event()
        self._awaited_ticket = 0
        self._hurry = trio.Event()
        self._commits_during_reads = CommitsDuringReads()

    # Changes, without waiting -----------------------------------------------------------

    def save(self, record: Record) -> int:
        """Store *record*; a record that hides its user is written without delay.

        Raises ValueError for a record that no database could keep.
        """
        check_storable(record)
        self._waiting.users[record.view.user_id] = record
        ticket = self._issue_ticket()
        if record.is_hiding:  # a crash must not show a user who has just hidden
            self._hurry_for(ticket)
        return ticket

    def forget_user(self, user_id: UserId) -> int:
        """Delete the user's row. The caller deletes its memberships."""
        self._waiting.users[user_id] = None
        return self._issue_ticket()

    def save_server(self, server_id: ServerId, name: str) -> int:
        """Store the server; raises ValueError for a name that no database could keep."""
        name.encode()
        self._waiting.servers[server_id] = name
        return self._issue_ticket()

    def forget_server(self, server_id: ServerId) -> int:
        """Delete the server's row. The caller deletes its memberships."""
        self._waiting.servers[server_id] = None
        return self._issue_ticket()

    def save_membership(self, row: MembershipRow) -> int:
        """Store why a user belongs to a server."""
        self._waiting.memberships[row.user_id, row.server_id] = row
        return self._issue_ticket()

    def forget_membership(self, user_id: UserId, server_id: ServerId) -> int:
        """Delete the membership."""
        self._waiting.memberships[user_id, server_id] = None
        return self._issue_ticket()

    def save_revocation(self, revocation: Revocation) -> int:
        """Store the time up to which tokens of the user are refused."""
        self._waiting.revocations[revocation.user_id] = revocation
        return self._issue_ticket()

    def settle(self, epoch: int) -> int:
        """Store that the run *epoch* has outlived its restart grace."""
        self._waiting.settled_epoch = epoch
        return self._issue_ticket()

    async def wait_committed(self, ticket: int, *, within: float) -> bool:
        """Wait at most *within* seconds until all up to *ticket* is committed; say if it is."""
        self._hurry_for(ticket)
        with trio.move_on_after(within):
            while self._committed_ticket < ticket:
                await self._commit.wait()
        return self._committed_ticket >= ticket

    @property
    def is_failing(self) -> bool:
        """True from a write that failed until the next that succeeds."""
        return self._outage.failures > 0

    def statistics(self) -> WriterStatistics:
        """A snapshot for metrics and tests."""
        return WriterStatistics(
            waiting=self._count_waiting(),
            committed_ticket=self._committed_ticket,
            failures=self._failures,
            last_batch_took=self._last_batch_took,
        )

    # Reads, seeing what is not yet written ----------------------------------------------

    async def read_user(self, user_id: UserId) -> Record | None:
        """One user's record; raises as the store's `read_user` does."""
        with self._commits_during_reads.reading():
            if user_id in self._newer():
                return self._newer()[user_id]
            stored = await self._store.read_user(user_id)
            return self._newer().get(user_id, stored)

    async def read_views(self, user_ids: Iterable[UserId]) -> Mapping[UserId, PublicView]:
        """Views of those of *user_ids* that are shown."""
        wanted = list(user_ids)
        with self._commits_during_reads.reading():
            newer = self._newer()
            unknown = [user_id for user_id in wanted if user_id not in newer]
            views = dict(await self._store.read_views(unknown)) if unknown else {}
            newer = self._newer()
            for user_id in wanted:
                if user_id in newer:
                    _put_view(views, user_id, newer[user_id])
            return views

    async def read_announced_ids(self, after: str, limit: int) -> Sequence[UserId]:
        """The next ids of shown users greater than *after*, in order (by code point).

        Fewer than *limit* mean that there are no more.
        """
        with self._commits_during_reads.reading():
            while True:
                asked = limit + sum(not _is_announced(record) for record in self._newer().values())
                stored = await self._store.read_announced_ids(after, asked)
                page = self._merge_ids(stored, after, is_whole=len(stored) < asked)
                # Too short although more exist: users were deleted during the read.
                if len(page) >= limit or len(stored) < asked:
                    return page[:limit]

    def _merge_ids(self, stored: Sequence[UserId], after: str, is_whole: bool) -> list[UserId]:
        ids = set(stored)
        for user_id, record in self._newer().items():
            if not _is_announced(record):
                ids.discard(user_id)
            elif user_id > after and (is_whole or user_id < stored[-1]):
                ids.add(user_id)
        return sorted(ids)

    def _newer(self) -> Mapping[UserId, Record | None]:
        """Rows that the store may lack, or that a read under way may have missed."""
        return ChainMap(
            self._waiting.users, self._in_flight.users, *self._commits_during_reads.committed()
        )

    # The task ---------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until `close`, and once more then. Cancel it if that takes too long.

        Without changes a batch is written every 10 s, to record its `committed_at`.
        """
        task_status.started()
        while True:
            is_last = self._is_closing
            await self._write_what_waits()
            if is_last and not self._waiting:
                with contextlib.suppress(StoreUnavailable):
                    await self._store.write(Batch(self._wall(), is_last=True))
                return
            if not self._is_closing:
                with trio.move_on_after(_HEARTBEAT_EVERY):
                    await self._wakeup.wait()
                    await self._gather()

    def close(self) -> None:
        """Have `run` write the dirty rows and return; later changes may be lost."""
        self._is_closing = True
        self._wakeup.set()
        self._hurry.set()

    def _hurry_for(self, ticket: int) -> None:
        if self._awaited_ticket < ticket:
            self._awaited_ticket = ticket
            self._hurry.set()

    async def _gather(self) -> None:
        """Wait for more changes to share the batch, unless one is urgent or awaited.

        The thread that commits takes turns with the broadcaster at every system
        call. Started at once, it would double the time until a hundred
        subscribers have the very change that it stores.
        """
        self._hurry = trio.Event()
        if self._awaited_ticket <= self._committed_ticket and not self._is_closing:
            with trio.move_on_after(GATHER_FOR):
                await self._hurry.wait()

    async def _write_what_waits(self) -> None:
        retry_after = _RETRY_AFTER
        while True:
            self._take_what_waits()
            began_at = trio.current_time()
            try:
                await self._store.write(self._in_flight.as_batch(self._wall()))
            except StoreUnavailable as error:
                self._put_back()
                self._failures += 1
                self._outage.note_failure(error, self._count_waiting())
                await trio.sleep(retry_after)
                retry_after = min(2 * retry_after, _RETRY_AFTER_AT_MOST)
            else:
                self._last_batch_took = trio.current_time() - began_at
                self._note_commit()
                return

    def _take_what_waits(self) -> None:
        self._put_back()  # rows that a crash or a cancellation left in flight
        self._in_flight, self._waiting = self._waiting, DirtyRows()
        self._in_flight_ticket = self._issued_ticket
        self._wakeup = trio.Event()

    def _put_back(self) -> None:
        self._waiting = self._in_flight.merged_with(self._waiting)
        self._in_flight = DirtyRows()

    def _note_commit(self) -> None:
        self._committed_ticket = self._in_flight_ticket
        self._commits_during_reads.keep(self._in_flight.users)
        self._in_flight = DirtyRows()
        self._commit.set()
        self._commit = trio.Event()
        self._outage.note_success()

    def _issue_ticket(self) -> int:
        self._issued_ticket += 1
        self._wakeup.set()
        return self._issued_ticket

    def _count_waiting(self) -> int:
        return len(self._in_flight) + len(self._waiting)


def _put_view(views: dict[UserId, PublicView], user_id: UserId, record: Record | None) -> None:
    if record is not None and record.is_announced:
        views[user_id] = record.view
    else:
        views.pop(user_id, None)


def _is_announced(record: Record | None) -> bool:
    return record is not None and record.is_announced
