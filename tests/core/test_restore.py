"""A user made from what is stored: after a crash of its actor, after a start of the server."""

from functools import partial

import attrs
import pytest
from core_life import ALICE, START, WALL, Life, run_of

from presence.core.events import REST_DEVICE, Claimed, Connected, Ending, TimePassed
from presence.core.public_changes import PresenceChanged
from presence.core.record import Record
from presence.core.restore import Incarnation, LiveConnection, restored_user
from presence.core.rule_settings import Rules
from presence.core.types import (
    ConnectionId,
    DeviceId,
    Moment,
    PublicView,
    State,
    Status,
    Text,
)
from presence.core.versions import Versions

ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE
IDLE, IN_SECRET = State.IDLE, State.OFFLINE
PHONE, LAPTOP = DeviceId("phone"), DeviceId("laptop")
HI, CHESS = Text("hi"), Text("chess")


@pytest.fixture
def life() -> Life:
    """A user with a phone (connection 1), shown as dnd with a text and an activity."""
    life = Life()
    life.do(Claimed(100.0, "Alice", has_servers=True))
    life.connect("phone")
    life.say(1, intent=DND, custom_status=HI, activity=CHESS)
    life.take_told()
    return life


# -- a crash of the actor --------------------------------------------------------------------


def test_a_crash_is_seen_by_nobody(life):
    life.connect("laptop", state=State.IDLE)
    before = life.user.record
    views = len(life.self_views)
    life.crash()
    assert (life.take_told(), life.user.record, len(life.self_views)) == ([], before, views)


def test_after_a_crash_the_connections_that_live_are_as_they_were(life):
    laptop = life.connect("laptop", state=State.IDLE)
    life.crash()
    life.end(1)
    life.say(laptop, intent=ONLINE)
    life.end(laptop)
    assert life.take_statuses() == [AWAY, OFF]


def test_a_device_that_a_client_called_rest_is_no_lease(life):
    """An older version gave its leases that name, and it may stand in its rows."""
    life.lose(life.connect("rest"))
    life.end(1)
    life.crash()
    life.wait(500.0)
    assert life.take_timed_statuses() == [(10.0, OFF)]


@pytest.mark.parametrize("ending", [Ending.LOST, Ending.POLL])
def test_after_a_crash_that_forgets_holds_a_device_gets_a_grace(life, ending):
    life.end(1, ending)
    life.wait(5.0)
    life.crash(knows_held=False)
    life.wait(9.9)
    life.connect("phone")
    life.wait(60.0)
    assert life.take_told() == []


@pytest.mark.parametrize(("ending", "length"), [(Ending.LOST, 10.0), (Ending.POLL, 30.0)])
def test_a_crash_moves_no_end_of_a_timer(life, ending, length):
    life.end(1, ending)
    life.wait(5.0)
    life.crash()
    life.wait(100.0)
    assert life.take_timed_statuses() == [(length, OFF)]


def test_a_swept_device_stays_swept_over_a_crash_though_only_a_timer_holds_it(life):
    life.ping(1)
    life.wait(420.0)
    life.lose(1)
    life.take_told()
    life.crash()
    assert life.take_told() == []


def test_after_a_crash_a_poller_is_held_even_where_there_is_no_grace():
    life = Life(run=run_of(grace_after=0.0))
    life.end(life.connect(), Ending.POLL)
    life.crash()
    life.wait(100.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (30.0, OFF)]


@pytest.mark.parametrize(
    ("wish", "length"),
    [({}, 300.0), ({"until": START + WALL + 7200.0}, 7200.0), ({"lease": 1000.0}, 1000.0)],
)
def test_after_a_crash_a_lease_keeps_its_end(wish, length):
    life = Life()
    life.patch(intent=DND, **wish)
    life.wait(200.0)
    life.crash()
    life.wait(20_000.0)
    assert life.take_timed_statuses() == [(0.0, DND), (length, OFF)]


def test_after_a_crash_a_lease_holds_beside_the_connections_of_its_device(life):
    end = life.now.wall + 100.0
    record = attrs.evolve(life.record, lease_ends={PHONE: end})
    link = LiveConnection(ConnectionId(1), PHONE, IDLE)
    user = restored_user(record, life.run, life.now, [link])
    assert user.devices.by_id[PHONE].states == [IDLE, State.ONLINE]
    assert user.record.lease_ends == {PHONE: end}


def test_a_hidden_user_stays_hidden_over_a_crash(life):
    life.say(1, appear_offline=True, custom_status=Text("secret"))
    frozen = life.view
    life.crash()
    assert (life.view, life.user.self_view.custom_status) == (frozen, "secret")


def test_after_a_crash_the_users_devices_get_the_changed_self_view(life):
    life.connect("phone", state=State.IDLE)
    life.say(1, intent=ONLINE)
    life.lose(1)
    life.crash(knows_held=False)
    assert life.take_statuses() == [ONLINE, AWAY]
    assert life.self_views[-1].status is AWAY


