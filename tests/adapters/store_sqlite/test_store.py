"""The SQLite store among faults: locks, full disks, broken and vanished files, kills."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys

import attrs
import pytest
import trio
from sqlite_utils.db import Database

from presence.adapters.store_sqlite.file import DatabaseFile, Handle
from presence.adapters.store_sqlite.schema import MIGRATIONS, migrate, table
from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.record import Record
from presence.core.types import DeviceId, PublicView, ServerId, State, Status, Text, UserId
from presence.errors import DataUnusable, StoreUnavailable
from presence.live.persistence.writer import Writer
from presence.live.ports import (
    Batch,
    MembershipRow,
    MembershipTable,
    Revocation,
    StartupState,
    UnreadableRow,
)

NOBODY = 65534
ADA, BOB = UserId("ada"), UserId("bob")
HIDDEN = Record(PublicView(ADA, "Ada", version=1), "Ada", is_announced=True, appear_offline=True)


def record_of(user_id, text, **changes):
    view = PublicView(user_id, user_id, Status.ONLINE, Text(text), version=1)
    return attrs.evolve(Record(view, user_id, is_announced=True), **changes)


def batch_of(*records, at=900.0):
    return Batch(at, users={record.view.user_id: record for record in records})


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def made(directory):
    """The data directory, there before the first start."""
    directory.mkdir()
    return directory


def names_in(directory, pattern="*"):
    return sorted(path.name for path in directory.glob(pattern))


def mode_of(path):
    return path.stat().st_mode & 0o777


@contextlib.asynccontextmanager
async def run_in(directory, now=1000.0):
    """One run of the server, ended in order where the store lets it."""
    store = SqliteStore(directory)
    startup = await store.open(now)
    try:
        yield store, startup
        with contextlib.suppress(StoreUnavailable):
            await store.write(Batch(0.0, is_last=True))
    finally:
        await store.aclose()


@contextlib.contextmanager
def other_program(directory):
    connection = sqlite3.connect(directory / "presence.db", isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def edit(directory, sql, *values):
    """Poison a row by hand."""
    with other_program(directory) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(sql, values)


def writer_over(store, failures):
    return Writer(
        store,
        wall=lambda: 900.0,
        on_failure=lambda error, waiting: failures.append(str(error)),
        on_recovery=lambda count, seconds: failures.append("recovered"),
    )


# The directory --------------------------------------------------------------------------


async def test_directory_and_file_are_for_the_owner_alone(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
        modes = {name: mode_of(directory / name) for name in names_in(directory)}
    assert mode_of(directory) == 0o700
    assert modes == {
        "presence.db": 0o600,
        "presence.db-wal": 0o600,
        "presence.db-shm": 0o600,
        "presence.lock": 0o600,
    }


async def test_a_file_that_others_may_read_is_closed_to_them(directory):
    async with run_in(directory):
        (directory / "presence.db").chmod(0o644)
    async with run_in(directory):
        assert mode_of(directory / "presence.db") == 0o600


async def test_a_second_server_on_the_same_directory_is_refused(directory):
    async with run_in(directory) as (store, _):
        with pytest.raises(DataUnusable, match=f"another presence server .*{directory}"):
            await SqliteStore(directory).open(1000.0)
        await store.write(batch_of(HIDDEN))
    async with run_in(directory) as (_, startup):
        assert startup.epoch == 2


async def test_a_directory_that_is_a_file_is_named_with_the_reason(tmp_path):
    (tmp_path / "data").write_text("I am a file")
    with pytest.raises(DataUnusable, match=f"{tmp_path / 'data'} cannot be used: File exists"):
        await SqliteStore(tmp_path / "data").open(1000.0)


async def test_a_database_that_cannot_be_opened_is_named_with_the_reason(directory):
    (directory / "presence.db").mkdir(parents=True)
    with pytest.raises(DataUnusable, match=r"presence\.db cannot be used: unable to open"):
        await SqliteStore(directory).open(1000.0)


@pytest.fixture
def read_only(made):
    """A directory into which this process may not write; root is somebody else meanwhile."""
    made.chmod(0o500)
    user_id = os.geteuid()
    if user_id == 0:
        os.seteuid(NOBODY)
    yield made
    os.seteuid(user_id)


async def test_a_read_only_directory_is_named_with_the_reason(read_only):
    with pytest.raises(DataUnusable, match=f"{read_only} cannot be used: Permission denied"):
        await SqliteStore(read_only).open(1000.0)


async def test_a_start_under_the_lock_of_another_program_is_refused(directory):
    async with run_in(directory):
        pass
    with other_program(directory) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataUnusable, match="cannot be used: database is locked"):
            await SqliteStore(directory).open(1000.0)
    async with run_in(directory) as (_, startup):
        assert startup.epoch == 2


async def test_a_database_of_something_else_is_left_alone(made):
    with other_program(made) as other:
        other.execute("CREATE TABLE photos (id)")
    with pytest.raises(DataUnusable, match=r"presence\.db cannot be used: .* not made by"):
        await SqliteStore(made).open(1000.0)
    assert not names_in(made, "*corrupt*")


async def test_a_database_of_a_newer_server_is_left_alone(directory):
    async with run_in(directory):
        pass
    edit(directory, "UPDATE meta SET schema_version = 99")
    with pytest.raises(DataUnusable, match=r"presence\.db cannot be used: .* version 99"):
        await SqliteStore(directory).open(1000.0)
    assert not names_in(directory, "*corrupt*")


async def test_a_database_of_the_first_version_keeps_its_memberships(made):
    def row(user_id, server_id, *, by_admin):
        return MembershipRow(user_id, ServerId(server_id), by_admin, not by_admin)

    old = [row(ADA, "go", by_admin=True), row(ADA, "chess", by_admin=False),
           row(BOB, "chess", by_admin=True), row(BOB, "go", by_admin=True)]  # fmt: skip
    database = Database(made / "presence.db")
    migrate(database, MIGRATIONS[:1])
    table(database, "memberships").insert_all(map(attrs.asdict, old))
    database.close()
    async with run_in(made) as (store, startup):
        assert startup.memberships == MembershipTable(old)
        changed = attrs.evolve(old[1], by_admin=True)
        changes = {(BOB, ServerId("go")): None, (ADA, ServerId("chess")): changed}
        await store.write(Batch(1.0, memberships=changes))
    async with run_in(made) as (_, startup):
        assert startup.memberships == MembershipTable([old[0], changed, old[2]])


async def test_start_numbers_that_make_no_sense_stop_the_start(directory):
    async with run_in(directory):
        pass
    edit(directory, "UPDATE meta SET start_number = 'many'")
    with pytest.raises(DataUnusable, match=r"presence\.db cannot be used: .* makes no sense"):
        await SqliteStore(directory).open(1000.0)


async def test_the_public_columns_are_those_of_the_source(directory):
    async with run_in(directory):
        pass
    with other_program(directory) as other:
        other.execute("INSERT INTO users (id, username, own_name) VALUES ('ada', 'Ada', 'Ada')")
        row = other.execute("SELECT status, custom_status, activity FROM users").fetchone()
        assert row == ("offline", None, None)
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            other.execute("UPDATE users SET status = 'invisible'")
        with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
            other.execute("UPDATE users SET status = NULL")


async def test_any_name_of_a_directory_will_do(tmp_path):
    odd = tmp_path / "a?b#c%41 'd\"é"
    async with run_in(odd) as (store, _):
        await store.write(batch_of(HIDDEN))
    async with run_in(odd) as (store, _):
        assert await store.read_user(ADA) == HIDDEN
    assert names_in(tmp_path) == [odd.name]


async def test_a_disk_too_full_for_a_new_database_is_named_with_the_reason(made):
    with (
        files_limited_to(5000),
        pytest.raises(DataUnusable, match=r"presence\.db cannot be used: disk I/O error"),
    ):
        await SqliteStore(made).open(1000.0)
    async with run_in(made) as (_, startup):
        assert (startup.epoch, startup.was_moved_aside) == (1, False)


# Rows poisoned by hand ------------------------------------------------------------------


async def test_a_row_that_makes_no_sense_is_unreadable_and_shown_bare(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(record_of(ADA, "hi"), record_of(BOB, "ho")))
        edit(directory, "UPDATE users SET status = 'busy', version = 7 WHERE id = 'ada'")
        with pytest.raises(UnreadableRow, match="status"):
            await store.read_user(ADA)
        assert await store.read_views([ADA, BOB]) == {
            ADA: PublicView(ADA, "ada", version=7),
            BOB: record_of(BOB, "ho").view,
        }
        assert await store.read_user(BOB) == record_of(BOB, "ho")


async def test_a_poisoned_truth_is_unreadable_but_leaves_the_public_view(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
        edit(directory, "UPDATE users SET device_states = '{' WHERE id = 'ada'")
        with pytest.raises(UnreadableRow, match="device_states"):
            await store.read_user(ADA)
        assert await store.read_views([ADA]) == {ADA: HIDDEN.view}


@pytest.mark.parametrize("poison", ["lease_ends = '{'", "intent = 'busy'"])
async def test_no_lease_shows_a_user_whose_row_makes_no_sense(directory, poison):
    phone = DeviceId("phone")
    leased = record_of(
        ADA, "hi", device_states={phone: State.ONLINE}, lease_ends={phone: 5000.0}, attached_in=1
    )
    async with run_in(directory) as (store, _):
        await store.write(batch_of(leased))
    edit(directory, f"UPDATE users SET {poison}")
    async with run_in(directory) as (store, startup):
        assert startup.leased == {}
        assert (await store.read_views([ADA]))[ADA].status is Status.OFFLINE


async def test_a_user_with_an_unreadable_announced_column_is_not_shown(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
        edit(directory, "UPDATE users SET is_shown = 'yes' WHERE id = 'ada'")
        assert await store.read_views([ADA]) == {}
        assert await store.read_announced_ids("", 10) == []


async def test_poisoned_side_tables_grant_nothing_and_stop_no_start(directory):
    chess = ServerId("chess")
    membership = MembershipRow(ADA, chess, by_admin=True, by_claim=False, by_shown_claim=False)
    batch = attrs.evolve(
        batch_of(attrs.evolve(record_of(ADA, "hi"), claims_at=1.0)),
        servers={chess: "Chess"},
        memberships={(ADA, chess): membership},
        revocations={ADA: Revocation(ADA, 5.0)},
    )
    async with run_in(directory) as (store, _):
        await store.write(batch)
    edit(directory, "UPDATE memberships SET by_admin = 'yes'")
    edit(directory, "UPDATE revocations SET revoked_at = 'never', last_version = 'x'")
    edit(directory, "UPDATE servers SET name = x'ff'")
    edit(directory, "UPDATE users SET custom_status_until = 'soon'")
    async with run_in(directory) as (_, startup):
        assert startup == StartupState(
            epoch=2,
            settled_epoch=0,
            servers={chess: "chess"},
            memberships=MembershipTable(),
            revocations=[Revocation(ADA, 1000.0)],
            text_ends={},
            announced_count=1,
            was_moved_aside=False,
        )


# Broken files ---------------------------------------------------------------------------


def break_header(path):
    with path.open("r+b") as file:
        file.write(b"this is no database, it only has that name")


def break_first_page(path):
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


def break_tables(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def truncate(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("breaking", [break_header, break_first_page, break_tables, truncate])
async def test_a_broken_file_is_moved_aside_for_ever(directory, breaking):
    assert callable(breaking)
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
    breaking(directory / "presence.db")
    broken = (directory / "presence.db").read_bytes()
    async with run_in(directory, now=0.0) as (store, startup):
        assert (startup.epoch, startup.was_moved_aside) == (1, True)
        assert await store.read_user(ADA) is None
        await store.write(batch_of(HIDDEN))
        assert mode_of(directory / "presence.db") == 0o600
    aside = directory / "presence.db.corrupt-19700101T000000Z"
    assert aside.read_bytes() == broken
    aside.unlink()  # the operator has seen enough of it
    async with run_in(directory) as (store, startup):
        assert (startup.epoch, startup.was_moved_aside) == (2, True)
        assert await store.read_user(ADA) == HIDDEN


async def test_a_second_broken_file_does_not_replace_the_first(directory):
    for _ in range(2):
        async with run_in(directory, now=0.0):
            pass
        break_header(directory / "presence.db")
    async with run_in(directory, now=0.0):
        pass
    assert names_in(directory, "*corrupt*") == [
        "presence.db.corrupt-19700101T000000Z",
        "presence.db.corrupt-19700101T000000Z.1",
    ]


async def test_a_log_without_its_database_is_never_played_into_a_new_one(made):
    (made / "presence.db-wal").write_bytes(b"what a crash while moving aside left")
    async with run_in(made, now=0.0) as (_, startup):
        assert startup.was_moved_aside
    assert names_in(made, "*corrupt*") == ["presence.db.corrupt-19700101T000000Z-wal"]


async def test_a_half_made_database_of_a_crash_is_no_broken_one(made):
    (made / "presence.db.new").write_bytes(b"half")
    async with run_in(made) as (_, startup):
        assert not startup.was_moved_aside
    assert names_in(made) == ["presence.db", "presence.lock"]


async def test_damage_met_while_running_is_looked_for_at_the_next_start(directory):
    gone = attrs.evolve(HIDDEN.view, custom_status=Text("x" * 100))
    names = [UserId(f"user{n:05}") for n in range(2000)]
    many = [attrs.evolve(HIDDEN, view=attrs.evolve(gone, user_id=name)) for name in names]
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN, *many))
    spoil_leaf(directory / "presence.db", b"x" * 100)
    async with run_in(directory) as (store, startup):
        assert not startup.was_moved_aside, "nothing on the way of the start is broken"
        with pytest.raises(StoreUnavailable, match="malformed"):
            await store.read_views(names)
        assert await store.read_user(names[-1]) == many[-1]
    async with run_in(directory) as (_, startup):
        assert startup.was_moved_aside


def spoil_leaf(path, text):
    """Break a page that holds rows with *text* and that nothing but these rows needs."""
    edit(path.parent, "VACUUM")  # or what is left of text might lie in pages of other tables
    whole = path.read_bytes()
    starts = range(0, len(whole), 4096)
    leaf = next(at for at in starts if whole[at] == 10 and text in whole[at : at + 4096])
    path.write_bytes(whole[:leaf] + b"\xff" * 4096 + whole[leaf + 4096 :])


async def test_damage_that_was_none_keeps_the_file(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
    (directory / "presence.db.damaged").touch()
    async with run_in(directory) as (store, startup):
        assert not startup.was_moved_aside
        assert await store.read_user(ADA) == HIDDEN
    assert not names_in(directory, "*damaged")


async def test_a_database_deleted_while_in_use_is_restored_whole(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
        assert await store.read_user(ADA) == HIDDEN
        for name in names_in(directory, "presence.db*"):
            (directory / name).unlink()
        with pytest.raises(StoreUnavailable, match=r"deleted or replaced .* restored"):
            await store.write(batch_of(record_of(BOB, "hi")))
        await store.write(batch_of(record_of(BOB, "hi")))
        assert await store.read_user(ADA) == HIDDEN
        assert await store.read_user(BOB) == record_of(BOB, "hi")
        assert mode_of(directory / "presence.db") == 0o600
        # Reading has closed the connection to the old file: not together with the new log.
        assert "presence.db-wal" in names_in(directory)
        await store.write(batch_of(record_of(BOB, "ho")))
    async with run_in(directory) as (store, startup):
        assert (startup.epoch, startup.announced_count) == (2, 2)
        assert await store.read_user(ADA) == HIDDEN
        assert (await store.read_views([BOB]))[BOB].custom_status == "ho"


async def test_a_deleted_database_waits_for_a_place_to_be_restored(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
        (directory / "presence.db").unlink()
        (directory / "presence.db.new").mkdir()
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="is gone"):
                await store.write(batch_of(record_of(BOB, "hi")))
        (directory / "presence.db.new").rmdir()
        with pytest.raises(StoreUnavailable, match="restored"):
            await store.write(batch_of(record_of(BOB, "hi")))
    async with run_in(directory) as (store, _):
        assert await store.read_user(ADA) == HIDDEN


async def test_a_database_replaced_while_in_use_is_put_away(directory):
    async with run_in(directory, now=0.0) as (store, _):
        await store.write(batch_of(HIDDEN))
        (directory / "intruder").write_bytes(b"a backup, perhaps")
        (directory / "intruder").rename(directory / "presence.db")
        with pytest.raises(StoreUnavailable, match="deleted or replaced"):
            await store.write(batch_of(record_of(BOB, "hi"), at=0.0))
        await store.write(batch_of(record_of(BOB, "hi")))
        assert await store.read_user(BOB) == record_of(BOB, "hi")
    replaced = directory / "presence.db.replaced-19700101T000000Z"
    assert replaced.read_bytes() == b"a backup, perhaps"
    async with run_in(directory) as (store, _):
        assert await store.read_user(ADA) == HIDDEN


# Locks and disks ------------------------------------------------------------------------


async def test_reads_go_on_while_another_program_holds_the_lock(directory):
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
        with other_program(directory) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert await store.read_user(ADA) == HIDDEN
            began_at = trio.current_time()
            with pytest.raises(StoreUnavailable, match="database is locked"):
                await store.write(batch_of(record_of(BOB, "hi")))
            assert trio.current_time() - began_at < 2
            assert await store.read_views([ADA, BOB]) == {ADA: HIDDEN.view}
        await store.write(batch_of(record_of(BOB, "hi")))
        assert await store.read_user(BOB) == record_of(BOB, "hi")


async def test_rows_are_right_soon_after_a_lock_is_released(directory, nursery):
    told: list[str] = []
    async with run_in(directory) as (store, _):
        writer = writer_over(store, told)
        with other_program(directory) as other:
            other.execute("BEGIN EXCLUSIVE")
            await nursery.start(writer.run)
            for n in range(100):
                ticket = writer.save(record_of(ADA, str(n)))
            assert not await writer.wait_committed(ticket, within=1.0)
            assert await writer.read_user(ADA) == record_of(ADA, "99")
            other.execute("ROLLBACK")
        assert await writer.wait_committed(ticket, within=2.0)
        assert await store.read_user(ADA) == record_of(ADA, "99")
        assert told == [f"{directory}/presence.db: database is locked", "recovered"]
        writer.close()


def test_a_full_disk_fails_the_write_and_the_same_connection_goes_on(directory):
    with filled_handle(directory) as (handle, db):
        db.execute("PRAGMA max_page_count = 1")  # at once raised to the present size
        with pytest.raises(StoreUnavailable, match="full"), handle.lend() as lent:
            table(lent, "servers").insert({"id": "big", "name": "x" * 100_000})
        db.execute("PRAGMA max_page_count = 1000000")
        with handle.lend() as lent:
            assert lent is db
            table(lent, "servers").insert({"id": "big", "name": "x" * 100_000})


def test_after_other_failures_of_the_disk_the_database_is_opened_anew(directory):
    with filled_handle(directory) as (handle, db):
        db.execute("PRAGMA query_only = ON")  # what SQLite says of a read-only disk
        with pytest.raises(StoreUnavailable, match="readonly"), handle.lend() as lent:
            table(lent, "servers").insert({"id": "a", "name": "A"})
        with handle.lend() as lent:
            table(lent, "servers").insert({"id": "a", "name": "A"})
            assert lent is not db


def test_a_mistake_of_ours_is_not_taken_for_trouble_with_the_disk(directory):
    with filled_handle(directory) as (handle, _), pytest.raises(sqlite3.IntegrityError):  # noqa: SIM117
        with handle.lend() as lent:
            lent.execute("INSERT INTO users (id, username, own_name) VALUES ('a', 'A', NULL)")


@contextlib.contextmanager
def filled_handle(directory):
    directory.mkdir()
    file = DatabaseFile(directory / "presence.db")
    file.prepare(0.0, migrate)
    handle = Handle(file)
    with handle.lend() as db:
        pass
    yield handle, db
    handle.close()


@contextlib.contextmanager
def files_limited_to(size):
    """As on a disk that fails: what goes beyond *size* bytes of any file cannot be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_batch_that_the_disk_refuses_is_not_there_in_part(directory):
    many = [record_of(UserId(f"user{n}"), "x" * 128) for n in range(5000)]
    async with run_in(directory) as (store, _):
        await store.write(batch_of(HIDDEN))
        with files_limited_to(200_000), pytest.raises(StoreUnavailable, match="disk I/O error"):
            await store.write(batch_of(*many))
        assert await store.read_announced_ids("", 10) == [ADA]
        await store.write(batch_of(*many))
        assert len(await store.read_announced_ids("", 9000)) == 5001


