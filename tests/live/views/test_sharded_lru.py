"""A cache that keeps the recently used of many entries."""

import pytest

from presence.live.views.sharded_lru import LEAST_PER_PART, PARTS, ShardedLru


def table_of(capacity, *keys):
    table = ShardedLru(capacity)
    for key in keys:
        table[key] = key.upper()
    return table


def kept(table, keys):
    return [key for key in keys if key in table]


def test_the_oldest_entry_is_evicted_first():
    assert kept(table_of(2, "a", "b", "c"), "abc") == ["b", "c"]


def test_a_used_entry_stays_longer():
    table = table_of(2, "a", "b")
    assert table.use("a") == "A"
    table["c"] = "C"
    assert kept(table, "abc") == ["a", "c"]


def test_a_replaced_entry_stays_longer():
    table = table_of(2, "a", "b", "a", "c")
    assert kept(table, "abc") == ["a", "c"]


def test_to_peek_is_no_use():
    table = table_of(2, "a", "b")
    assert table.peek("a") == "A"
    table["c"] = "C"
    assert kept(table, "abc") == ["b", "c"]


def test_a_missing_key_is_none():
    table = table_of(2, "a")
    table.forget("a")
    table.forget("a")
    assert (table.use("a"), table.peek("a"), len(table)) == (None, None, 0)


@pytest.mark.parametrize("capacity", [1, LEAST_PER_PART, 1_000, PARTS * LEAST_PER_PART * 2])
def test_the_cache_holds_about_its_capacity(capacity):
    table = ShardedLru(capacity)
    for number in range(3 * capacity):
        table[number] = str(number)
    assert 0.9 * capacity <= len(table) <= capacity + PARTS
    assert 3 * capacity - 1 in table
    assert 0 not in table
