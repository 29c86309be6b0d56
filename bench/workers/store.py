"""The writer and the store as the server uses them, and beside them the same rows in plain SQL.

`do` says what: "write" for windows of changes, "fill" and then "start" for a start
on what is stored.
"""

import contextlib
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from bench.results import bucket_of
from bench.workers.speech import hear, say
from presence.adapters.store_sqlite.rows import record_of, row_of
from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.events import REST_DEVICE
from presence.core.record import Record
from presence.core.types import PublicView, State, Status, Text, UserId
from presence.errors import StoreUnavailable
from presence.live.persistence.writer import Writer
from presence.live.ports import Batch

ROWS_AT_ONCE: Final = 10_000
COMMITTED_WITHIN: Final = 60.0
STRIDE: Final = 7919
"""A prime: changes go through all users in an order that is not that of the table."""


def make_record(number: int, change: int, run: int) -> Record:
    """The record of a user after its *change*th change in a run; every second time it is away."""
    user_id = UserId(f"u{number:08}")
    status = Status.AWAY if change % 2 else Status.ONLINE
    view = PublicView(
        user_id,
        username=user_id,
        status=status,
        custom_status=Text(f"change {change:08}"),
        version=(run << 32) + change,
    )
    return Record(
        view,
        name=user_id,
        is_announced=True,
        custom_status=view.custom_status,
        intent=status,
        attached_in=run,
        device_states={REST_DEVICE: State.ONLINE},
    )


@attrs.frozen
class Stored:
    """What a table should hold: the number of the last change of each user."""

    run: int
    changes: list[int]

    def count_different(self, file: Path) -> int:
        """Rows of *file* that are not as they should be, missing ones and strangers included."""
        with contextlib.closing(sqlite3.connect(file)) as db:
            db.row_factory = sqlite3.Row
            found = {row["id"]: record_of(dict(row)) for row in db.execute("SELECT * FROM users")}
        different = 0
        for number, change in enumerate(self.changes):
            wanted = make_record(number, change, self.run)
            different += found.pop(wanted.view.user_id, None) != wanted
        return different + len(found)


class Changes:
    """Changes to the users of one table, in an order that touches all of it."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._place = 0

    def take(self, count: int) -> list[Record]:
        """The next *count*, each of another user as long as there are so many."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Record:
        changes = self._stored.changes
        self._place = (self._place + STRIDE) % len(changes)
        changes[self._place] += 1
        return make_record(self._place, changes[self._place], self._stored.run)


class Window:
    """What one window of commits took."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._commits = 0
        self._waits: Counter[int] = Counter()
        self._cpu = self._wall = 0.0

    @contextlib.contextmanager
    def timing(self) -> Iterator[None]:
        """One commit is the block."""
        cpu, began = time.process_time(), time.perf_counter()
        yield
        took = time.perf_counter() - began
        self._cpu += time.process_time() - cpu
        self._wall += took
        self._commits += 1
        self._waits[bucket_of(int(took * 1e9))] += 1

    def is_over(self, seconds: float) -> bool:
        return self._commits > 0 and self._wall >= seconds

    def told(self) -> dict[str, Any]:
        rows = self._commits * self._batch
        return {
            "figures": {
                "commits_per_s": self._commits / self._wall,
                "rows_per_s": rows / self._wall,
                "cpu_us_per_row": self._cpu / rows * 1e6,
            },
            "waits": sorted(self._waits.items()),
        }


class WriterCommits:
    """Changes through the writer: each is left there, then the last one is waited for."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.not_committed = 0

    async def commit(self, records: list[Record], window: Window) -> None:
        with window.timing():
            tickets = [self._writer.save(record) for record in records]
            is_committed = await self._writer.wait_committed(tickets[-1], within=COMMITTED_WITHIN)
        self.not_committed += not is_committed