async def test_a_write_that_has_begun_is_finished_although_cancelled(directory):
    many = [record_of(UserId(f"user{n}"), "x") for n in range(2000)]
    async with run_in(directory) as (store, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, batch_of(*many))
            await trio.lowlevel.cancel_shielded_checkpoint()
            nursery.cancel_scope.cancel()
        assert len(await store.read_announced_ids("", 9000)) == 2000


# Kills ----------------------------------------------------------------------------------

CHILD = """
import sys, trio
from pathlib import Path
from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.record import Record
from presence.core.types import PublicView, Status, UserId
from presence.live.ports import Batch

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open(1000.0)
    for n in range(int(sys.argv[2]), 10**9):
        views = [PublicView(UserId(name), name, Status.ONLINE, str(n)) for name in ("ada", "bob")]
        users = {view.user_id: Record(view, view.user_id, True) for view in views}
        await store.write(Batch(float(n), users))
        print(n, flush=True)

trio.run(main)
"""


def test_after_a_kill_what_was_acknowledged_is_there_and_nothing_is_torn(directory):
    acked = 0
    for round_number in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(directory), str(acked + 1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for _ in range(20 + 13 * round_number):
            acked = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        acked = int([str(acked), *child.stdout.read().split()][-1])
        child.wait()
        child.stdout.close()
        trio.run(check_after_kill, directory, acked)


async def check_after_kill(directory, acked):
    async with run_in(directory) as (store, startup):
        views = await store.read_views([ADA, BOB])
        written = {int(view.custom_status or "0") for view in views.values()}
        assert written in ({acked}, {acked + 1})
        assert {view.status for view in views.values()} == {Status.OFFLINE}
        assert {view.last_seen for view in views.values()} == written
        assert startup.announced_count == 2
        assert not startup.was_moved_aside
