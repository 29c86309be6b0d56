"""Times of the Together dialect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.dialects.together.times import LONGEST_AHEAD, format_time, parse_end
from presence.errors import InvalidInput

NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z


@pytest.mark.parametrize(
    ("raw", "ends_at"),
    [
        (None, None),
        (1, NOW + 1),
        (0.25, NOW + 0.25),
        (int(LONGEST_AHEAD), NOW + LONGEST_AHEAD),
        ("2025-06-15T15:06:41Z", NOW + 1),
        ("2025-06-15t15:06:41z", NOW + 1),
        ("2025-06-15T15:06:40.5Z", NOW + 0.5),
        ("2025-06-15T15:06:40.500000001Z", NOW + 0.5),
        ("2025-06-15T15:06:41+00:00", NOW + 1),
        ("2025-06-15T15:06:41-00:00", NOW + 1),
        ("2025-06-15T20:36:41+05:30", NOW + 1),
        ("2026-06-15T15:06:40Z", NOW + LONGEST_AHEAD),
    ],
)
def test_an_end_is_seconds_from_now_or_a_time(raw, ends_at):
    assert parse_end(raw, NOW, "until") == ends_at


NO_TIME = "until is not an RFC 3339 time"
NOT_AHEAD = "until must lie in the future, at most 365 days ahead"
NO_END = "until must be a number of seconds, an RFC 3339 time or null"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (0, NOT_AHEAD),
        (-5, NOT_AHEAD),
        (LONGEST_AHEAD + 1, NOT_AHEAD),
        (1e308, NOT_AHEAD),
        (float("nan"), NOT_AHEAD),
        (float("inf"), NOT_AHEAD),
        ("2025-06-15T15:06:40Z", NOT_AHEAD),
        ("0001-01-01T00:00:00+23:59", NOT_AHEAD),
        ("9999-12-31T23:59:59-23:59", NOT_AHEAD),
        (True, NO_END),
        ([1], NO_END),
        ({}, NO_END),
        ("", NO_TIME),
        ("60", NO_TIME),
        ("2025-06-15", NO_TIME),
        ("2025-06-15T16:00:00", NO_TIME),
        ("2025-06-15 16:00:00Z", NO_TIME),
        ("20250615T160000Z", NO_TIME),
        ("2025-06-15T16:00Z", NO_TIME),
        ("2025-06-15T16:00:00Z\n", NO_TIME),
        ("2025-06-15T16:00:60Z", NO_TIME),
        ("2025-06-15T25:00:00Z", NO_TIME),
        ("2025-02-30T00:00:00Z", NO_TIME),
        ("2025-06-15T16:00:00+24:00", NO_TIME),
        ("0000-01-01T00:00:00Z", NO_TIME),
        ("\u0662025-06-15T16:00:00Z", NO_TIME),
        ("2025-06-15T16:00:00." + "1" * 5000 + "Z", NO_TIME),
    ],
)
def test_an_invalid_end_is_refused(raw, problem):
    with pytest.raises(InvalidInput) as refusal:
        parse_end(raw, NOW, "until")
    assert str(refusal.value) == problem


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (NOW, "2025-06-15T15:06:40.000Z"),
        (NOW + 0.123, "2025-06-15T15:06:40.123Z"),
        (NOW + 0.9996, "2025-06-15T15:06:41.000Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(at, text):
    assert format_time(at) == text


@given(st.integers(0, 4_000_000_000_000))
def test_a_written_time_reads_as_the_same_millisecond(milliseconds):
    at = milliseconds / 1000
    assert parse_end(format_time(at), at - 1, "until") == at
