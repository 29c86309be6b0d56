"""Spans and moments as people write them."""

from datetime import datetime, timedelta, timezone

import pytest

from presence.durations import parse_moment, parse_span

ZONE = timezone(timedelta(hours=2))
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("45", 45.0), ("30m", 1800.0), ("1h30m", 5400.0), ("1d2h3m4s", 93784.0)],
)
def test_a_span_is_a_sum_of_its_parts(text, seconds):
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "1.5h", "-1", "1h 30m", "5w", "17:00", "\uff11m"])
def test_no_other_text_is_a_span(text):
    assert parse_span(text) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("17:00", "2026-11-21T17:00:00+02:00"),
        ("9:05", "2026-11-22T09:05:00+02:00"),
        ("12:00", "2026-11-22T12:00:00+02:00"),
        ("tomorrow", "2026-11-22T00:00:00+02:00"),
        ("2026-11-21T18:00:00Z", "2026-11-21T18:00:00+00:00"),
    ],
)
def test_a_moment_is_the_next_of_its_kind(text, moment):
    assert parse_moment(text, NOON).isoformat() == moment


@pytest.mark.parametrize(
    "text", ["", "25:00", "12:60", "noon", "2026-11-21", "2026-11-21T18:00:00"]
)
def test_no_other_text_is_a_moment(text):
    assert parse_moment(text, NOON) is None