def test_ends_that_passed_during_a_crash_apply_after_it(life):
    life.say(1, intent=AWAY, until=life.now.wall + 5.0, custom_status_until=life.now.wall + 5.0)
    life.take_told()
    record, life.wake_at = life.record, None
    life.wait(60.0)
    life.records.append(record)
    life.crash()
    [told] = life.take_told()
    assert (told.view.status, told.view.custom_status) == (DND, None)


def test_a_public_text_ends_after_a_crash_at_its_time(life):
    life.say(1, custom_status_until=life.now.wall + 60.0)
    life.say(1, intent=OFF)
    life.take_told()
    life.crash()
    life.wait(100.0)
    assert [(told.at - START, told.change.view.custom_status) for told in life.told] == [
        (60.0, None)
    ]


def test_a_connection_whose_arrival_was_lost_in_a_crash_still_counts(life):
    live = [LiveConnection(ConnectionId(9), DeviceId("laptop"), State.IDLE)]
    record = Record(PublicView(ALICE, "Alice", OFF, version=7), "Alice", is_announced=True)
    user = restored_user(record, life.run, life.now, live)
    assert user.status is AWAY


def test_an_intent_of_an_earlier_run_does_not_apply_to_live_connections(life):
    live = [LiveConnection(ConnectionId(9), DeviceId("laptop"), State.ONLINE)]
    view = PublicView(ALICE, "Alice", OFF, version=7)
    record = Record(view, "Alice", is_announced=True, intent=DND, attached_in=1)
    run = Incarnation(Versions(5), Rules(), settled_epoch=4, restart_grace_ends_at=0.0)
    assert restored_user(record, run, life.now, live).status is ONLINE


@pytest.mark.parametrize(
    ("epoch", "after", "held", "awaited"),
    [
        pytest.param(2, 59.9, {PHONE: IDLE}, {PHONE: IN_SECRET, LAPTOP: IN_SECRET}, id="crash"),
        pytest.param(2, 60.0, {PHONE: IDLE}, {}, id="crash after the restart grace"),
        pytest.param(3, 59.9, {}, {PHONE: IDLE, LAPTOP: IN_SECRET}, id="start"),
        pytest.param(3, 60.0, {}, {}, id="start, looked at after the restart grace"),
    ],
)
def test_attached_devices_are_held_and_awaited_ones_stay_awaited(epoch, after, held, awaited):
    record = Record(
        PublicView(ALICE, "Alice"),
        "Alice",
        attached_in=2,
        device_states={PHONE: IDLE},
        awaited_states={PHONE: IN_SECRET, LAPTOP: IN_SECRET},
    )
    run = run_of(epoch, began_at=START)
    devices = restored_user(record, run, Moment(START + after, WALL)).devices
    assert (devices.states, devices.awaited_states) == (held, awaited)


def test_a_stored_record_does_not_change_when_an_awaited_device_returns(life):
    life.restart()
    stored = life.user.record
    life.connect("phone")
    assert (stored.device_states, stored.awaited_states) == ({}, {PHONE: State.ONLINE})
    assert (life.record.device_states, life.record.awaited_states) == ({PHONE: State.ONLINE}, {})


def test_an_awaited_device_shows_nobody_after_a_crash(life):
    life.connect("laptop")
    life.restart()
    phone = life.connect("phone")
    life.crash()
    life.end(phone)
    assert life.take_statuses() == [DND, OFF]


def test_a_device_that_hid_before_a_restart_returns_hidden_after_a_crash(life):
    life.connect("laptop", state=State.OFFLINE)
    life.say(1, intent=ONLINE)
    life.restart()
    phone = life.connect("phone")
    life.crash()
    life.end(phone)
    life.take_told()
    life.connect("laptop", state=State.ONLINE)
    assert life.take_told() == []


def test_a_crash_lets_nobody_be_awaited_any_longer(life):
    life.connect("laptop")
    life.restart()
    life.wait(30.0)
    phone = life.connect("phone")
    life.crash()
    life.end(phone)
    assert life.record.attached_in < life.run.versions.epoch
    life.wait(29.9)
    assert not life.user.devices.is_over
    life.wait(0.1)
    assert (life.user.devices.is_over, life.record.attached_in) == (True, None)


# -- a start of the server -------------------------------------------------------------------


def test_after_a_start_nobody_is_shown_online(life):
    life.restart()
    view = life.view
    assert (view.status, view.activity, view.custom_status) == (OFF, None, HI)
    assert (life.take_told(), view.version > 2 * 2**32) == ([], True)


