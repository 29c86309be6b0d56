"""The file `presence.db`: made, locked, opened, put away when it is broken.

Nothing here knows a table. Everything runs in worker threads, one at a time
per `Handle`.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlite_utils.db import Database

from presence.errors import DataUnusable, StoreUnavailable

_WAL_FILES = ("-wal", "-shm")
_LOCK_WAITED = 0.25
"""Seconds in which a thread waits for a lock of another program, before the caller retries."""


class Damaged(StoreUnavailable):
    """SQLite says that the file is no database, or a broken one."""


class DirectoryLock:
    """Keeps a second server away from the data directory while it is held."""

    def __init__(self, directory: Path) -> None:
        self._connections = directory
        self._file: int | None = None

    def acquire(self) -> None:
        """Make the directory where it is missing, and lock it; raises `DataUnusable`."""
        path = self._connections / "presence.lock"
        try:
            self._connections.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(self._connections, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise DataUnusable(
                f"another presence server is running on the data directory {self._connections}"
            ) from None
        except OSError as error:
            os.close(file)
            raise unusable(path, error) from error
        self._file = file

    def release(self) -> None:
        """Let others have the directory. The lock file stays: removing it would race."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class DatabaseFile:
    """Where the database is, and what became of earlier ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._draft = path.with_name(path.name + ".new")
        self._damage_mark = path.with_name(path.name + ".damaged")

    def prepare(self, now_wall: float, fill: Callable[[Database], None]) -> None:
        """See to it that a database is there; one known to be broken is moved aside first.

        A new one is filled before it gets its name. So an empty file is a
        broken one, never one that a crash left half made.
        """
        if not self.path.exists() or self._is_broken():
            self.move_aside(now_wall)
            self.create(fill)
        self.path.chmod(0o600)

    def create(self, fill: Callable[[Database], None]) -> None:
        """Make a new database, with what *fill* puts into it."""
        self._remove_draft()
        self._draft.touch(mode=0o600)
        with _opened(DatabaseFile(self._draft)) as db:
            fill(db)
        self._draft.rename(self.path)

    def move_aside(self, now_wall: float) -> None:
        """Rename what is there of the database to `….corrupt-<time>`, for a human to look at."""
        target = self._free_name("corrupt", now_wall)
        # The file goes before its log: a log alone is taken for a broken database, at the next
        # start, while a file alone would be opened as it was some time ago.
        for suffix in ("", *_WAL_FILES):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").rename(f"{target}{suffix}")
        self._damage_mark.unlink(missing_ok=True)

    def was_moved_aside(self) -> bool:
        """Whether files lie here that once were the database."""
        return any(self.path.parent.glob(f"{self.path.name}.corrupt-*"))

    def mark_damaged(self) -> None:
        """Have the database checked at the next start."""
        # Where even this cannot be written, opening may still find the damage.
        with contextlib.suppress(OSError):
            self._damage_mark.touch(mode=0o600)

    def recreate_from(self, db: Database, now_wall: float) -> None:
        """Put a copy of *db*, open but gone from its place, where it was.

        Another file in that place is renamed to `….replaced-<time>`. The log
        files of *db* are gone then, so it is of no more use.
        """
        self._remove_draft()
        self._draft.touch(mode=0o600)
        db.execute("VACUUM INTO ?", [str(self._draft)])
        for suffix in _WAL_FILES:
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(self._free_name("replaced", now_wall))
        self._draft.rename(self.path)

    def identity(self) -> tuple[int, int] | None:
        """The identity of this file, unlike that of another one of the same name; None: no file."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _is_broken(self) -> bool:
        if self.path.stat().st_size == 0:
            return True
        if not self._damage_mark.exists():
            return False
        # Slow for a large file, so only after SQLite has complained about this one.
        if self._is_damaged():
            return True
        self._damage_mark.unlink()
        return False

    def _is_damaged(self) -> bool:
        try:
            with _opened(self) as db:
                return bool(db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",))
        except Damaged:
            return True

    def _remove_draft(self) -> None:
        for suffix in ("", "-journal", *_WAL_FILES):
            Path(f"{self._draft}{suffix}").unlink(missing_ok=True)

    def _free_name(self, kind: str, now_wall: float) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_wall))
        name = f"{self.path.name}.{kind}-{stamp}"
        taken = len(list(self.path.parent.glob(f"{name}*")))
        return self.path.with_name(f"{name}.{taken}" if taken else name)


