"""The output of a worker is read to its end, and a failure is reported."""

import pytest

from bench.machine import choose_cores
from bench.scenario import Stage
from bench.worker import WorkerFailed, work
from bench.workers.connections import CountingConnection, Tally
from bench.workers.sweep import Crowd
from presence.core.types import UserId


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path, choose_cores(), 1, 0.05)


def test_every_line_of_a_worker_is_read(stage):
    told = list(work(stage, "sweep", n=10, repeats=1))
    assert told
    assert not any(any(each["checks"].values()) for each in told if "checks" in each)


def test_a_failed_worker_is_reported_with_its_last_output(stage):
    with pytest.raises(WorkerFailed, match="KeyError"):
        list(work(stage, "sweep"))


def test_a_worker_does_not_outlive_its_reader(stage):
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
