"""The sentences of an explanation."""

import json

import pytest

from presence.core.types import State, Status
from presence.core.user.explanation import Explanation, NextChange, Reason, ReasonKind
from presence.dialects.together.explanation import explanation_json, reason_object, sentence_for

NOW = 1_750_000_000.0
SOON = "2025-06-15T15:10:50.000Z"
FLAG, INTENT, DEVICE = ReasonKind.FLAG, ReasonKind.INTENT, ReasonKind.DEVICE
ONLINE, IDLE = State.ONLINE, State.IDLE


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (Reason(FLAG), "Appear offline is set, so others see the user offline."),
        (
            Reason(INTENT, status=Status.ONLINE),
            "No status was set by hand, so the devices decide.",
        ),
        (Reason(INTENT, status=Status.OFFLINE), "The user chose to be invisible."),
        (Reason(INTENT, status=Status.DND, until=NOW + 250), f"The user chose dnd until {SOON}."),
        (
            Reason(INTENT, status=Status.OFFLINE, is_lost=True),
            "The stored status could not be read, so the user is hidden until it sets one.",
        ),
        (
            Reason(DEVICE, "tab", state=IDLE, connections=1),
            "Device tab is connected and is idle.",
        ),
        (
            Reason(DEVICE, "tab", state=State.OFFLINE, connections=2),
            "Device tab has 2 connections and does not count.",
        ),
        (
            Reason(ReasonKind.SWEPT, "radio", state=ONLINE, last_ping=NOW + 250),
            f"Device radio sent no ping since {SOON}, so it does not count.",
        ),
        (
            Reason(ReasonKind.LEASE, "/rest", state=ONLINE, until=NOW + 250),
            f"A lease holds the commands over REST as online until {SOON}.",
        ),
        (
            Reason(ReasonKind.LEASE, "bot", state=ONLINE, until=NOW + 250),
            f"A lease holds device bot as online until {SOON}.",
        ),
        (
            Reason(ReasonKind.GRACE, "tab", state=IDLE, until=NOW + 250),
            f"Device tab lost its connection and still counts as idle until {SOON}.",
        ),
        (
            Reason(ReasonKind.POLL, "tab", state=IDLE, until=NOW + 250),
            f"Device tab polls and is held between two polls as idle until {SOON}.",
        ),
    ],
)
def test_each_reason_is_a_sentence(reason, sentence):
    assert sentence_for(reason) == sentence


def next_sentence(change, now=NOW):
    explanation = Explanation(Status.ONLINE, [], change)
    return json.loads(explanation_json(explanation, now))["next"]


@pytest.mark.parametrize(
    ("because", "ahead", "sentence"),
    [
        (
            Reason(ReasonKind.GRACE, "tab3"),
            250.0,
            "away in 4:10, when the grace of device tab3 ends, unless it returns",
        ),
        (
            Reason(ReasonKind.LEASE, "/rest"),
            3850.0,
            "away in 1:04:10, when the lease of the commands over REST ends, unless it is renewed",
        ),
        (Reason(INTENT), 1.0, "away in 0:01, when the time set for the status is over"),
        (
            Reason(DEVICE, "radio"),
            59.5,
            "away in 1:00, when a sweep finds device radio silent, unless it pings",
        ),
        (None, 0.0, "away in 0:00"),
    ],
)
def test_the_next_change_is_a_sentence(because, ahead, sentence):
    said = next_sentence(NextChange(Status.AWAY, NOW + ahead, because))
    assert said["because"] == sentence
    assert said["status"] == "away"


def test_no_next_change_is_null():
    assert next_sentence(None) is None


def test_a_reason_is_also_data():
    reason = Reason(DEVICE, "tab", state=IDLE, connections=1, until=NOW + 250, is_deciding=True)
    assert reason_object(reason) == {
        "kind": "device",
        "name": "tab",
        "says": "Device tab is connected and is idle.",
        "is_deciding": True,
        "status": None,
        "state": "idle",
        "connections": 1,
        "last_ping": None,
        "until": SOON,
    }
