"""How the public view follows the truth, and freezes while the user is hidden."""

import attrs
import pytest

from presence.core.types import Deadline, PublicView, Status, Text, UserId
from presence.core.user.texts import Texts
from presence.core.visibility import ActualState, advance, end_text

A, B = Text("a"), Text("b")
VISIBLE = PublicView(UserId("alice"), "Alice", Status.DND, A, 2_000.0, B, version=7)
HIDDEN = attrs.evolve(VISIBLE, status=Status.OFFLINE, activity=None, last_seen=1_000.0)


def actual(
    *, status=Status.DND, username="Alice", custom_status=A, custom_status_until=2_000.0, activity=B
) -> ActualState:
    end = None if custom_status_until is None else Deadline(custom_status_until, 0.0)
    return ActualState(status, username, Texts(custom_status, end, activity))


def test_an_unchanged_view_is_not_published():
    assert advance(VISIBLE, actual(), 1_500.0) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.AWAY},
        {"username": "Ally"},
        {"custom_status": None, "custom_status_until": None},
        {"activity": None},
    ],
)
def test_each_change_of_a_visible_user_is_published(fields):
    assert advance(VISIBLE, actual(**fields), 1_500.0) == [attrs.evolve(VISIBLE, **fields)]


def test_when_a_text_will_end_is_not_seen():
    assert advance(VISIBLE, actual(custom_status_until=3_000.0), 1_500.0) == []


def test_going_hidden_freezes_all_but_status_activity_and_last_seen():
    hiding = actual(
        status=Status.OFFLINE,
        username="Ally",
        custom_status=B,
        custom_status_until=None,
        activity=A,
    )
    assert advance(VISIBLE, hiding, 1_500.0) == [
        attrs.evolve(VISIBLE, status=Status.OFFLINE, activity=None, last_seen=1_500.0)
    ]


@pytest.mark.parametrize(
    "fields",
    [{"username": "Ally"}, {"custom_status": B}, {"custom_status": None}, {"activity": A}],
)
def test_nothing_done_while_hidden_is_published(fields):
    assert advance(HIDDEN, actual(status=Status.OFFLINE, **fields), 1_500.0) == []


def test_on_becoming_visible_the_current_values_are_published_once():
    now = actual(username="Ally", custom_status=B, custom_status_until=None, activity=None)
    shown = PublicView(UserId("alice"), "Ally", Status.DND, B, None, None, 7, None)
    assert advance(HIDDEN, now, 1_500.0) == [shown]


def test_an_activity_follows_as_the_next_change():
    first = PublicView(UserId("alice"), "Alice", Status.DND, A, 2_000.0, None, 7, None)
    assert advance(HIDDEN, actual(), 1_500.0) == [first, attrs.evolve(first, activity=B)]


def test_the_end_of_a_text_changes_nothing_else():
    assert end_text(HIDDEN) == attrs.evolve(HIDDEN, custom_status=None, custom_status_until=None)
