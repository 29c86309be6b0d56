"""The tables of the database, and how an older one becomes the present one."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from sqlite_utils.db import Database, Table

from presence.errors import DataUnusable

Migration = Callable[[Database], None]


def create_tables(db: Database) -> None:
    """Version 1. The public view and the truth of a user stand in columns of their own."""
    # Plain SQL: sqlite-utils writes neither CHECK, partial indexes nor WITHOUT ROWID.
    db.execute(_USERS)
    for index in _INDEXES:
        db.execute(index)
    table(db, "servers").create({"id": str, "name": str}, pk="id", not_null=["name"])
    db.execute(_MEMBERSHIPS.format(key="user_id, server_id"))
    table(db, "revocations").create(
        {"user_id": str, "revoked_at": float, "last_version": int},
        pk="user_id",
        not_null=["revoked_at", "last_version"],
    )
    _create_meta(db)


def keep_memberships_by_server(db: Database) -> None:
    """Version 2. A start reads the members of each server together."""
    columns = "user_id, server_id, by_admin, by_claim, by_shown_claim"
    db.execute("ALTER TABLE memberships RENAME TO memberships_by_user")
    db.execute(_MEMBERSHIPS.format(key="server_id, user_id"))
    # Sorted beforehand, so that the new table grows at its end and has full pages.
    db.execute(
        f"INSERT INTO memberships ({columns})"
        f" SELECT {columns} FROM memberships_by_user ORDER BY server_id, user_id"
    )
    db.execute("DROP TABLE memberships_by_user")


def keep_leases(db: Database) -> None:
    """Version 3. Leases hold until their end, over a restart too."""
    db.execute("ALTER TABLE users ADD COLUMN lease_ends TEXT NOT NULL DEFAULT '{}'")
    db.execute("CREATE INDEX users_leased ON users (id) WHERE lease_ends != '{}'")


def _create_meta(db: Database) -> None:
    row = {
        "id": 1,
        "schema_version": 0,
        "start_number": 0,
        "settled_start": 0,
        "ended_start": 0,
        "version_floor": 0,
        "committed_at": 0.0,
        "latest_version": 0,
        "moved_aside": 0,
    }
    columns: dict[str, type] = {name: type(value) for name, value in row.items()}
    meta = table(db, "meta")
    meta.create(columns, pk="id", not_null=[name for name in row if name != "id"])
    meta.insert(row)


_USERS = """
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,

    -- The public view: what others may see, frozen while the user is hidden.
    username TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'offline' CHECK (status IN ('online', 'away', 'dnd', 'offline')),
    custom_status TEXT,
    activity TEXT,
    custom_status_until REAL,
    version INTEGER NOT NULL DEFAULT 0,
    last_seen REAL,
    is_shown INTEGER NOT NULL DEFAULT 0,

    -- The truth: for the user's own devices and for nobody else.
    own_name TEXT NOT NULL,
    own_custom_status TEXT,
    own_custom_status_until REAL,
    own_activity TEXT,
    intent TEXT NOT NULL DEFAULT 'online',
    intent_until REAL,
    former_intent TEXT NOT NULL DEFAULT 'online',
    appear_offline INTEGER NOT NULL DEFAULT 0,
    is_sealed INTEGER NOT NULL DEFAULT 0,
    attached_in INTEGER,
    device_states TEXT NOT NULL DEFAULT '{}',
    awaited_states TEXT NOT NULL DEFAULT '{}',
    claims_at REAL NOT NULL DEFAULT 0,
    named_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID
"""

_MEMBERSHIPS = """
CREATE TABLE memberships (
    user_id TEXT NOT NULL,
    server_id TEXT NOT NULL,
    by_admin INTEGER NOT NULL,
    by_claim INTEGER NOT NULL,
    by_shown_claim INTEGER NOT NULL,
    PRIMARY KEY ({key})
) WITHOUT ROWID
"""

_NOT_OFFLINE = "CREATE INDEX users_not_offline ON users (id) WHERE status != 'offline'"
_INDEXES = (
    _NOT_OFFLINE,
    # With is_shown in it, so that counting and listing read the index alone.
    "CREATE INDEX users_shown ON users (is_shown, id) WHERE is_shown = 1",
    "CREATE INDEX users_text_ends ON users (custom_status_until)"
    " WHERE custom_status_until IS NOT NULL",
    "CREATE INDEX users_own_text_ends ON users (own_custom_status_until)"
    " WHERE own_custom_status_until IS NOT NULL",
)

MIGRATIONS: Sequence[Migration] = (create_tables, keep_memberships_by_server, keep_leases)
"""Each brings the database from the version that is its place here to the next one."""


@contextlib.contextmanager
def without_index_of_not_offline(db: Database) -> Iterator[None]:
    """Put the index away while most users change; inside a transaction, so that it comes back.

    Taking a row out of it costs more than all else that happens to the row.
    """
    db.execute("DROP INDEX users_not_offline")
    yield
    db.execute(_NOT_OFFLINE)


def migrate(db: Database, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring *db* to the newest schema, each step in a transaction of its own.

    Raises `DataUnusable` where a newer program wrote it.
    """
    version = read_schema_version(db)
    if version > len(migrations):
        raise DataUnusable(
            f"the database has schema version {version}, written by a newer presence server;"
            f" this one knows versions up to {len(migrations)}"
        )
    for number, migration in enumerate(migrations[version:], version + 1):
        with db.atomic():
            migration(db)
            table(db, "meta").update(1, {"schema_version": number})


def read_schema_version(db: Database) -> int:
    """The version of the schema, 0 for an empty database; others raise `DataUnusable`."""
    names = db.table_names()
    if not names:
        return 0
    if "meta" not in names:
        raise DataUnusable("the database was not made by a presence server")
    rows = list(table(db, "meta").rows_where("id = 1", select="schema_version"))
    if not rows or not isinstance(rows[0]["schema_version"], int):
        raise DataUnusable("the database does not say which schema version it has")
    return rows[0]["schema_version"]


def table(db: Database, name: str) -> Table:
    """The table *name* of *db*."""
    return db.table(name)


def upsert(
    db: Database, name: str, rows: Iterable[Mapping[str, object]], *, key: Sequence[str]
) -> None:
    """Insert *rows*, or bring those with their *key* up to date; all have the same columns.

    They are taken one by one: thousands made beforehand would have the garbage
    collector look at them all, and the event loop wait for that. The library's
    own upsert asks for the table's columns at every call and runs a statement
    of its own for each row: ten times the work.
    """
    rest = iter(rows)
    first = next(rest, None)
    if first is not None:
        statement = _upsert_statement(name, tuple(first), tuple(key))
        db.conn.executemany(statement, (tuple(row.values()) for row in chain((first,), rest)))


@functools.cache
def _upsert_statement(name: str, columns: Sequence[str], key: Sequence[str]) -> str:
    values = ", ".join("?" for _ in columns)
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    return (
        f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({values})"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )
