"""What the commands understand of times."""

from datetime import UTC, datetime, timedelta, timezone

import click
import pytest

from presence.cli.parameters import read_until


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("45", timedelta(seconds=45)),
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(seconds=1800)),
        ("2h", timedelta(seconds=7200)),
        ("1h30m", timedelta(seconds=5400)),
        ("1d", timedelta(seconds=86400)),
        ("2026-11-21T18:00:00Z", datetime(2026, 11, 21, 18, tzinfo=UTC)),
        (
            "2026-11-21T18:00:00+02:00",
            datetime(2026, 11, 21, 18, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_until_is_a_span_or_a_moment(text, until):
    assert read_until(text) == until


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5h", "\uff11m", "30 m", "5w", "25:00", "yesterday", "2026-11-21"]
)
def test_until_is_nothing_else(text):
    with pytest.raises(click.BadParameter):
        read_until(text)
