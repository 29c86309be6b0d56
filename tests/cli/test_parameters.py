"""What the commands understand of times."""

import click
import pytest

from presence.cli.parameters import read_until


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("45", 45.0),
        ("45s", 45.0),
        ("30m", 1800.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        ("2026-11-21T18:00:00Z", "2026-11-21T18:00:00+00:00"),
        ("2026-11-21T18:00:00+02:00", "2026-11-21T18:00:00+02:00"),
    ],
)
def test_until_is_a_duration_or_a_moment(text, until):
    assert read_until(text) == until


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5h", "\uff11m", "30 m", "5w", "25:00", "yesterday", "2026-11-21"]
)
def test_until_is_nothing_else(text):
    with pytest.raises(click.BadParameter):
        read_until(text)