def test_a_start_keeps_what_outlives_the_devices(life):
    life.say(1, appear_offline=True, custom_status=Text("secret"))
    frozen, life_self = life.view, life.user.self_view
    life.restart()
    life.wait(60.0)
    assert life.view == frozen
    view = life.user.self_view
    assert (view.custom_status, view.appear_offline, view.username) == ("secret", True, "Alice")
    assert (view.intent, life_self.intent) == (ONLINE, DND)
    assert life.record.claims_at == 100.0


@pytest.mark.parametrize("wish", [None, ONLINE, AWAY])
@pytest.mark.parametrize("after", [0.0, 59.9])
def test_a_device_that_returns_within_the_restart_grace_keeps_the_intent(life, wish, after):
    life.restart()
    life.wait(after)
    life.connect("phone", intent=wish, state=State.ONLINE)
    [told] = life.take_told()
    assert (told.view.status, told.view.custom_status, told.view.activity) == (DND, HI, None)


@pytest.mark.parametrize("wish", [None, ONLINE, DND])
def test_a_deploy_outs_nobody(life, wish):
    life.say(1, intent=OFF)
    life.take_told()
    life.restart()
    life.connect("phone", intent=wish, state=State.ONLINE)
    life.connect("laptop", intent=wish)
    assert life.take_told() == []


def test_a_request_to_be_invisible_is_honoured_after_a_start(life):
    life.restart()
    life.connect("phone", intent=OFF)
    assert life.take_told() == []


@pytest.mark.parametrize(("wish", "told"), [(DND, [DND]), (OFF, [])])
def test_where_nothing_was_chosen_a_wish_holds_after_a_start(life, wish, told):
    life.say(1, intent=ONLINE)
    life.take_told()
    life.restart()
    life.connect("phone", intent=wish)
    assert life.take_statuses() == told


def test_a_device_that_was_offline_does_not_come_into_the_open_by_a_start(life):
    life.say(1, state=State.OFFLINE)
    life.take_told()
    life.restart()
    life.connect("phone", state=State.ONLINE)
    assert life.take_told() == []


def test_an_activity_does_not_outlive_a_start_even_in_secret(life):
    life.say(1, intent=OFF)
    life.say(1, activity=CHESS)
    life.restart()
    life.connect("phone")
    assert (life.user.self_view.intent, life.user.self_view.activity) == (OFF, None)


def test_after_the_restart_grace_the_user_begins_anew(life):
    life.restart()
    life.wait(60.0)
    life.connect("phone")
    assert life.take_statuses() == [ONLINE]


@pytest.mark.parametrize(("settled", "status"), [(0, DND), (1, DND), (2, ONLINE)])
def test_choices_outlast_a_run_that_did_not_outlive_its_own_grace(life, settled, status):
    record = attrs.evolve(life.record, view=attrs.evolve(life.view, status=OFF), attached_in=1)
    run = Incarnation(Versions(3), Rules(), settled, restart_grace_ends_at=START + 60.0)
    user = restored_user(record, run, life.now)
    user.apply(Connected(ConnectionId(1), DeviceId("phone")), life.now)
    assert user.public.status is status


def test_a_status_that_ends_between_two_runs_is_over(life):
    life.say(1, intent=OFF, until=life.now.wall + 30.0)
    life.take_told()
    life.restart(after=40.0)
    life.connect("phone")
    assert life.take_statuses() == [DND]


def test_a_text_that_ends_between_two_runs_is_cleared(life):
    life.say(1, custom_status_until=life.now.wall + 30.0)
    life.restart(after=40.0)
    assert life.view.custom_status is None
    life.connect("phone")
    assert [told.view.custom_status for told in life.take_told()] == [None]


def test_a_text_still_to_end_ends_at_its_time_after_a_start(life):
    life.say(1, custom_status_until=life.now.wall + 60.0)
    life.take_told()
    life.restart(after=10.0)
    life.wait(100.0)
    assert [(told.at - START, told.change.view.custom_status) for told in life.told] == [
        (60.0, None)
    ]


def test_versions_grow_over_a_start(life):
    before = life.view.version
    life.end(1)
    gone = life.view.version
    life.restart()
    life.connect("phone")
    assert before < gone < life.view.version
    assert life.view.version >> 32 == 2


def test_a_view_that_nothing_changed_keeps_its_version_over_a_start(life):
    life.end(1)
    gone = life.view
    life.restart()
    life.do(TimePassed())
    assert life.view == gone


def test_a_command_over_rest_after_a_start_needs_no_connection(life):
    life.say(1, intent=OFF)
    life.take_told()
    life.restart()
    life.patch(custom_status=Text("secret"))
    assert life.take_told() == []
    life.patch(intent=ONLINE)
    assert life.take_statuses() == [ONLINE]


