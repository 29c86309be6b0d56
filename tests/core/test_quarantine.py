"""A user in quarantine is shown offline, and nothing else of it."""

import attrs
import pytest
from core_life import Life

from presence.core.events import Commanded, Ended, Ending, Released, Save, ShowSelf
from presence.core.public_changes import PresenceChanged
from presence.core.record import Record
from presence.core.restore import LiveConnection, restored_user
from presence.core.types import PublicView, State, Status, Text, UserId
from presence.core.user.patch import PresencePatch
from presence.core.versions import Versions
from presence.core.visibility import end_public_text, enter_quarantine

LUNCH, DINNER = Text("lunch"), Text("dinner")
VIEW = PublicView(UserId("alice"), "Alice", Status.DND, LUNCH, 2_000.0, Text("chess"), version=7)
HIDDEN = attrs.evolve(VIEW, status=Status.OFFLINE, activity=None, last_seen=1_000.0)
RECORD = Record(
    view=VIEW,
    name="Alice",
    is_announced=True,
    custom_status=DINNER,
    activity=Text("chess"),
    intent=Status.DND,
    attached_in=1,
)


def test_a_visible_user_in_quarantine_is_shown_offline():
    effects = enter_quarantine(VIEW, RECORD, Versions(1), 1_500.0)
    told, shown, saved = effects
    assert (type(told), type(shown), type(saved)) == (PresenceChanged, ShowSelf, Save)
    offline = attrs.evolve(
        VIEW, status=Status.OFFLINE, activity=None, last_seen=1_500.0, version=2**32 + 1
    )
    assert told == PresenceChanged(VIEW, offline)
    assert saved.record == attrs.evolve(RECORD, view=offline, activity=None)
    assert (shown.view.status, shown.view.intent) == (Status.OFFLINE, Status.DND)
    assert (shown.view.custom_status, shown.view.activity) == (DINNER, None)


def test_the_public_view_wins_over_an_older_record():
    older = attrs.evolve(RECORD, view=attrs.evolve(VIEW, status=Status.AWAY, version=6))
    told, _, saved = enter_quarantine(VIEW, older, Versions(1), 1_500.0)
    assert saved.record.view == told.view


def test_a_user_without_a_record_is_announced_but_not_saved():
    (told,) = enter_quarantine(VIEW, None, Versions(1), 1_500.0)
    assert told.view.status is Status.OFFLINE


@pytest.mark.parametrize("record", [None, attrs.evolve(RECORD, view=HIDDEN)])
def test_a_user_already_shown_offline_stays_unchanged(record):
    versions = Versions(1)
    assert enter_quarantine(HIDDEN, record, versions, 1_500.0) == []
    assert versions.latest == Versions(1).latest


def test_the_public_text_ends_on_time_and_the_true_one_stays():
    record = attrs.evolve(RECORD, view=HIDDEN)
    told, saved = end_public_text(HIDDEN, record, Versions(1))
    ended = attrs.evolve(HIDDEN, custom_status=None, custom_status_until=None, version=2**32 + 1)
    assert told == PresenceChanged(HIDDEN, ended)
    assert saved.record == attrs.evolve(record, view=ended)


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(VIEW, id="visible: the user's own rules see to it"),
        pytest.param(attrs.evolve(HIDDEN, custom_status=None), id="none left"),
    ],
)
def test_no_other_public_text_ends(view):
    assert end_public_text(view, RECORD, Versions(1)) == []


# The user that is rebuilt afterwards ------------------------------------------------------


def put_aside() -> tuple[Life, int]:
    """Alice, playing chess, as the actor after a quarantine finds her."""
    life = Life()
    phone = life.connect()
    life.say(phone, custom_status=LUNCH, activity=Text("chess"))
    for effect in enter_quarantine(life.view, life.record, life.run.versions, life.now.wall):
        if isinstance(effect, Save):
            life.records.append(effect.record)
    life.wait(60)
    link = LiveConnection(phone, life.devices[phone], State.ONLINE)
    life.user = restored_user(life.record, life.run, life.now, [link])
    life.user.is_quarantined = True
    life.take_told()
    life.self_views.clear()
    return life, phone


def test_leaving_quarantine_publishes_once_without_the_activity():
    life, phone = put_aside()
    life.say(phone, intent=Status.AWAY)
    life.say(phone, intent=Status.DND, custom_status=DINNER)
    assert (life.take_told(), life.self_views) == ([], [])
    assert life.user.self_view.status is Status.DND
    life.do(Released())
    (told,) = life.take_told()
    assert (told.view.status, told.view.custom_status) == (Status.DND, DINNER)
    assert told.view.activity is None
    assert [view.status for view in life.self_views] == [Status.DND]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda phone: Commanded(PresencePatch(intent=Status.OFFLINE), phone, may_wait=True),
            id="hid",
        ),
        pytest.param(lambda phone: Ended(phone, Ending.CLEAN), id="left"),
    ],
)
def test_a_user_that_left_in_quarantine_is_not_shown_again(make):
    life, phone = put_aside()
    life.do(make(phone))
    life.do(Released())
    assert life.take_told() == []
    assert life.view.status is Status.OFFLINE