class Handle:
    """One connection: opened when it is wanted, and again after the disk has failed it."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file
        self._db: Database | None = None
        self._identity: tuple[int, int] | None = None
        self._is_outdated = False

    @contextlib.contextmanager
    def lend(self) -> Iterator[Database]:
        """The connection; what SQLite cannot do now becomes `StoreUnavailable`."""
        try:
            yield self._open()
        except (sqlite3.DatabaseError, OSError) as error:
            if not _is_trouble_outside(error):
                raise
            if not _may_pass(error):
                self.close()
            raise self._explain(error) from error

    def close(self) -> None:
        """Close the connection, if any; the next `lend` opens another one."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def restore_lost_file(self, now_wall: float) -> bool:
        """Put what the open file holds back in its place if the file was deleted or replaced.

        Writes to it would still succeed. Returns whether it had to; raises
        `StoreUnavailable` where that fails.
        """
        if self._db is None or self._identity == self._file.identity():
            return False
        try:
            self._file.recreate_from(self._db, now_wall)
        except (sqlite3.Error, OSError) as error:
            # The connection stays open: nothing else holds the rows any more.
            raise StoreUnavailable(f"{self._file.path} is gone: {error}") from error
        self.close()
        return True

    def open_anew_next_time(self) -> None:
        """Say, from any thread, that there is another file of the same name now."""
        self._is_outdated = True

    def _open(self) -> Database:
        if self._is_outdated:
            self._is_outdated = False
            self.close()
        if self._db is None:
            self._identity = self._file.identity()
            self._db = connect(self._file.path)
        return self._db

    def _explain(self, error: Exception) -> StoreUnavailable:
        text = f"{self._file.path}: {error}"
        if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            self._file.mark_damaged()
            return Damaged(text)
        return StoreUnavailable(text)


@contextlib.contextmanager
def _opened(file: DatabaseFile) -> Iterator[Database]:
    handle = Handle(file)
    try:
        with handle.lend() as db:
            yield db
    finally:
        handle.close()


@contextlib.contextmanager
def write_transaction(db: Database) -> Iterator[None]:
    """All or nothing. Takes the lock first: only there does SQLite wait for another program."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.commit()
    except BaseException:
        db.rollback()
        raise


def connect(path: Path) -> Database:
    """Open the database at *path*, which exists; raises `sqlite3.Error`."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # never makes a file
        uri=True,
        timeout=_LOCK_WAITED,
        check_same_thread=False,  # Trio's worker threads take turns
        isolation_level=None,  # sqlite-utils begins and commits
    )
    db = _Database(connection, recursive_triggers=False, execute_plugins=False)
    try:
        db.enable_wal()
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA journal_size_limit = 67108864")
        db.execute("PRAGMA cache_size = -32768")  # at most 32 MiB
    except sqlite3.Error:
        db.close()
        raise
    return db


class _Database(Database):
    @property
    def supports_on_conflict(self) -> bool:
        """That SQLite has upserts, which it has since 3.24.

        The library finds out by making a table, and takes any failure, such as
        another program's lock, for a no. From then on it would leave out new
        rows that have columns which must not be null, without a word.
        """
        return True


def unusable(path: Path, error: BaseException) -> DataUnusable:
    """The sentence for the operator, naming *path* and the reason."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataUnusable(f"{path} cannot be used: {reason}")


def _is_trouble_outside(error: Exception) -> bool:
    # Exactly these: their subclasses tell of a mistake of ours, such as a broken constraint.
    outside = (sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.InternalError)
    return isinstance(error, OSError) or type(error) in outside


def _may_pass(error: Exception) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)


def _code(error: Exception) -> int | None:
    extended = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF
