"""What people are told."""

import time
from datetime import UTC, datetime

import pytest

from presence.cli.answers import describe_lease, describe_self
from presence.client.model import read_self

NOW = datetime(2026, 11, 21, 13, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_zurich(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Zurich")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param({}, "You are shown as dnd.", id="as chosen"),
        pytest.param(
            {"until": "2026-11-21T16:00:00Z"}, "You are shown as dnd until 17:00.", id="until"
        ),
        pytest.param(
            {"until": "2026-11-21T23:30:00Z"},
            "You are shown as dnd until 2026-11-22 00:30.",
            id="until another day",
        ),
        pytest.param(
            {"until": "2027-07-01T10:00:00Z", "custom_status": "On leave"},
            'You are shown as dnd until 2027-07-01 12:00, with the text "On leave".',
            id="with a text, in summer",
        ),
        pytest.param(
            {"status": "offline", "intent": "offline", "custom_status": "Lunch"},
            "You are shown as offline.",
            id="nobody sees the text of one who is offline",
        ),
        pytest.param(
            {"status": "offline", "appear_offline": True, "until": "2026-11-21T16:00:00Z"},
            "You are shown as offline. You chose dnd until 17:00; `presence get --explain` says"
            " why others see something else.",
            id="not as chosen",
        ),
    ],
)
def test_one_is_told_how_one_is_shown(self_view, fields, sentence):
    local = NOW.astimezone()
    assert describe_self(read_self(self_view | fields), local) == sentence


def test_one_is_told_until_when_that_holds(self_view):
    local = NOW.astimezone()
    leased = read_self(self_view | {"lease_until": "2026-11-21T13:05:00.123Z"})
    assert describe_lease(leased, local) == (
        "While no client of alice is connected, this holds until 14:05"
        " (--keep extends it, up to 4h)."
    )
    assert describe_lease(read_self(self_view), local) is None
