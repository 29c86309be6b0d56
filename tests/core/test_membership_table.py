"""The table of memberships: what was loaded is what was put, and little is held of it."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.memberships import Memberships
from presence.core.memberships.table import (
    BY_ADMIN,
    BY_CLAIM,
    BY_SHOWN_CLAIM,
    MembershipRow,
    MembershipTable,
)

CHESS, GO = "chess", "go"


def fresh(text):
    """An equal string that is another object, as a database gives one with each row."""
    return "".join(list(text))


def loaded(*rows):
    """The table of *rows*, grouped; the groups come as their first rows do."""
    groups = {}
    for user_id, server_id, reasons in rows:
        groups.setdefault((server_id, reasons), []).append(fresh(user_id))
    return MembershipTable.loaded(
        (fresh(server_id), reasons, users) for (server_id, reasons), users in groups.items()
    )


@pytest.mark.parametrize("reasons", range(1, 8))
def test_a_row_and_its_number_say_the_same(reasons):
    row = MembershipRow.of("ada", CHESS, reasons)
    assert row.reasons == reasons
    assert (row.by_admin, row.by_claim, row.by_shown_claim) == tuple(
        bool(reasons & reason) for reason in (BY_ADMIN, BY_CLAIM, BY_SHOWN_CLAIM)
    )
    assert not row.is_empty


ALL_SERVERS = (CHESS, GO, "tennis")
USERS = st.sampled_from(["ada", "bob", "carl", "dora", "emil"])
SERVERS = st.sampled_from(ALL_SERVERS)
ROWS = st.dictionaries(st.tuples(USERS, SERVERS), st.integers(1, 7))


@given(ROWS, st.lists(st.tuples(USERS, SERVERS, st.integers(0, 7))))
def test_a_loaded_table_is_the_one_that_the_same_rows_were_put_into(rows, changes):
    at_once = loaded(*((*pair, reasons) for pair, reasons in rows.items()))
    one_by_one = MembershipTable(MembershipRow.of(*pair, reasons) for pair, reasons in rows.items())
    for user_id, server_id, reasons in changes:
        for each in (at_once, one_by_one):
            each.put(user_id, {server_id: reasons})
        rows[user_id, server_id] = reasons
    wanted = {MembershipRow.of(*pair, reasons) for pair, reasons in rows.items() if reasons}
    for each in (at_once, one_by_one):
        assert each == MembershipTable(wanted)
        assert Counter(each) == Counter(wanted)
        for server_id in ALL_SERVERS:
            rows_of_server = [row for row in wanted if row.server_id == server_id]
            assert each.members_of(server_id) == {row.user_id for row in rows_of_server}
            assert each.shown.get(server_id, set()) == {
                row.user_id for row in rows_of_server if row.by_admin or row.by_shown_claim
            }


def test_tables_with_other_reasons_differ():
    assert loaded(("ada", CHESS, BY_ADMIN)) != loaded(("ada", CHESS, BY_CLAIM))
    assert loaded() != []


def test_users_of_the_same_servers_for_the_same_reasons_share_what_says_so():
    pairs = itertools.product(("ada", "bob"), (CHESS, GO))
    table = loaded(*((*pair, BY_ADMIN) for pair in pairs), ("carl", CHESS, BY_ADMIN))
    assert table.entries["ada"] is table.entries["bob"]
    assert table.entries["carl"][0] in table.entries["ada"]


def test_users_of_one_server_share_even_where_others_have_more():
    table = loaded(("ada", CHESS, BY_ADMIN), ("ada", GO, BY_ADMIN), ("bob", GO, BY_ADMIN),
                   ("carl", GO, BY_ADMIN))  # fmt: skip
    assert table.entries["bob"] is table.entries["carl"]


@given(ROWS)
def test_one_string_per_user_serves_every_server(rows):
    table = loaded(*((*pair, reasons) for pair, reasons in rows.items()))
    members = itertools.chain.from_iterable(map(table.members_of, ALL_SERVERS))
    assert len({id(each) for each in (*table.entries, *members)}) == len(table.entries)


def test_a_server_of_very_many_is_loaded_whole():
    users = [f"user{n}" for n in range(20_000)]
    table = loaded(("user7", CHESS, BY_CLAIM), *((user_id, GO, BY_ADMIN) for user_id in users))
    assert table.shown == {GO: set(users)}
    assert table.reasons_of("user7") == {CHESS: BY_CLAIM, GO: BY_ADMIN}
    assert table.entries["user8"] is table.entries["user9"]


def test_users_without_servers_and_servers_without_members_are_not_held():
    table = loaded(("ada", CHESS, BY_ADMIN), ("bob", GO, BY_CLAIM))
    for user_id, server_id in (("ada", CHESS), ("bob", GO)):
        table.put(user_id, {server_id: 0})
    assert vars(table) == vars(MembershipTable())


def test_a_table_is_taken_over_and_not_copied():
    table = loaded(("ada", CHESS, BY_ADMIN))
    Memberships({}, table, has_everyone=False).admit("ada", GO)
    assert table.reasons_of("ada") == {CHESS: BY_ADMIN, GO: BY_ADMIN}