class PlainCommits:
    """The floor: rows ready made, one `executemany`, one transaction, in the same thread."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -32768",
                       "journal_size_limit = 67108864"):  # fmt: skip
            self._db.execute(f"PRAGMA {pragma}")
        columns = list(row_of(make_record(0, 0, 0)))
        self._upsert = (
            f"INSERT INTO users ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            f" ON CONFLICT (id) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
        )

    async def commit(self, records: list[Record], window: Window) -> None:
        rows = [tuple(row_of(record).values()) for record in records]
        with window.timing():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(self._upsert, rows)
            self._db.execute("COMMIT")
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self._db.close()


async def write(options: dict[str, Any]) -> None:
    """Windows of the product and of plain SQL in turn, then a look at every row."""
    directory, users = Path(options["directory"]), options["users"]
    store, ours = await _open_filled(directory / "presence", users)
    floor, theirs = await _open_filled(directory / "floor", users)
    await floor.aclose()
    writer = Writer(store, wall=time.time, on_failure=_fail, on_recovery=lambda *_: None)
    through_writer, plain = WriterCommits(writer), PlainCommits(_file(directory / "floor"))
    sides = [("floor", plain.commit, Changes(theirs)),
             ("presence", through_writer.commit, Changes(ours))]  # fmt: skip
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        for repeat in range(options["repeats"]):
            for batch in options["batches"]:
                for who, commit, changes in sides if repeat % 2 == 0 else sides[::-1]:
                    window = Window(batch)
                    while not window.is_over(options["seconds"]):
                        await commit(changes.take(batch), window)
                    say(who=who, batch=batch, repeat=repeat, **window.told())
        writer.close()
    await store.aclose()
    plain.close()
    say(
        checks={
            "not_committed": through_writer.not_committed,
            "different": ours.count_different(_file(directory / "presence")),
            "floor_different": theirs.count_different(_file(directory / "floor")),
        }
    )


# Starts -----------------------------------------------------------------------------------


async def fill(options: dict[str, Any]) -> None:
    """Store the users, all of them online, then die as if killed, or stop as one should."""
    store, _ = await _open_filled(Path(options["directory"]) / "presence", options["users"])
    if options["is_killed"]:
        os.kill(os.getpid(), signal.SIGKILL)
    await store.write(Batch(time.time(), is_last=True))
    await store.aclose()


async def start(options: dict[str, Any]) -> None:
    """Open what was stored: how long it takes, and whether nobody is shown online."""
    directory, users = Path(options["directory"]) / "presence", options["users"]
    store = SqliteStore(directory)
    cpu, began = time.process_time(), time.perf_counter()
    opening = await store.open(time.time())
    figures = {
        "open_s": time.perf_counter() - began,
        "open_cpu_us_per_user": (time.process_time() - cpu) / users * 1e6,
    }
    latest = await store.read_latest_version()
    await store.aclose()
    figures["bytes_per_user"] = _file(directory).stat().st_size / users
    say(
        figures=figures,
        checks={
            "not_shown": abs(opening.announced_count - users),
            "different": _count_not_offline(_file(directory), users, opening.epoch, latest),
        },
    )


def _count_not_offline(file: Path, users: int, run: int, latest: int) -> int:
    """Rows that are not as they were, but offline, with a version of the new run each."""
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.row_factory = sqlite3.Row
        found = {row["id"]: record_of(dict(row)) for row in db.execute("SELECT * FROM users")}
    versions = {record.view.version for record in found.values()}
    different = users - sum((run << 32) < version <= latest for version in versions)
    for number in range(users):
        before = make_record(number, 0, run - 1)
        after = found.get(before.view.user_id)
        if after is None or after.view.last_seen is None:
            different += 1
            continue
        view = attrs.evolve(
            before.view,
            status=Status.OFFLINE,
            version=after.view.version,
            last_seen=after.view.last_seen,
        )
        different += after != attrs.evolve(before, view=view)
    return different


# What both need ---------------------------------------------------------------------------


async def _open_filled(directory: Path, users: int) -> tuple[SqliteStore, Stored]:
    """A store in *directory* that holds *users* who are online."""
    store = SqliteStore(directory)
    run = (await store.open(time.time())).epoch
    for first in range(0, users, ROWS_AT_ONCE):
        numbers = range(first, min(users, first + ROWS_AT_ONCE))
        records = [make_record(number, 0, run) for number in numbers]
        await store.write(Batch(time.time(), users={each.view.user_id: each for each in records}))
    return store, Stored(run, [0] * users)


def _file(directory: Path) -> Path:
    return directory / "presence.db"


def _fail(error: StoreUnavailable, waiting: int) -> None:
    raise error


DOES: Final = {"write": write, "fill": fill, "start": start}

if __name__ == "__main__":
    options = hear()
    trio.run(DOES[options["do"]], options)
