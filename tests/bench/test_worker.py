"""A worker is heard to its end, and a bad end is told."""

import sqlite3

import pytest

from bench.machine import choose_cores
from bench.scenario import Stage
from bench.worker import WorkerFailed, work
from bench.workers.connections import CountingConnection, Tally
from bench.workers.store import Stored, make_record
from bench.workers.sweep import Crowd
from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.types import UserId
from presence.live.ports import Batch


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path, choose_cores(), 1, 0.05)


def test_everything_that_a_worker_tells_is_heard(stage):
    (told,) = work(stage, "actors", kind="keyed", n=10)
    assert set(told) == {"figures", "checks"}
    assert not any(told["checks"].values())


def test_a_worker_that_fails_is_told_with_its_last_words(stage):
    with pytest.raises(WorkerFailed, match="no such kind"):
        list(work(stage, "actors", kind="no such kind", n=10))


def test_a_worker_that_should_be_killed_must_be(stage):
    fill = {"do": "fill", "users": 3}
    assert list(work(stage, "store", **fill, is_killed=True, ends_killed=True)) == []
    with pytest.raises(WorkerFailed):
        list(work(stage, "store", **fill, is_killed=False, ends_killed=True))
    with pytest.raises(WorkerFailed):
        list(work(stage, "store", **fill, is_killed=True))


def test_a_worker_does_not_outlive_whoever_listens(stage):
    told = work(stage, "sweep", n=10, repeats=100)
    next(told)
    told.close()
    assert list(told) == []


def test_a_crowd_has_all_that_are_swept_and_a_few_of_each_kind_that_are_not():
    tally = Tally()
    crowd = Crowd.of(300, lambda number: CountingConnection(number, UserId(str(number)), tally))
    assert [len(crowd.silent), len(crowd.just_due)] == [297, 3]
    assert [len(crowd.not_due), len(crowd.never_pinged)] == [3, 3]
    assert len({each.user_id for each in crowd.everybody}) == 306
    assert set(crowd.pinging) == set(crowd.everybody) - set(crowd.never_pinged)


@pytest.fixture
async def stored(tmp_path):
    """A table of three users, each after its second change in the first run."""
    store = SqliteStore(tmp_path)
    await store.open(0.0)
    records = [make_record(number, 2, 1) for number in range(3)]
    await store.write(Batch(0.0, users={each.view.user_id: each for each in records}))
    await store.aclose()
    return tmp_path / "presence.db"


async def test_a_table_as_it_should_be_has_no_difference(stored):
    assert Stored(1, [2, 2, 2]).count_different(stored) == 0


@pytest.mark.parametrize("changes", [[2, 2, 3], [2, 2], [2, 0, 2]])
async def test_an_old_or_a_strange_row_is_a_difference(stored, changes):
    assert Stored(1, changes).count_different(stored) == 1


async def test_a_missing_row_is_a_difference(stored):
    assert Stored(1, [2, 2, 2, 0]).count_different(stored) == 1


async def test_a_row_that_another_program_changed_is_a_difference(stored):
    with sqlite3.connect(stored) as db:
        db.execute("UPDATE users SET custom_status = 'lunch' WHERE id = 'u00000001'")
    db.close()
    assert Stored(1, [2, 2, 2]).count_different(stored) == 1
