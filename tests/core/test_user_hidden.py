"""Hidden users look exactly like users who are gone."""

import attrs
import pytest
from core_life import ALICE, START, WALL, Life, run_of

from presence.core.events import Claimed, Introduced
from presence.core.restore import new_user, unreadable_user
from presence.core.types import PublicView, State, Status, Text

ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE
HI, CHESS = Text("hi"), Text("chess")

HIDE = [
    pytest.param({"intent": OFF}, id="intent"),
    pytest.param({"appear_offline": True}, id="flag"),
    pytest.param({"state": State.OFFLINE}, id="state"),
]
SHOW = {"intent": ONLINE, "appear_offline": False, "state": State.ONLINE}


@pytest.fixture
def life() -> Life:
    """A user who has been online for a minute, with a text and an activity."""
    life = Life()
    life.connect("phone")
    life.say(1, custom_status=HI, activity=CHESS)
    life.wait(60.0)
    life.take_told()
    return life


@pytest.mark.parametrize("how", HIDE)
def test_the_view_freezes_as_if_the_last_device_had_left(life, how):
    before = life.view
    life.say(1, **how, custom_status=Text("secret"), activity=Text("secret"))
    [told] = life.take_told()
    assert told.view == attrs.evolve(
        before,
        status=OFF,
        activity=None,
        version=before.version + 1,
        last_seen=START + WALL + 60.0,
    )


@pytest.mark.parametrize("how", HIDE)
def test_nothing_done_while_hidden_changes_the_view(life, how):
    life.say(1, **how)
    frozen = life.view
    life.say(1, custom_status=Text("secret"), activity=Text("secret"))
    life.end(life.connect("laptop", state=State.OFFLINE))
    life.ping(1)
    life.do(Claimed(100.0, "Secret"))
    life.wait(30.0)
    life.patch(custom_status=None)
    life.wait(300.0)
    assert (life.view, len(life.take_told())) == (frozen, 1)


@pytest.mark.parametrize("how", HIDE)
def test_the_users_own_devices_see_the_real_thing(life, how):
    life.say(1, **how)
    life.say(1, custom_status=Text("secret"), activity=Text("also"))
    view = life.self_views[-1]
    assert (view.status, view.custom_status, view.activity) == (OFF, "secret", "also")


def test_from_hidden_to_gone_nothing_is_published(life):
    life.say(1, appear_offline=True)
    life.take_told()
    frozen = life.view
    life.end(1)
    assert (life.take_told(), life.view) == ([], frozen)


@pytest.mark.parametrize("how", HIDE)
def test_on_becoming_visible_the_current_values_are_published_once(life, how):
    life.say(1, **how)
    life.say(1, custom_status=Text("new"), activity=Text("secret"))
    life.do(Claimed(100.0, "Alice"))
    life.take_told()
    life.say(1, **SHOW)
    [told] = life.take_told()
    assert told.view == PublicView(
        ALICE, "Alice", ONLINE, Text("new"), None, None, told.before.version + 1, None
    )
    assert life.user.self_view.activity is None


def test_an_activity_named_with_the_first_visible_status_follows_as_the_next_change(life):
    life.say(1, intent=OFF)
    life.take_told()
    life.say(1, intent=ONLINE, activity=CHESS)
    first, second = life.take_told()
    assert (first.view.status, first.view.activity) == (ONLINE, None)
    assert second.before == first.view
    assert second.view == attrs.evolve(first.view, activity=CHESS, version=first.view.version + 1)


def test_an_activity_of_the_hiding_command_is_true_but_never_shown(life):
    life.say(1, intent=OFF, activity=Text("secret"))
    assert life.user.self_view.activity == "secret"
    life.say(1, intent=ONLINE)
    assert [told.view.activity for told in life.take_told()] == [None, None]


def test_an_activity_dies_when_the_user_goes_hidden(life):
    life.say(1, intent=OFF)
    assert life.user.self_view.activity is None


@pytest.mark.parametrize("how", HIDE)
def test_the_public_text_ends_at_the_time_that_was_public(life, how):
    life.say(1, custom_status=HI, custom_status_until=life.now.wall + 100.0)
    life.say(1, **how, custom_status=Text("secret"), custom_status_until=life.now.wall + 50.0)
    life.take_told()
    frozen = life.view
    life.wait(1000.0)
    [told] = life.told
    assert told.at == START + 160.0
    assert told.change.view == attrs.evolve(
        frozen, custom_status=None, custom_status_until=None, version=frozen.version + 1
    )
    assert life.user.self_view.custom_status is None


