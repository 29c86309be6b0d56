"""What the user chose by hand: intents that end, texts that end, what outlives the devices."""

import attrs
import pytest

from presence.core.changes import NO_CHANGE, Change
from presence.core.choices import Choices
from presence.core.types import Deadline, Moment, Status, Text

NOW = Moment(mono=100.0, wall=1_000.0)
ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE


def status_of(choices: Choices) -> tuple[Status, float | None, Status]:
    return choices.intent, choices.until and choices.until.mono, choices.former_intent


def after(*changes: Change, choices: Choices | None = None) -> Choices:
    chosen = Choices() if choices is None else choices
    for change in changes:
        chosen = chosen.after(change, NOW)
    return chosen


def test_a_change_of_nothing_alters_nothing():
    chosen = Choices(DND, Deadline(1010.0, 110.0), AWAY, True, False, Text("at lunch"))
    assert chosen.after(NO_CHANGE, NOW) == chosen


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param([Change(DND)], (DND, None, ONLINE), id="by hand"),
        pytest.param([Change(DND, until=1010.0)], (DND, 110.0, ONLINE), id="for a while"),
        pytest.param(
            [Change(AWAY), Change(DND, until=1010.0)], (DND, 110.0, AWAY), id="over a choice"
        ),
        pytest.param(
            [Change(AWAY), Change(DND, until=1010.0), Change(OFF, until=1020.0)],
            (OFF, 120.0, AWAY),
            id="a second end keeps the first former intent",
        ),
        pytest.param(
            [Change(DND, until=1010.0), Change(AWAY)],
            (AWAY, None, ONLINE),
            id="a choice without an end ends a running one",
        ),
        pytest.param(
            [Change(DND, until=1010.0), Change(activity=Text("chess"))],
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
    chosen = after(Change(AWAY), Change(DND, until=1010.0))
    assert status_of(chosen.after_time(now)) == status


@pytest.mark.parametrize(
    ("changes", "text", "ends_at"),
    [
        pytest.param([Change(custom_status=Text("a"))], "a", None, id="no end"),
        pytest.param(
            [Change(custom_status=Text("a"), custom_status_until=1010.0)], "a", 110.0, id="an end"
        ),
        pytest.param(
            [
                Change(custom_status=Text("a"), custom_status_until=1010.0),
                Change(custom_status=Text("b")),
            ],
            "b",
            None,
            id="a new text without an end has none",
        ),
        pytest.param(
            [Change(custom_status=Text("a")), Change(custom_status_until=1010.0)],
            "a",
            110.0,
            id="an end alone moves that of the present text",
        ),
        pytest.param(
            [
                Change(custom_status=Text("a"), custom_status_until=1010.0),
                Change(custom_status_until=None),
            ],
            "a",
            None,
            id="an end is taken back",
        ),
        pytest.param([Change(custom_status_until=1010.0)], None, None, id="no text, no end"),
        pytest.param(
            [
                Change(custom_status=Text("a"), custom_status_until=1010.0),
                Change(custom_status=None),
            ],
            None,
            None,
            id="a cleared text has no end",
        ),
        pytest.param(
            [Change(custom_status=Text("a"), custom_status_until=1010.0), Change(DND)],
            "a",
            110.0,
            id="a status leaves the text",
        ),
    ],
)
def test_a_text_holds_until_its_end(changes, text, ends_at):
    chosen = after(*changes)
    end = chosen.custom_status_until
    assert (chosen.custom_status, end and end.mono) == (text, ends_at)


@pytest.mark.parametrize(("now", "text"), [(109.9, "a"), (110.0, None)])
def test_a_text_is_cleared_at_its_end(now, text):
    chosen = after(Change(custom_status=Text("a"), custom_status_until=1010.0))
    assert chosen.after_time(now).custom_status == text


@pytest.mark.parametrize(
    ("change", "chosen"),
    [
        pytest.param(Change(DND, until=999.0), Choices(), id="a status"),
        pytest.param(
            Change(custom_status=Text("a"), custom_status_until=1000.0), Choices(), id="a text"
        ),
    ],
)
def test_what_ended_while_it_waited_is_over_at_once(change, chosen):
    assert after(change) == chosen


def test_a_flag_is_its_own_and_no_status_takes_it_back():
    hidden = after(Change(appear_offline=True), Change(ONLINE))
    assert hidden.is_hiding
    assert not after(Change(appear_offline=False), choices=hidden).is_hiding


def test_a_lost_intent_hides_until_a_status_is_set():
    sealed = Choices(is_sealed=True)
    assert after(Change(custom_status=Text("a")), choices=sealed).is_hiding
    assert after(Change(appear_offline=False), choices=sealed).is_hiding
    assert not after(Change(ONLINE), choices=sealed).is_hiding


def test_without_devices_text_and_flag_are_left():
    full = Choices(
        intent=DND,
        until=Deadline(1010.0, 110.0),
        former_intent=AWAY,
        appear_offline=True,
        is_sealed=True,
        custom_status=Text("a"),
        custom_status_until=Deadline(1020.0, 120.0),
        activity=Text("chess"),
    )
    assert full.without_devices() == attrs.evolve(
        full, intent=ONLINE, until=None, former_intent=ONLINE, activity=None
    )


def test_choices_name_every_moment_at_which_they_end():
    chosen = after(Change(DND, 1010.0, custom_status=Text("a"), custom_status_until=1020.0))
    assert list(chosen.deadlines()) == [110.0, 120.0]
