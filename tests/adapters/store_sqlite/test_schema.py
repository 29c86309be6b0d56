"""From every older schema to the present one."""

import sqlite3

import pytest
from sqlite_utils.db import Database

from presence.adapters.store_sqlite.rows import record_of
from presence.adapters.store_sqlite.schema import MIGRATIONS, migrate, read_schema_version, table
from presence.adapters.store_sqlite.startup import begin_run, read_startup_state
from presence.errors import DataUnusable


@pytest.fixture
def db():
    database = Database(memory=True)
    yield database
    database.close()


def add_colour(db):
    table(db, "users").add_column("colour", str)


def fail_half_way(db):
    table(db, "users").add_column("half", str)
    raise sqlite3.OperationalError("disk full")


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_every_older_version_becomes_what_a_new_database_is(db, version):
    new = Database(memory=True)
    migrate(new)
    migrate(db, MIGRATIONS[:version])
    migrate(db)
    assert db.schema == new.schema
    assert read_schema_version(db) == len(MIGRATIONS)
    new.close()


def test_rows_outlive_a_migration(db):
    migrate(db)
    db.execute("INSERT INTO users (id, username, own_name) VALUES ('ada', 'Ada', 'Ada')")
    migrate(db, [*MIGRATIONS, add_colour])
    assert read_schema_version(db) == len(MIGRATIONS) + 1
    (row,) = table(db, "users").rows_where(select="id, username, status, colour")
    assert row == {"id": "ada", "username": "Ada", "status": "offline", "colour": None}


def test_memberships_stay_as_they_are_when_they_come_to_lie_by_server(db):
    rows = {
        ("ada", "go", 1, 0, 0),
        ("ada", "chess", 0, 1, 1),
        ("bob", "chess", 1, 1, 0),
        ("bob", "chess\n", 0, "yes", 2),
        (b"\xff", "chess", 1, 0, 0),
    }
    migrate(db, MIGRATIONS[:1])
    names = db.table_names()
    db.conn.executemany(
        "INSERT INTO memberships (user_id, server_id, by_admin, by_claim, by_shown_claim)"
        " VALUES (?, ?, ?, ?, ?)",
        rows,
    )
    db.conn.commit()
    migrate(db)
    assert sorted(db.table_names()) == sorted(names)
    assert table(db, "memberships").pks == ["server_id", "user_id"]
    columns = "user_id, server_id, by_admin, by_claim, by_shown_claim"
    assert set(db.execute(f"SELECT {columns} FROM memberships").fetchall()) == rows


def test_a_user_of_before_there_were_leases_has_none(db):
    migrate(db, MIGRATIONS[:2])
    db.execute("INSERT INTO users (id, username, own_name) VALUES ('ada', 'Ada', 'Ada')")
    db.conn.commit()
    migrate(db)
    (row,) = table(db, "users").rows
    assert (row["id"], record_of(row).lease_ends) == ("ada", {})
    assert "users_leased" in names_of_indexes(db)


def test_a_migration_that_fails_leaves_the_version_before_it(db):
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, [*MIGRATIONS, add_colour, fail_half_way])
    assert read_schema_version(db) == len(MIGRATIONS) + 1
    assert "colour" in table(db, "users").columns_dict
    assert "half" not in table(db, "users").columns_dict


def test_a_schema_from_the_future_is_refused_untouched(db):
    migrate(db, [*MIGRATIONS, add_colour])
    with pytest.raises(DataUnusable, match="written by a newer presence server"):
        migrate(db)
    assert read_schema_version(db) == len(MIGRATIONS) + 1


@pytest.mark.parametrize("poison", ["DELETE FROM meta", "UPDATE meta SET schema_version = 'one'"])
def test_a_database_that_does_not_tell_its_version_is_refused(db, poison):
    migrate(db)
    db.execute(poison)
    with pytest.raises(DataUnusable, match="does not say which schema version"):
        migrate(db)


@pytest.mark.parametrize("act", [begin_run, read_startup_state])
def test_a_start_never_reads_the_rows_that_it_leaves_alone(db, act):
    migrate(db)
    db.register_function(lambda: 1, name="next_version")
    asked: list[str] = []
    db.conn.set_trace_callback(asked.append)
    act(db, 1000.0)
    db.conn.set_trace_callback(None)
    on_users = [sql for sql in asked if "users" in sql and "sqlite_master" not in sql]
    plans = [row[3] for sql in on_users for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert plans
    # Going through the indexes of those not offline and of those with a lease means to read
    # these rows, and to change them or to hand them over.
    assert [plan for plan in plans if not is_frugal(plan)] == []


def test_a_start_after_which_most_users_are_offline_keeps_every_index(db):
    migrate(db)
    indexes = names_of_indexes(db)
    online = [(f"user{n}", "online") for n in range(1500)]
    db.conn.executemany(
        "INSERT INTO users (id, status, username, own_name) VALUES (?, ?, 'U', 'U')", online
    )
    db.conn.commit()
    asked: list[str] = []
    db.conn.set_trace_callback(asked.append)
    begin_run(db, 1000.0)
    db.conn.set_trace_callback(None)
    assert "DROP INDEX users_not_offline" in asked
    assert names_of_indexes(db) == indexes
    assert table(db, "users").count_where("status != 'offline'") == 0
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_memberships_are_read_in_the_order_in_which_they_lie(db):
    migrate(db)
    asked: list[str] = []
    db.conn.set_trace_callback(asked.append)
    read_startup_state(db, 1000.0)
    db.conn.set_trace_callback(None)
    (sql,) = [each for each in asked if "FROM memberships" in each]
    (plan,) = db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    assert plan[3] == "SCAN memberships"


def names_of_indexes(db):
    return {index.name for index in table(db, "users").indexes}


def is_frugal(plan):
    return "COVERING INDEX" in plan or plan in (
        "SCAN users USING INDEX users_not_offline",
        "SCAN users USING INDEX users_leased",
    )
