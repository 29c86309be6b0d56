"""What one changes of oneself, as the server reads it."""

from datetime import datetime, timedelta, timezone

import pytest

from presence.client.self_change import SelfChange
from presence.core.types import Status

ZURICH = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("change", "body"),
    [
        pytest.param(SelfChange(), {}, id="nothing"),
        pytest.param(SelfChange(status=Status.DND), {"status": "dnd"}, id="a status"),
        pytest.param(
            SelfChange(custom_status=None, until=None),
            {"custom_status": None, "until": None},
            id="None clears",
        ),
        pytest.param(
            SelfChange(until=timedelta(minutes=30), lease=timedelta(hours=4)),
            {"until": 1800.0, "lease": 14_400.0},
            id="a time is counted by the server",
        ),
        pytest.param(
            SelfChange(custom_status_until=datetime(2026, 11, 21, 18, tzinfo=ZURICH)),
            {"custom_status_until": "2026-11-21T17:00:00+00:00"},
            id="a moment is one everywhere",
        ),
        pytest.param(
            SelfChange(activity="chess", appear_offline=False),
            {"activity": "chess", "appear_offline": False},
            id="False is said",
        ),
    ],
)
def test_only_what_was_named_is_sent(change, body):
    assert change.body() == body
