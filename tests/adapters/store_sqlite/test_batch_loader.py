"""Many readers of single rows share a few reads."""

import attrs
import pytest
import trio
import trio.testing

from presence.adapters.store_sqlite.batch_loader import BatchLoader


class Away(Exception):
    """The store cannot be read."""


class Nonsense(Exception):
    """One row makes no sense."""


@attrs.define
class Table:
    rows: dict = attrs.field(factory=lambda: {"a": 1, "b": 2, "c": 3})
    reads: list = attrs.field(factory=list)
    is_away: bool = False

    async def read_all(self, keys):
        self.reads.append(keys)
        await trio.sleep(1)
        if self.is_away:
            raise Away
        return {key: self.rows[key] for key in keys if key in self.rows}


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def reads(table):
    return BatchLoader(table.read_all, Away)


async def ask_all(reads, keys):
    """The answers for *keys*, asked one right after the other."""
    answers = {}

    async def ask(key):
        try:
            answers[key] = await reads.read(key)
        except (Away, Nonsense) as error:
            answers[key] = type(error)

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(ask, key)
            await trio.testing.wait_all_tasks_blocked()
    return answers


async def test_questions_during_a_read_share_the_next_read(reads, table, autojump_clock):
    assert await ask_all(reads, "abcx") == {"a": 1, "b": 2, "c": 3, "x": None}
    assert table.reads == [["a"], ["b", "c", "x"]]


async def test_a_read_begins_after_its_question(reads, table, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reads.read, "a")
        await trio.sleep(0.5)
        table.rows["a"] = 9
        assert await reads.read("a") == 9


async def test_a_row_without_sense_is_an_error_of_its_own_reader_only(reads, table, autojump_clock):
    table.rows["b"] = Nonsense()
    assert await ask_all(reads, "abc") == {"a": 1, "b": Nonsense, "c": 3}


async def test_an_error_of_the_store_reaches_every_reader_of_the_batch(
    reads, table, autojump_clock
):
    table.is_away = True
    assert await ask_all(reads, "abc") == {"a": Away, "b": Away, "c": Away}
    assert len(table.reads) == 2
    table.is_away = False
    assert await reads.read("a") == 1


async def test_a_reader_that_is_cancelled_takes_no_other_along(reads, nursery, autojump_clock):
    answers = []

    async def ask(key, patience):
        with trio.move_on_after(patience):
            answers.append(await reads.read(key))

    for key, patience in (("a", 5), ("b", 1.5), ("c", 5)):
        nursery.start_soon(ask, key, patience)
        await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(10)
    assert answers == [1, 3]
