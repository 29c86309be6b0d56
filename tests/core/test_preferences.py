"""Preferences set by hand: intents and texts that end, and the part that outlives the devices."""

import attrs
import pytest

from presence.core.types import Deadline, Moment, Status, Text
from presence.core.user.patch import EMPTY_PATCH, PresencePatch
from presence.core.user.preferences import Preferences
from presence.core.user.texts import Texts

NOW = Moment(mono=100.0, wall=1_000.0)
ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE


def status_of(preferences: Preferences) -> tuple[Status, float | None, Status]:
    return (
        preferences.intent,
        preferences.until and preferences.until.mono,
        preferences.former_intent,
    )


def after(*changes: PresencePatch, preferences: Preferences | None = None) -> Preferences:
    preferences = Preferences() if preferences is None else preferences
    for change in changes:
        preferences = preferences.after(change, NOW)
    return preferences


def test_a_change_of_nothing_alters_nothing():
    preferences = Preferences(
        DND, Deadline(1010.0, 110.0), AWAY, True, False, Texts(Text("at lunch"))
    )
    assert preferences.after(EMPTY_PATCH, NOW) == preferences


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param([PresencePatch(DND)], (DND, None, ONLINE), id="by hand"),
        pytest.param([PresencePatch(DND, until=1010.0)], (DND, 110.0, ONLINE), id="for a while"),
        pytest.param(
            [PresencePatch(AWAY), PresencePatch(DND, until=1010.0)],
            (DND, 110.0, AWAY),
            id="over a choice",
        ),
        pytest.param(
            [
                PresencePatch(AWAY),
                PresencePatch(DND, until=1010.0),
                PresencePatch(OFF, until=1020.0),
            ],
            (OFF, 120.0, AWAY),
            id="a second end keeps the first former intent",
        ),
        pytest.param(
            [PresencePatch(DND, until=1010.0), PresencePatch(AWAY)],
            (AWAY, None, ONLINE),
            id="a choice without an end ends a running one",
        ),
        pytest.param(
            [PresencePatch(DND, until=1010.0), PresencePatch(activity=Text("chess"))],
            (DND, 110.0, ONLINE),
            id="another field leaves it",
        ),
    ],
)
def test_a_status_holds_until_its_end_and_then_the_former_one(changes, status):
    assert status_of(after(*changes)) == status


@pytest.mark.parametrize(
    ("now", "status"),
    [(109.9, (DND, 110.0, AWAY)), (110.0, (AWAY, None, ONLINE)), (500.0, (AWAY, None, ONLINE))],
)
def test_the_former_intent_comes_back_at_the_end(now, status):
    preferences = after(PresencePatch(AWAY), PresencePatch(DND, until=1010.0))
    assert status_of(preferences.after_time(now)) == status


@pytest.mark.parametrize(
    ("changes", "text", "ends_at"),
    [
        pytest.param([PresencePatch(custom_status=Text("a"))], "a", None, id="no end"),
        pytest.param(
            [PresencePatch(custom_status=Text("a"), custom_status_until=1010.0)],
            "a",
            110.0,
            id="an end",
        ),
        pytest.param(
            [
                PresencePatch(custom_status=Text("a"), custom_status_until=1010.0),
                PresencePatch(custom_status=Text("b")),
            ],
            "b",
            None,
            id="a new text without an end has none",
        ),
        pytest.param(
            [PresencePatch(custom_status=Text("a")), PresencePatch(custom_status_until=1010.0)],
            "a",
            110.0,
            id="an end alone moves that of the present text",
        ),
        pytest.param(
            [
                PresencePatch(custom_status=Text("a"), custom_status_until=1010.0),
                PresencePatch(custom_status_until=None),
            ],
            "a",
            None,
            id="an end is taken back",
        ),
        pytest.param([PresencePatch(custom_status_until=1010.0)], None, None, id="no text, no end"),
        pytest.param(
            [
                PresencePatch(custom_status=Text("a"), custom_status_until=1010.0),
                PresencePatch(custom_status=None),
            ],
            None,
            None,
            id="a cleared text has no end",
        ),
        pytest.param(
            [
                PresencePatch(custom_status=Text("a"), custom_status_until=1010.0),
                PresencePatch(DND),
            ],
            "a",
            110.0,
            id="a status leaves the text",
        ),
    ],
)
def test_a_text_holds_until_its_end(changes, text, ends_at):
    preferences = after(*changes)
    end = preferences.texts.custom_status_until
    assert (preferences.texts.custom_status, end and end.mono) == (text, ends_at)


@pytest.mark.parametrize(("now", "text"), [(109.9, "a"), (110.0, None)])
def test_a_text_is_cleared_at_its_end(now, text):
    preferences = after(PresencePatch(custom_status=Text("a"), custom_status_until=1010.0))
    assert preferences.after_time(now).texts.custom_status == text


@pytest.mark.parametrize(
    ("change", "preferences"),
    [
        pytest.param(PresencePatch(DND, until=999.0), Preferences(), id="a status"),
        pytest.param(
            PresencePatch(custom_status=Text("a"), custom_status_until=1000.0),
            Preferences(),
            id="a text",
        ),
    ],
)
def test_an_end_that_passed_while_waiting_applies_at_once(change, preferences):
    assert after(change) == preferences


def test_a_flag_is_its_own_and_no_status_takes_it_back():
    hidden = after(PresencePatch(appear_offline=True), PresencePatch(ONLINE))
    assert hidden.is_hiding
    assert not after(PresencePatch(appear_offline=False), preferences=hidden).is_hiding


def test_a_lost_intent_hides_until_a_status_is_set():
    sealed = Preferences(forced_hidden=True)
    assert after(PresencePatch(custom_status=Text("a")), preferences=sealed).is_hiding
    assert after(PresencePatch(appear_offline=False), preferences=sealed).is_hiding
    assert not after(PresencePatch(ONLINE), preferences=sealed).is_hiding


def test_without_devices_text_and_flag_are_left():
    full = Preferences(
        intent=DND,
        until=Deadline(1010.0, 110.0),
        former_intent=AWAY,
        appear_offline=True,
        forced_hidden=True,
        texts=Texts(Text("a"), Deadline(1020.0, 120.0), Text("chess")),
    )
    kept = Texts(Text("a"), Deadline(1020.0, 120.0))
    assert full.without_devices() == attrs.evolve(
        full, intent=ONLINE, until=None, former_intent=ONLINE, texts=kept
    )


def test_choices_name_every_moment_at_which_they_end():
    preferences = after(
        PresencePatch(DND, 1010.0, custom_status=Text("a"), custom_status_until=1020.0)
    )
    assert list(preferences.deadlines()) == [110.0, 120.0]
