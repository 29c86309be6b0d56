"""Restart budgets, as a table and a law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import RestartBudget, RestartHistory
from actors.restart import RestartHistories

TIMES = st.lists(st.integers(0, 200), max_size=30).map(sorted)


@pytest.mark.parametrize(
    ("budget", "crashes", "delays"),
    [
        pytest.param(RestartBudget(2, within=60), [0, 1, 2], [0, 0, None], id="at once, then over"),
        pytest.param(RestartBudget(0, within=60), [0], [None], id="none allowed"),
        pytest.param(
            RestartBudget(4, within=60, backoff=1),
            [0, 1, 3, 7, 15],
            [1, 2, 4, 8, None],
            id="doubles",
        ),
        pytest.param(
            RestartBudget(4, within=60, backoff=1, backoff_limit=3),
            [0, 1, 3, 6],
            [1, 2, 3, 3],
            id="up to the limit",
        ),
        pytest.param(
            RestartBudget(1, within=60, backoff=1), [0, 60, 119.9], [1, 1, None], id="window slides"
        ),
    ],
)
def test_delays_before_each_restart(budget, crashes, delays):
    history = RestartHistory(budget)
    assert [history.next_delay(at) for at in crashes] == delays


@given(TIMES)
def test_no_window_ever_holds_more_restarts_than_allowed(crashes):
    history = RestartHistory(RestartBudget(3, within=20))
    allowed = [at for at in crashes if history.next_delay(at) is not None]
    for at in allowed:
        assert sum(at - 20 < other <= at for other in allowed) <= 3


def test_a_huge_budget_does_not_overflow_its_back_off():
    history = RestartHistory(RestartBudget(5000, within=60, backoff=1, backoff_limit=7))
    assert [history.next_delay(0) for _ in range(5000)][-1] == 7


def test_a_history_is_calm_once_its_window_has_passed():
    history = RestartHistory(RestartBudget(3, within=60))
    assert history.is_calm(0)
    history.next_delay(0)
    assert not history.is_calm(59.9)
    assert history.is_calm(60)


@pytest.mark.parametrize("bad", [{"max_restarts": -1}, {"within": 0}, {"backoff": -1}])
def test_a_budget_that_makes_no_sense_is_refused(bad):
    with pytest.raises(ValueError, match="must be"):
        RestartBudget(**{"max_restarts": 1, "within": 1, **bad})


def test_each_key_has_a_budget_of_its_own_and_gets_it_back_when_forgotten():
    histories = RestartHistories(RestartBudget(1, within=60))
    delays = [histories.next_delay(key, 0) for key in ("a", "a", "b")]
    histories.forget("a")
    histories.forget("unknown")
    assert [*delays, histories.next_delay("a", 0)] == [0, None, 0, 0]


def test_histories_of_calm_keys_are_forgotten_in_time():
    histories = RestartHistories(RestartBudget(3, within=10))
    for at in range(1000):
        histories.next_delay(at, at)
    assert len(histories) < 100
