"""The sliding window: so many in so many seconds, and no more."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.core.sliding_window import SlidingWindow


def window_of(*times: float, limit: int = 3, span: float = 20.0) -> SlidingWindow:
    window = SlidingWindow(limit, span)
    for time in times:
        window.count(time)
    return window


def test_a_window_that_counted_nothing_is_open():
    window = window_of()
    assert (window.opens_at(), window.is_full(0.0), window.empties_at()) == (-math.inf, False, None)


@pytest.mark.parametrize(
    ("times", "opens_at"),
    [
        pytest.param([1.0, 2.0], -math.inf, id="one more fits"),
        pytest.param([1.0, 2.0, 4.0], 21.0, id="when the oldest is a span old"),
        pytest.param([1.0, 2.0, 4.0, 5.0], 22.0, id="one was forced, so two have to leave"),
        pytest.param([1.0, 2.0, 4.0, 21.0], 22.0, id="the oldest has left"),
        pytest.param([1.0, 2.0, 4.0, 90.0], -math.inf, id="all but one have left"),
    ],
)
def test_a_full_window_opens_when_fewer_than_the_limit_are_left(times, opens_at):
    assert window_of(*times).opens_at() == opens_at


def test_a_window_is_full_until_the_very_moment_at_which_it_opens():
    window = window_of(1.0, 2.0, 4.0)
    assert [window.is_full(now) for now in (4.0, 20.9, 21.0)] == [True, True, False]


def test_a_full_window_takes_nothing_and_notes_nothing():
    window = window_of(1.0, 2.0)
    assert [window.take(now) for now in (4.0, 4.0, 20.9, 21.0)] == [True, False, False, True]
    assert window.opens_at() == 22.0


def test_a_limit_of_0_is_none():
    window = window_of(*[1.0] * 1000, limit=0)
    assert (window.is_full(1.0), window.opens_at()) == (False, -math.inf)
    assert window.empties_at() is None  # nor is any memory of it kept


def test_a_window_is_empty_a_span_after_the_last():
    assert window_of(1.0, 2.0).empties_at() == 22.0


def test_a_cleared_window_remembers_nothing():
    window = window_of(1.0, 2.0, 3.0)
    window.clear()
    assert (window.is_full(3.0), window.empties_at()) == (False, None)


@settings(settings.get_profile("core"))
@given(st.lists(st.integers(0, 8), max_size=60))
def test_no_stretch_of_the_span_holds_more_than_the_limit(pauses):
    window, now, taken = SlidingWindow(3, 20.0), 0.0, []
    for pause in pauses:
        now += pause
        if not window.is_full(now):
            window.count(now)
            taken.append(now)
        else:
            recent = [time for time in taken if time > now - 20.0]
            assert len(recent) == 3, "refused though it would have fitted"
    for time in taken:
        assert len([other for other in taken if time <= other < time + 20.0]) <= 3


@settings(settings.get_profile("core"))
@given(st.lists(st.integers(0, 8), max_size=60))
def test_a_window_holds_on_to_nothing_older_than_its_span(pauses):
    window, now = SlidingWindow(3, 20.0), 0.0
    for pause in pauses:
        now += pause
        window.count(now)
        # Private, here and below: what a window keeps changes none of its answers.
        assert all(now - 20.0 < time <= now for time in window._times)


def test_forced_entries_are_kept_up_to_the_limit():
    window = window_of(*[1.0] * 1000)
    assert len(window._times) == 3
    assert window.opens_at() == 21.0
