"""The state of a whole device, set without a connection: leases, timers and connections."""

import pytest
from core_life import Life, run_of

from presence.core.events import Ending, OverRate, TooManyDevices
from presence.core.rule_settings import Rules
from presence.core.types import State, Status
from presence.core.user.patch import PresencePatch

ONLINE, AWAY, OFF, DND = Status.ONLINE, Status.AWAY, Status.OFFLINE, Status.DND
IDLE = State.IDLE


@pytest.fixture
def life():
    return Life()


def test_a_state_attaches_its_device_by_a_lease_of_300_seconds(life):
    life.set_device("phone", State.ONLINE)
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (300.0, OFF)]


def test_a_lease_lasts_as_long_as_is_asked_and_is_renewed_without_a_word_to_others(life):
    life.set_device("phone", IDLE, lease=10.0)
    life.wait(9.0)
    life.set_device("phone", IDLE, lease=60.0)
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, AWAY), (69.0, OFF)]


def test_the_state_of_a_device_is_that_of_its_connections_its_timer_and_its_lease(life):
    life.end(life.connect("phone", state=State.ONLINE), Ending.POLL)
    life.connect("phone", state=State.ONLINE)
    life.set_device("phone", IDLE)
    life.take_told()
    assert life.user.devices.by_id["phone"].states == [IDLE, IDLE, IDLE]
    assert life.user.status is AWAY


def test_the_state_of_one_device_leaves_the_others_alone(life):
    life.connect("phone", state=State.ONLINE)
    life.set_device("laptop", IDLE)
    assert life.user.status is ONLINE
    life.set_device("phone", State.OFFLINE)
    assert life.take_statuses() == [ONLINE, AWAY]


def test_a_device_that_is_offline_does_not_count_though_its_lease_holds(life):
    life.set_device("phone", State.OFFLINE)
    assert life.take_told() == []
    assert life.user.devices.states == {"phone": State.OFFLINE}


def test_a_removed_device_is_gone_at_once_with_its_lease_and_its_timers(life):
    life.end(life.connect("phone"), Ending.POLL)
    life.set_device("phone", State.ONLINE)
    life.remove_device("phone")
    assert life.take_timed_statuses() == [(0.0, ONLINE), (0.0, OFF)]
    assert life.user.devices.is_over


def test_the_connections_of_a_removed_device_stay(life):
    life.connect("phone")
    life.set_device("phone", State.ONLINE)
    life.remove_device("phone")
    life.wait(1000.0)
    assert life.take_statuses() == [ONLINE]


def test_a_state_brings_a_swept_device_back(life):
    life.ping(life.connect("phone"))
    life.wait(420.0)
    life.take_told()
    life.set_device("phone", State.ONLINE, lease=10.0)
    life.wait(1000.0)
    assert life.take_statuses() == [ONLINE]


def test_states_of_devices_are_counted_like_every_change(life):
    for state in [State.ONLINE, IDLE] * 2:
        life.set_device("phone", state)
    assert not any(isinstance(each, OverRate) for each in life.set_device("phone", State.ONLINE))
    [refusal] = life.set_device("phone", IDLE)
    assert isinstance(refusal, OverRate)
    assert life.user.devices.states == {"phone": State.ONLINE}


def test_renewals_are_not_counted(life):
    for _ in range(20):
        life.set_device("phone", State.ONLINE)
    assert life.set_device("phone", IDLE)[0].view.status is AWAY


def test_going_offline_is_never_over_the_rate(life):
    for state in [State.ONLINE, IDLE] * 3:
        life.set_device("phone", state)
    life.set_device("phone", State.OFFLINE)
    assert life.view.status is OFF


def test_a_state_and_a_text_apply_together_or_not_at_all(life):
    for state in [State.ONLINE, IDLE] * 3:
        life.set_device("phone", state)
    life.set_device("phone", State.ONLINE, custom_status="lunch")
    assert life.user.preferences.texts.custom_status is None
    life.wait(20.0)
    life.set_device("phone", State.ONLINE, custom_status="lunch")
    assert (life.view.status, life.view.custom_status) == (ONLINE, "lunch")


def test_a_device_beyond_the_limit_is_refused():
    life = Life(run=run_of(max_devices_per_user=1))
    life.connect("phone")
    assert life.set_device("laptop", State.ONLINE) == [TooManyDevices(None)]
    assert life.user.devices.states == {"phone": State.ONLINE}