def test_pending_changes_lapse_with_the_last_device_though_others_are_awaited(life):
    life.connect("laptop")
    life.restart()
    phone = life.connect("phone")
    for number in range(6):
        life.say(phone, intent=AWAY, custom_status=Text(f"{number}"), activity=CHESS)
    life.end(phone)
    life.take_told()
    life.wait(30.0)
    assert (life.take_told(), life.user.self_view.activity) == ([], None)
    assert life.user.self_view.custom_status == "5"


def test_an_activity_dies_with_the_last_device_though_others_are_awaited(life):
    life.connect("laptop")
    life.say(1, intent=OFF)
    life.restart()
    phone = life.connect("phone")
    life.say(phone, activity=CHESS)
    life.end(phone)
    assert (life.user.self_view.intent, life.user.self_view.activity) == (OFF, None)


# -- leases over a restart -------------------------------------------------------------------


def leased_life(**wish) -> Life:
    """Dnd for 10 minutes over REST, with a text and an activity."""
    life = Life()
    life.patch(intent=DND, lease=600.0, custom_status=HI, activity=CHESS, **wish)
    life.take_told()
    return life


@pytest.mark.parametrize("after", [0.0, 30.0, 500.0])
def test_a_lease_shows_its_user_through_a_restart_until_its_end(after):
    life = leased_life()
    before = life.view
    life.wait(50.0)
    life.restart(after)
    assert (life.take_told(), life.view) == ([], before)
    assert life.user.self_view.activity == CHESS
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(600.0, OFF)]
    assert (life.view.last_seen, life.user.self_view.intent) == (START + WALL + 600.0, ONLINE)


def test_a_lease_outlives_runs_that_did_not_wake_its_user():
    life = leased_life()
    record = life.record
    run = Incarnation(Versions(9), Rules(), settled_epoch=8, restart_grace_ends_at=0.0)
    user = restored_user(record, run, life.now)
    assert (user.status, user.record.attached_in) == (DND, 9)
    effects = user.apply(TimePassed(), life.now)
    assert not any(isinstance(effect, PresenceChanged) for effect in effects)


def test_a_lease_that_ended_while_the_server_was_down_holds_nobody():
    life = leased_life()
    life.restart(601.0)
    assert life.view.status is OFF
    assert life.view.last_seen == START + WALL
    assert life.user.devices.by_id == {}
    assert life.take_told() == []


def test_after_a_restart_only_the_lease_holds_and_the_other_devices_are_awaited():
    life = leased_life()
    life.connect("phone", state=IN_SECRET)
    life.restart(5.0)
    assert life.user.devices.states.keys() == {REST_DEVICE}
    assert life.user.devices.awaited_states == {PHONE: IN_SECRET}
    life.connect("phone", state=State.ONLINE)
    assert life.user.devices.states[PHONE] is IN_SECRET


def test_a_device_that_did_not_survive_the_restart_does_not_count():
    """A laptop made the user online, and its phone, held by a lease, is idle."""
    life = Life()
    life.connect("laptop")
    life.connect("phone", state=IDLE)
    ends_at = life.now.wall + 600.0
    life.records[-1] = attrs.evolve(life.record, lease_ends={PHONE: ends_at})
    life.take_told()
    life.restart(5.0)
    assert life.take_statuses() == [AWAY]
    assert life.user.record.lease_ends == {PHONE: ends_at}


def test_a_former_intent_comes_back_on_time_after_a_restart():
    life = leased_life(until=START + WALL + 100.0)
    life.restart(5.0)
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(100.0, ONLINE), (600.0, OFF)]


def test_a_hidden_user_with_a_lease_stays_hidden_over_a_restart():
    life = Life()
    life.patch(intent=OFF, lease=600.0)
    before = life.view
    life.restart(5.0)
    life.wait(50.0)
    life.connect()
    assert (life.take_told(), life.view) == ([], before)


def test_a_lease_in_a_state_of_offline_shows_nobody():
    life = Life()
    life.connect("laptop")
    life.connect("phone", state=IN_SECRET)
    record = attrs.evolve(life.record, lease_ends={PHONE: life.now.wall + 600.0})
    assert record.leased_at(life.now.wall) == {PHONE: IN_SECRET}
    assert not record.is_shown_by_lease(life.now.wall)


@pytest.mark.parametrize(("at", "is_announced"), [(599.9, True), (600.0, False)])
def test_a_lease_shows_its_user_until_its_end_and_not_at_it(at, is_announced):
    life = leased_life()
    assert life.record.is_shown_by_lease(life.now.wall + at) is is_announced


@pytest.mark.parametrize("die", [partial(Life.crash, knows_held=False), Life.restart])
def test_a_lease_holds_no_longer_than_the_longest_though_the_clock_was_set_back(die):
    life = leased_life()
    life.wall_ahead -= 1e6
    die(life)
    life.wait(20_000.0)
    assert life.take_timed_statuses() == [(4 * 3600.0, OFF)]
