"""The store in an SQLite file: one thread writes, another reads beside it.

Write-ahead logging lets reads go on while a batch, or a lock of another
program, holds the database. After a kill of the process every committed batch
is there, whole; after a power cut the last ones may be missing.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import attrs
import orjson
import trio
from sqlite_utils.db import Database

from presence.adapters.store_sqlite.batch_loader import BatchLoader
from presence.adapters.store_sqlite.file import (
    Damaged,
    DatabaseFile,
    DirectoryLock,
    Handle,
    unusable,
    write_transaction,
)
from presence.adapters.store_sqlite.rows import (
    PUBLIC_COLUMNS,
    bare_view,
    record_of,
    row_of,
    view_of,
)
from presence.adapters.store_sqlite.schema import migrate, table, upsert
from presence.adapters.store_sqlite.startup import begin_run, read_startup_state, read_version_floor
from presence.core.record import Record
from presence.core.types import PublicView, UserId
from presence.errors import DataUnusable, StoreUnavailable
from presence.live.ports import Batch, StartupState, UnreadableRow

T = TypeVar("T")

_WRITE_GIVEN_UP_AFTER = 10.0
_MORE_PER_ROW = 1 / 5000
_CLOSE_GIVEN_UP_AFTER = 5.0


class SqliteStore:
    """Keeps everything in `presence.db` in *directory*, which one server has to itself."""

    def __init__(self, directory: Path) -> None:
        self._file = DatabaseFile(directory / "presence.db")
        self._lock = DirectoryLock(directory)
        self._writing, self._reading = Handle(self._file), Handle(self._file)
        self._write_turn, self._read_turn = trio.CapacityLimiter(1), trio.CapacityLimiter(1)
        self._is_open = False
        self._version_floor = 0
        self._user_reads = BatchLoader(self._read_users, StoreUnavailable)

    # The port: see `presence.live.ports.Store` ------------------------------------------

    async def open(self, now_wall: float) -> StartupState:
        """As the port says; raises `DataUnusable` where the directory or file cannot be used."""
        startup = await trio.to_thread.run_sync(self._open, now_wall, limiter=self._write_turn)
        self._is_open = True
        return startup

    async def read_latest_version(self) -> int:
        """The greatest version ever stored, 0 where there is none."""
        return await self._read(_read_latest_version)

    async def read_user(self, user_id: UserId) -> Record | None:
        """One user's record; raises `UnreadableRow` where it makes no sense."""
        record = await self._user_reads.read(user_id)
        return None if record is None else attrs.evolve(record, view=self._raised(record.view))

    async def read_views(self, user_ids: Iterable[UserId]) -> Mapping[UserId, PublicView]:
        """The views of those of *user_ids* that are shown."""
        views = await self._read(functools.partial(_read_views, list(user_ids)))
        return {user_id: self._raised(view) for user_id, view in views.items()}

    async def read_announced_ids(self, after: str, limit: int) -> Sequence[UserId]:
        """The next *limit* ids of shown users after *after*, by code point."""
        return await self._read(functools.partial(_read_shown_ids, after, limit))

    async def write(self, batch: Batch) -> None:
        """Commit *batch*; a write that the disk holds up for 10 s or more has failed.

        It may then still be committed, before any later batch.
        """
        self._check_open()
        rows = len(batch.users) + len(batch.memberships)
        limit = _WRITE_GIVEN_UP_AFTER + rows * _MORE_PER_ROW
        with trio.move_on_after(limit, shield=True):
            await trio.to_thread.run_sync(
                self._write, batch, limiter=self._write_turn, abandon_on_cancel=True
            )
            return
        raise StoreUnavailable(f"{self._file.path}: a write took longer than {limit:.0f} s")

    async def aclose(self) -> None:
        """Close the database and leave the directory to others; gives up after 5 s."""
        if not self._is_open:
            return
        self._is_open = False
        with trio.move_on_after(_CLOSE_GIVEN_UP_AFTER, shield=True):
            for handle, turn in (
                (self._reading, self._read_turn),
                (self._writing, self._write_turn),
            ):
                await trio.to_thread.run_sync(handle.close, limiter=turn, abandon_on_cancel=True)
            # Not where a thread hangs: it may still write, so nobody else may until we are gone.
            self._lock.release()

    # In the threads -----------------------------------------------------------------

    def _open(self, now_wall: float) -> StartupState:
        self._lock.acquire()
        try:
            return self._prepare(now_wall)
        except BaseException:
            self._writing.close()
            self._lock.release()
            raise

    def _prepare(self, now_wall: float) -> StartupState:
        try:
            self._file.prepare(now_wall, self._fill)
            try:
                return self._begin(now_wall)
            except Damaged:
                self._file.move_aside(now_wall)
                self._file.prepare(now_wall, self._fill)
                return self._begin(now_wall)
        except StoreUnavailable as error:
            raise unusable(self._file.path, error.__cause__ or error) from error
        except (DataUnusable, OSError) as error:
            raise unusable(self._file.path, error) from error

    def _fill(self, db: Database) -> None:
        migrate(db)
        if self._file.was_moved_aside():
            table(db, "meta").update(1, {"moved_aside": 1})

    def _begin(self, now_wall: float) -> StartupState:
        with self._writing.lend() as db:
            # Longer than for a write, because nobody tries again (in milliseconds).
            db.execute("PRAGMA busy_timeout = 1500")
            migrate(db)
            begin_run(db, now_wall)
            startup = read_startup_state(db, now_wall)
            self._version_floor = read_version_floor(db)
            db.execute("PRAGMA busy_timeout = 250")
            return startup

    def _write(self, batch: Batch) -> None:
        self._restore_lost_file(batch.committed_at)
        with self._writing.lend() as db, write_transaction(db):
            _write_users(db, batch)
            _write_servers(db, batch)
            _write_memberships(db, batch)
            _write_revocations(db, batch)
            _write_meta(db, batch)

    def _restore_lost_file(self, now_wall: float) -> None:
        if not self._writing.restore_lost_file(now_wall):
            return
        self._reading.open_anew_next_time()
        # A failure although it is mended, so that it is reported: the writer tries again soon.
        raise StoreUnavailable(
            f"{self._file.path} was deleted or replaced while in use; it was restored"
        )

    async def _read_users(
        self, user_ids: Sequence[UserId]
    ) -> Mapping[UserId, Record | UnreadableRow]:
        return await self._read(functools.partial(_read_users, user_ids))

    async def _read(self, query: Callable[[Database], T]) -> T:
        self._check_open()
        # A read that nobody waits for any more ends by itself, in its turn.
        return await trio.to_thread.run_sync(
            self._query, query, limiter=self._read_turn, abandon_on_cancel=True
        )

    def _query(self, query: Callable[[Database], T]) -> T:
        with self._reading.lend() as db:
            return query(db)

    def _raised(self, view: PublicView) -> PublicView:
        if view.version >= self._version_floor:
            return view
        return attrs.evolve(view, version=self._version_floor)

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")


