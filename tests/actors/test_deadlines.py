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


def test_keys_need_not_be_comparable():
    deadlines = Deadlines()
    deadlines.set(("a", 1), 1)
    deadlines.set("b", 1)
    assert deadlines.pop_due(1, limit=10) == [("a", 1), "b"]


def entries(deadlines):
    """How many entries it keeps, stale ones too; private, for no caller needs to know."""
    return len(deadlines._heap) + len(deadlines._old_heap)


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
        assert entries(deadlines) <= 2 * len(model) + 8


def test_a_deadline_set_later_again_and_again_takes_no_room():
    deadlines = Deadlines()
    deadlines.set("other", 1)
    for at in range(10, 10_000):
        deadlines.set("a", at)
        assert entries(deadlines) == 2
    assert deadlines.pop_due(9_998, limit=10) == ["other"]
    assert deadlines.pop_due(9_999, limit=10) == ["a"]


class Counted:
    """A key that counts how often it is looked up."""

    looked_up = 0

    def __hash__(self):
        Counted.looked_up += 1
        return id(self) // 64


def test_no_call_takes_long_where_most_of_many_deadlines_are_cancelled():
    deadlines, keys = Deadlines(), [Counted() for _ in range(20_000)]
    for at, key in enumerate(keys):
        deadlines.set(key, at)
    for key in keys[:19_000]:
        Counted.looked_up = 0
        deadlines.cancel(key)
        deadlines.next_at()
        assert Counted.looked_up < 400
    assert entries(deadlines) <= 2_000
    assert deadlines.pop_due(20_000, limit=20_000) == keys[19_000:]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 50)), max_size=300), st.data())
def test_deadlines_left_after_many_cancellations_come_in_order(sets, data):
    deadlines, model = Deadlines(), {}
    for count, (key, at) in enumerate(sets):
        deadlines.set(key, at)
        model[key] = (at, count)
    for key in data.draw(st.lists(st.integers(0, 60), max_size=60)):
        deadlines.cancel(key)
        model.pop(key, None)
        assert entries(deadlines) <= 2 * len(model) + 100
    assert deadlines.pop_due(50, limit=100) == sorted(model, key=model.get)


def test_a_deadline_set_anew_to_the_same_time_comes_after_those_set_before():
    deadlines = Deadlines()
    for key in ("a", "b", "a"):
        deadlines.set(key, 5)
    assert deadlines.pop_due(5, limit=10) == ["b", "a"]


def test_passing_over_what_was_set_later_is_bounded_at_each_step():
    deadlines = Deadlines()
    for at in (1, 9):
        for key in range(1_000):
            deadlines.set(key, at)
    deadlines.set("due", 2)
    steps = 0
    while not deadlines.prune_stale(2, limit=100):
        steps += 1
    assert steps == 10
    assert deadlines.pop_due(2, limit=10) == ["due"]


def test_next_at_is_never_too_late():
    deadlines = Deadlines()
    for at in (1, 9):
        for key in range(1_000):
            deadlines.set(key, at)
    assert deadlines.next_at() == 1  # there are too many to look through
    while not deadlines.prune_stale(1, limit=100):
        pass
    assert deadlines.next_at() == 9


@given(STEPS, st.integers(1, 3))
def test_settling_changes_nothing_but_the_work_left(steps, limit):
    deadlines, settled = Deadlines(), Deadlines()
    for step, number, at in steps:
        for table in (deadlines, settled):
            if step == "set":
                table.set(number, at)
            elif step == "cancel":
                table.cancel(number)
        settled.prune_stale(at, limit)
        if step == "pop":
            assert deadlines.pop_due(at, number) == settled.pop_due(at, number)
        assert deadlines.next_at() == settled.next_at()
