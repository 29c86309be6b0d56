"""The memberships that a start reads: valid rows whole, invalid ones not at all."""

from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils.db import Database

from presence.adapters.store_sqlite.schema import migrate
from presence.adapters.store_sqlite.startup import read_startup_state
from presence.core.memberships.table import MembershipRow, MembershipTable
from presence.core.types import ServerId, UserId

CHESS = ServerId("chess")

Key = tuple[str | bytes, str | bytes]
Columns = tuple[object, object, object]


def read(db):
    return read_startup_state(db, 1000.0).memberships


def read_back(rows):
    """The memberships read from *rows*: by user and server, the three columns with the reasons."""
    database = Database(memory=True)
    migrate(database)
    database.conn.executemany(
        "INSERT INTO memberships (user_id, server_id, by_admin, by_claim, by_shown_claim)"
        " VALUES (?, ?, ?, ?, ?)",
        [(*key, *columns) for key, columns in rows.items()],
    )
    memberships = read(database)
    database.close()
    return memberships


def granted(rows):
    """The memberships that *rows* grant: a reason is a 1, an id is a text of one line."""
    made = {
        MembershipRow(UserId(user_id), ServerId(server_id), *(each == 1 for each in columns))
        for (user_id, server_id), columns in rows.items()
        if isinstance(user_id, str) and isinstance(server_id, str)
        if "\n" not in user_id and "\n" not in server_id
    }
    return {row for row in made if not row.is_empty}


FLAGS = st.tuples(*[st.sampled_from([0, 1])] * 3)
NOT_QUITE_FLAGS = st.tuples(*[st.sampled_from([0, 1, 2, -1, 0.5, "yes", "", b"1"])] * 3)
USERS = st.sampled_from(["ada", "bob", "carl", "dora"]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=3
)
SERVERS = st.sampled_from([CHESS, "go", "tennis"])
POISON = st.sampled_from([b"ada", b"\xff", b"", "ada\nbob", "\n", "\nada", "ada\n"])


@given(st.dictionaries(st.tuples(USERS, SERVERS), FLAGS))
def test_every_membership_is_read_with_its_reasons(rows):
    assert read_back(rows) == MembershipTable(granted(rows))


@given(
    st.dictionaries(st.tuples(USERS, SERVERS), FLAGS | NOT_QUITE_FLAGS),
    st.dictionaries(
        st.tuples(POISON, SERVERS) | st.tuples(USERS, POISON), FLAGS | NOT_QUITE_FLAGS, min_size=1
    ),
)
def test_rows_that_make_no_sense_grant_nothing_and_take_nothing_from_others(rows, poisoned):
    assert read_back(rows | poisoned) == MembershipTable(granted(rows))


def test_thousands_of_servers_are_all_read():
    rows: dict[Key, Columns] = {(f"user{n % 7}", f"server{n}"): (1, 0, 0) for n in range(2500)}
    assert read_back(rows) == MembershipTable(granted(rows))


def test_an_id_of_two_lines_shifts_no_other_row():
    memberships = read_back(
        {
            ("ada", CHESS): (1, 0, 0),
            ("ada\nbob", CHESS): (0, 1, 1),
            (b"carl", CHESS): (1, 1, 1),
            ("dora", CHESS): (0, 0, 1),
            ("dora", "two\nlines"): (1, 0, 0),
            ("dora", b"go"): (1, 0, 0),
        }
    )
    assert set(memberships) == {
        MembershipRow(UserId("ada"), CHESS, by_admin=True),
        MembershipRow(UserId("dora"), CHESS, by_shown_claim=True),
    }


def test_a_server_where_nobody_has_a_reason_has_no_members():
    memberships = read_back({("ada", CHESS): (0, 0, 0), ("bob", CHESS): (0, "yes", 2)})
    assert vars(memberships) == vars(MembershipTable())
