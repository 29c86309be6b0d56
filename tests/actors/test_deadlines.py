"""Deadlines: soonest first, one per key, bounded garbage."""

from hypothesis import given
from hypothesis import strategies as st

from actors import Deadlines


def test_deadlines_come_soonest_first_and_equal_ones_in_order_of_setting():
    deadlines = Deadlines()
    for key, at in [("late", 9), ("b", 5), ("a", 5), ("soon", 1)]:
        deadlines.set(key, at)
    assert deadlines.next_at() == 1
    assert deadlines.pop_due(8, limit=10) == ["soon", "b", "a"]
    assert deadlines.next_at() == 9


def test_a_deadline_is_due_at_its_very_time():
    deadlines = Deadlines()
    deadlines.set("a", 5)
    assert deadlines.pop_due(4.999, limit=10) == []
    assert deadlines.pop_due(5, limit=10) == ["a"]


def test_a_key_has_its_newest_deadline_only():
    deadlines = Deadlines()
    deadlines.set("a", 1)
    deadlines.set("a", 5)
    assert deadlines.pop_due(4, limit=10) == []
    deadlines.set("a", 2)
    assert deadlines.pop_due(100, limit=10) == ["a"]
    assert deadlines.next_at() is None


def test_no_more_than_the_limit_is_popped():
    deadlines = Deadlines()
    for n in range(5):
        deadlines.set(n, n)
    assert deadlines.pop_due(10, limit=2) == [0, 1]
    assert len(deadlines) == 3


def test_cancelling_tells_whether_there_was_one():
    deadlines = Deadlines()
    deadlines.set("a", 1)
    assert deadlines.cancel("a")
    assert not deadlines.cancel("a")
    assert deadlines.next_at() is None


def test_keys_need_not_be_comparable():
    deadlines = Deadlines()
    deadlines.set(("a", 1), 1)
    deadlines.set("b", 1)
    assert deadlines.pop_due(1, limit=10) == [("a", 1), "b"]


def test_renewing_a_deadline_for_ever_does_not_grow_the_heap():
    deadlines = Deadlines()
    for at in range(10_000):
        deadlines.set(at % 10, at)
    assert len(deadlines._heap) <= 20


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.integers(0, 50)),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("pop"), st.integers(0, 3), st.integers(0, 50)),
    )
)


@given(STEPS)
def test_any_history_agrees_with_a_plain_dict(steps):
    deadlines, model = Deadlines(), {}
    for step, number, at in steps:
        if step == "set":
            deadlines.set(number, at)
            model[number] = at
        elif step == "cancel":
            assert deadlines.cancel(number) == (model.pop(number, None) is not None)
        else:
            popped = deadlines.pop_due(at, limit=number)
            due = sorted(due_at for due_at in model.values() if due_at <= at)
            assert [model.pop(key) for key in popped] == due[:number]
        assert deadlines.next_at() == min(model.values(), default=None)
        assert len(deadlines) == len(model)
        assert len(deadlines._heap) <= 2 * len(model)