def test_a_device_without_a_connection_makes_room():
    life = Life(run=run_of(max_devices_per_user=1))
    life.set_device("phone", State.ONLINE)
    life.set_device("laptop", IDLE)
    assert life.user.devices.states == {"laptop": IDLE}


def test_a_poll_that_pauses_for_four_seconds_is_never_offline(life):
    life.set_device("phone", State.ONLINE, lease=10.0)
    for _ in range(20):
        poll = life.connect("phone", state=State.ONLINE)
        life.wait(30.0)
        life.end(poll, Ending.POLL)
        life.wait(4.0)
    assert life.take_statuses() == [ONLINE]


@pytest.mark.parametrize(
    ("first", "second", "statuses"),
    [
        (State.ONLINE, IDLE, [ONLINE, AWAY, OFF]),
        (State.ONLINE, State.OFFLINE, [ONLINE, OFF]),
        (IDLE, State.ONLINE, [AWAY, ONLINE, OFF]),
        (State.OFFLINE, State.OFFLINE, []),
    ],
)
def test_two_devices_are_united(life, first, second, statuses):
    """Both poll, then the first one stops, then the second one."""
    one, two = life.connect("one", state=first), life.connect("two", state=second)
    life.end(one, Ending.POLL)
    life.wait(31.0)
    life.end(two, Ending.POLL)
    life.wait(31.0)
    assert life.take_statuses() == statuses


def test_the_flag_hides_whatever_polls(life):
    life.patch(appear_offline=True)
    life.end(life.connect("phone", state=State.ONLINE), Ending.POLL)
    life.set_device("phone", State.ONLINE)
    assert life.take_told() == []


def test_a_lease_outlives_a_crash_and_a_restart(life):
    life.set_device("phone", IDLE, lease=100.0)
    life.wait(10.0)
    life.crash()
    life.restart(5.0)
    life.wait(200.0)
    assert life.take_timed_statuses() == [(0.0, AWAY), (100.0, OFF)]


def test_the_longest_lease_bounds_what_is_asked(life):
    life.set_device("phone", State.ONLINE, lease=1e6)
    life.wait(20_000.0)
    assert life.take_timed_statuses()[-1] == (Rules().longest_lease_after, OFF)


def test_a_device_that_made_room_does_not_count_in_the_change_that_took_it():
    life = Life(run=run_of(max_devices_per_user=1))
    life.set_device("desk", State.ONLINE)
    life.set_device("phone", IDLE)
    assert life.take_statuses() == [ONLINE, AWAY]


def test_a_swept_device_that_comes_back_is_a_change_that_others_see(life):
    """So it has to fit the rate of changes while visible."""
    phone = life.connect("phone")
    life.set_device("phone", State.ONLINE, lease=14_400.0)
    life.ping(phone)
    life.wait(life.wake_at - life.mono - 5.0)
    for number in range(5):
        life.say(phone, custom_status=f"{number}")
    life.wait(6.0)
    assert life.view.status is OFF
    assert isinstance(life.set_device("phone", State.ONLINE)[0], OverRate)


def test_going_offline_is_not_over_the_rate_of_changes_in_secret_either(life):
    life.connect("phone")
    life.patch(appear_offline=True)
    for number in range(5):
        life.patch(custom_status=f"{number}")
    assert isinstance(life.set_device("phone", IDLE)[0], OverRate)
    life.set_device("phone", State.OFFLINE)
    assert life.user.devices.states == {"phone": State.OFFLINE}


@pytest.mark.parametrize("intent", [AWAY, OFF, ONLINE, DND])
def test_only_do_not_disturb_is_ended_by_a_device_that_knows_no_other_choice(life, intent):
    life.say(life.connect("phone"), intent=intent)
    life.set_device("phone", State.ONLINE, ends_dnd=True)
    assert life.user.preferences.intent is (ONLINE if intent is DND else intent)


def test_a_newer_choice_is_not_ended_by_an_older_word_that_waited_with_it():
    older = PresencePatch(ends_dnd=True)
    assert not older.merged_with(PresencePatch(intent=DND)).ends_dnd
    assert older.merged_with(PresencePatch(custom_status=None)).ends_dnd
    assert PresencePatch(intent=DND).merged_with(older).ends_dnd