# Queries --------------------------------------------------------------------------------


def _read_latest_version(db: Database) -> int:
    version = table(db, "meta").get(1)["latest_version"]
    return version if isinstance(version, int) else 0


def _read_users(user_ids: Sequence[UserId], db: Database) -> dict[UserId, Record | UnreadableRow]:
    # All rows at once: a query left half read would hold up the clearing of the log.
    rows = list(
        table(db, "users").rows_where("id IN (SELECT value FROM json_each(?))", [_json(user_ids)])
    )
    return {row["id"]: _record_or_fault(row) for row in rows}


def _record_or_fault(row: Mapping[str, object]) -> Record | UnreadableRow:
    try:
        return record_of(row)
    except UnreadableRow as fault:
        return fault


def _read_views(user_ids: Sequence[UserId], db: Database) -> dict[UserId, PublicView]:
    rows = table(db, "users").rows_where(
        "is_shown = 1 AND id IN (SELECT value FROM json_each(?))",
        [_json(user_ids)],
        select=PUBLIC_COLUMNS,
    )
    return {view.user_id: view for view in map(_view_of_any, rows)}


def _view_of_any(row: Mapping[str, object]) -> PublicView:
    try:
        return view_of(row)
    except UnreadableRow:
        return bare_view(row)


def _read_shown_ids(after: str, limit: int, db: Database) -> list[UserId]:
    rows = table(db, "users").rows_where(
        "is_shown = 1 AND id > ?", [after], order_by="id", select="id", limit=limit
    )
    return [row["id"] for row in rows]


# Changes --------------------------------------------------------------------------------


def _write_users(db: Database, batch: Batch) -> None:
    gone = [user_id for user_id, record in batch.users.items() if record is None]
    if gone:
        table(db, "users").delete_where("id IN (SELECT value FROM json_each(?))", [_json(gone)])
    rows = (row_of(record) for record in batch.users.values() if record)
    upsert(db, "users", rows, key=["id"])


def _write_servers(db: Database, batch: Batch) -> None:
    for server_id, name in batch.servers.items():
        if name is None:
            table(db, "servers").delete_where("id = ?", [server_id])
    rows = ({"id": key, "name": name} for key, name in batch.servers.items() if name is not None)
    upsert(db, "servers", rows, key=["id"])


def _write_memberships(db: Database, batch: Batch) -> None:
    for (user_id, server_id), row in batch.memberships.items():
        if row is None:
            table(db, "memberships").delete_where(
                "server_id = ? AND user_id = ?", [server_id, user_id]
            )
    rows = (attrs.asdict(row) for row in batch.memberships.values() if row)
    upsert(db, "memberships", rows, key=["server_id", "user_id"])


def _write_revocations(db: Database, batch: Batch) -> None:
    rows = (attrs.asdict(revocation) for revocation in batch.revocations.values())
    upsert(db, "revocations", rows, key=["user_id"])


def _write_meta(db: Database, batch: Batch) -> None:
    versions = [record.view.version for record in batch.users.values() if record]
    versions += [revocation.last_version for revocation in batch.revocations.values()]
    db.execute(
        "UPDATE meta SET committed_at = max(committed_at, ?),"
        " latest_version = max(latest_version, ?)",
        [batch.committed_at, max(versions, default=0)],
    )
    if batch.settled_epoch is not None:
        db.execute("UPDATE meta SET settled_start = ?", [batch.settled_epoch])
    if batch.is_last:
        db.execute("UPDATE meta SET ended_start = start_number")


def _json(ids: Sequence[UserId]) -> str:
    return orjson.dumps(ids).decode()