def test_a_new_text_does_not_keep_the_public_one_from_ending(life):
    life.say(1, custom_status=HI, custom_status_until=life.now.wall + 100.0)
    life.say(1, intent=OFF)
    life.say(1, custom_status=Text("secret"))
    life.take_told()
    life.wait(1000.0)
    assert [told.view.custom_status for told in life.take_told()] == [None]
    assert life.user.self_view.custom_status == "secret"


def test_a_text_that_was_set_in_secret_ends_in_secret(life):
    life.say(1, intent=OFF)
    life.say(1, custom_status=Text("secret"), custom_status_until=life.now.wall + 100.0)
    life.take_told()
    life.wait(1000.0)
    assert (life.take_told(), life.user.self_view.custom_status) == ([], None)


def test_a_status_that_ends_while_the_flag_is_set_ends_in_secret(life):
    life.say(1, intent=DND, until=life.now.wall + 100.0)
    life.say(1, appear_offline=True)
    life.take_told()
    life.wait(1000.0)
    assert (life.take_told(), life.user.self_view.intent) == ([], ONLINE)


def test_a_hidden_newcomer_is_never_published(life):
    newcomer = Life()
    newcomer.connect(intent=OFF)
    newcomer.say(1, custom_status=HI)
    newcomer.end(1)
    newcomer.wait(1000.0)
    assert (newcomer.told, newcomer.record.is_announced) == ([], False)


def test_a_bot_that_keeps_setting_a_text_cannot_tell_gone_from_hidden(life):
    life.end(1)
    life.take_told()
    for number in range(5):
        life.patch(custom_status=Text(f"{number}"))
        life.patch(activity=CHESS)  # refused, and not published either
    assert life.take_told() == []
    life.connect()
    assert [told.view.custom_status for told in life.take_told()] == ["4"]


def test_administration_is_published_alike_for_hidden_and_gone_users(life):
    life.say(1, intent=OFF)
    life.do(Introduced("Alice"))
    assert [told.view.username for told in life.take_told()] == ["alice", "Alice"]


# -- choices that were lost ------------------------------------------------------------------


@pytest.fixture
def sealed() -> Life:
    """A user who may have been hidden: what was stored of it is lost."""
    run = run_of()
    return Life(new_user(ALICE, run, forced_hidden=True), run=run)


@pytest.fixture
def unreadable() -> Life:
    """A user whose row makes no sense; others saw it offline."""
    run = run_of()
    view = PublicView(ALICE, "Alice", version=7, last_seen=1.0)
    return Life(unreadable_user(ALICE, view, run), run=run)


@pytest.mark.parametrize("kind", ["sealed", "unreadable"])
@pytest.mark.parametrize("wish", [None, ONLINE, DND])
def test_a_user_that_may_have_been_hidden_stays_hidden(request, kind, wish):
    life = request.getfixturevalue(kind)
    life.connect("phone", intent=wish)
    life.connect("laptop", state=State.ONLINE)
    life.ping(1)
    life.say(1, custom_status=HI, appear_offline=False)
    life.wait(1000.0)
    assert life.take_told() == []


@pytest.mark.parametrize("kind", ["sealed", "unreadable"])
@pytest.mark.parametrize("over_rest", [True, False])
def test_a_status_set_by_hand_unseals(request, kind, over_rest):
    life = request.getfixturevalue(kind)
    life.connect()
    if over_rest:
        life.patch(intent=DND)
    else:
        life.say(1, intent=DND)
    assert life.take_statuses() == [DND]
    assert not life.record.forced_hidden


def test_a_seal_is_stored(sealed):
    sealed.end(sealed.connect())
    assert sealed.record.forced_hidden
    sealed.restart()
    sealed.connect()
    assert sealed.take_told() == []


def test_a_row_that_makes_no_sense_is_not_overwritten_before_a_status_is_set(unreadable):
    unreadable.connect()
    unreadable.say(1, custom_status=HI)
    unreadable.wait(100.0)
    assert unreadable.records == []
    unreadable.say(1, intent=OFF)
    assert (unreadable.record.intent, unreadable.record.view.version) == (OFF, 7)


def test_a_user_whose_row_makes_no_sense_keeps_the_name_that_others_know(unreadable):
    unreadable.connect()
    unreadable.say(1, intent=ONLINE)
    assert [told.view.username for told in unreadable.take_told()] == ["Alice"]
