"""Which devices are attached: room for them, stale ends, what is kept over a restart."""

import pytest

from presence.core.events import REST_DEVICE, Connected, Ending
from presence.core.rule_settings import Rules
from presence.core.types import ConnectionId, DeviceId, Moment, State
from presence.core.user.devices import Devices, Kept

PHONE, LAPTOP, TABLET = DeviceId("phone"), DeviceId("laptop"), DeviceId("tablet")


def connected(number: int, device: DeviceId, state: State | None = None) -> Connected:
    return Connected(ConnectionId(number), device, state)


def devices_of(*links: Connected, **rules) -> Devices:
    devices = Devices(Rules(**rules))
    for link in links:
        assert devices.connect(link)
    return devices


# -- connections and devices -----------------------------------------------------------------


def test_the_first_connection_of_a_device_is_online_unless_it_wishes_otherwise():
    devices = devices_of(connected(1, PHONE), connected(2, LAPTOP, State.IDLE))
    assert devices.states == {PHONE: State.ONLINE, LAPTOP: State.IDLE}


def test_a_connect_that_names_no_state_takes_the_devices_last():
    devices = devices_of(connected(1, PHONE, State.OFFLINE), connected(2, PHONE))
    assert devices.states == {PHONE: State.OFFLINE}


def test_a_reconnect_within_the_grace_takes_the_devices_last_state():
    devices = devices_of(connected(1, PHONE, State.IDLE))
    devices.end(ConnectionId(1), Ending.LOST, 0.0)
    devices.connect(connected(2, PHONE))
    assert devices.states == {PHONE: State.IDLE}


def test_a_device_goes_with_its_last_connection():
    devices = devices_of(connected(1, PHONE), connected(2, PHONE, State.IDLE))
    devices.end(ConnectionId(1), Ending.CLEAN, 0.0)
    assert devices.states == {PHONE: State.IDLE}
    devices.end(ConnectionId(2), Ending.CLEAN, 0.0)
    assert (devices.states, devices.is_over) == ({}, True)


def test_a_late_end_does_not_erase_a_newer_session():
    devices = devices_of(connected(1, PHONE))
    devices.end(ConnectionId(1), Ending.LOST, 0.0)
    devices.connect(connected(2, PHONE))
    devices.end(ConnectionId(1), Ending.CLEAN, 1.0)
    assert devices.states == {PHONE: State.ONLINE}
    assert list(devices.deadlines()) == []


def test_a_state_is_set_for_one_connection_alone():
    devices = devices_of(connected(1, PHONE), connected(2, PHONE, State.IDLE))
    devices.set_states({ConnectionId(1): State.OFFLINE, ConnectionId(99): State.ONLINE})
    assert devices.states == {PHONE: State.IDLE}


def test_swept_devices_are_attached_but_do_not_count():
    devices = devices_of(connected(1, PHONE), connected(2, LAPTOP, State.IDLE))
    devices.ping(ConnectionId(1), 900.0)
    devices.pass_time(1200.0)
    assert devices.counted() == [State.IDLE]
    assert devices.states == {PHONE: State.ONLINE, LAPTOP: State.IDLE}


def test_a_ping_of_an_unknown_connection_does_nothing():
    devices = devices_of(connected(1, PHONE))
    devices.ping(ConnectionId(99), 0.0)
    assert list(devices.deadlines()) == []


def test_a_preview_of_states_changes_nothing():
    devices = devices_of(connected(1, PHONE), connected(2, LAPTOP))
    devices.ping(ConnectionId(1), 900.0)
    devices.pass_time(1200.0)
    states = {ConnectionId(2): State.IDLE}
    assert devices.counted_after(states, frozenset()) == [State.IDLE]
    assert devices.counted_after(states, {ConnectionId(1)}) == [State.ONLINE, State.IDLE]
    assert devices.counted() == [State.ONLINE]


def test_a_preview_includes_devices_that_only_a_hold_attaches():
    devices = devices_of(connected(1, PHONE), connected(2, LAPTOP))
    devices.end(ConnectionId(2), Ending.LOST, 0.0)
    states = {ConnectionId(1): State.OFFLINE}
    assert devices.counted_after(states, frozenset()) == [State.OFFLINE, State.ONLINE]


@pytest.mark.parametrize(
    ("states", "returning", "alters"),
    [
        ({}, frozenset(), False),
        ({ConnectionId(2): State.ONLINE}, {ConnectionId(2)}, False),
        ({ConnectionId(2): State.IDLE}, frozenset(), True),
        ({ConnectionId(99): State.IDLE}, {ConnectionId(99)}, False),
        ({}, {ConnectionId(1)}, True),
    ],
)
def test_only_what_makes_a_difference_alters(states, returning, alters):
    devices = devices_of(connected(1, PHONE), connected(2, LAPTOP))
    devices.ping(ConnectionId(1), 900.0)
    devices.pass_time(1200.0)
    assert devices.would_alter(states, returning) is alters


# -- room ------------------------------------------------------------------------------------


def test_a_known_device_always_finds_room():
    devices = devices_of(connected(1, PHONE), connected(2, LAPTOP), max_devices_per_user=2)
    assert devices.connect(connected(3, LAPTOP))


def test_a_device_without_a_connection_makes_room():
    devices = devices_of(connected(1, PHONE), connected(2, LAPTOP), max_devices_per_user=2)
    devices.end(ConnectionId(1), Ending.LOST, 0.0)
    assert devices.connect(connected(3, TABLET))
    assert set(devices.states) == {LAPTOP, TABLET}


def test_a_limit_of_0_devices_is_none():
    links = [connected(number, DeviceId(f"d{number}")) for number in range(100)]
    assert len(devices_of(*links, max_devices_per_user=0).by_id) == 100


# -- leases ----------------------------------------------------------------------------------


BEGIN = Moment(100.0, 1_100.0)


def leased(*params, since=BEGIN) -> Devices:
    """A lease that is made and then renewed: (seconds later, asked, until so long from then)."""
    devices = devices_of()
    now = since
    for pause, asked, ahead in params:
        now = Moment(now.mono + pause, now.wall + pause)
        until = None if ahead is None else now.wall + ahead
        made_in = None if devices.by_id else State.ONLINE
        devices.lease(REST_DEVICE, asked, until, now, made_in=made_in)
    return devices


@pytest.mark.parametrize(
    ("asked", "ahead", "length"),
    [
        pytest.param(None, None, 300.0, id="by default"),
        pytest.param(10.0, None, 10.0, id="as short as asked"),
        pytest.param(7200.0, None, 7200.0, id="as long as asked"),
        pytest.param(None, 299.0, 300.0, id="an earlier end of the status"),
        pytest.param(None, 7200.0, 7200.0, id="up to the end of the status"),
        pytest.param(10.0, 20.0, 20.0, id="asked, and a later end"),
        pytest.param(40.0, 20.0, 40.0, id="asked, and an earlier end"),
        pytest.param(1e6, None, 14400.0, id="4 hours at most"),
        pytest.param(None, 1e6, 14400.0, id="4 hours at most of a status"),
    ],
)
def test_a_lease_lives_as_long_as_is_asked_or_its_status_up_to_4_hours(asked, ahead, length):
    devices = leased((0.0, asked, ahead))
    assert devices.states == {REST_DEVICE: State.ONLINE}
    assert list(devices.deadlines()) == [100.0 + length]
    assert devices.lease_ends == {REST_DEVICE: 1_100.0 + length}


@pytest.mark.parametrize(
    ("renewal", "ends_at"),
    [
        pytest.param((100.0, None, None), 7300.0, id="by itself it never shortens"),
        pytest.param((7000.0, None, None), 7400.0, id="and holds for the usual length"),
        pytest.param((100.0, None, 8000.0), 8200.0, id="or up to the end of the status"),
        pytest.param((100.0, 60.0, None), 260.0, id="what is asked for may be shorter"),
        pytest.param((100.0, 9000.0, None), 9200.0, id="or longer"),
        pytest.param((7000.0, 14400.0, None), 21500.0, id="4 hours from now at most"),
    ],
)
def test_a_lease_is_renewed(renewal, ends_at):
    devices = leased((0.0, 7200.0, None), renewal)
    assert list(devices.deadlines()) == [ends_at]
    assert devices.lease_ends == {REST_DEVICE: ends_at + 1_000.0}


def test_a_lease_that_does_not_live_is_not_renewed():
    devices = devices_of(connected(1, PHONE))
    devices.lease(REST_DEVICE, 3600.0, None, BEGIN)
    assert devices.states == {PHONE: State.ONLINE}
    assert devices.lease_ends == {}


def test_a_lease_that_outlasts_a_stall_says_so():
    devices = leased((0.0, 60.0, None))
    devices.outlast_stall(1_000.0)
    assert list(devices.deadlines()) == [1_045.0]
    assert devices.lease_ends == {REST_DEVICE: 2_045.0}


# -- kept over a restart ---------------------------------------------------------------------


def returning(**states: State) -> Devices:
    devices = devices_of()
    kept = {DeviceId(name): state for name, state in states.items()}
    devices.kept = Kept(kept, attached_in=1, ends_at=60.0)
    return devices


@pytest.mark.parametrize(
    ("kept", "wish", "state"),
    [
        (State.OFFLINE, None, State.OFFLINE),
        (State.OFFLINE, State.ONLINE, State.OFFLINE),
        (State.IDLE, State.ONLINE, State.IDLE),
        (State.IDLE, State.OFFLINE, State.OFFLINE),
        (State.ONLINE, State.IDLE, State.IDLE),
        (State.ONLINE, None, State.ONLINE),
    ],
)
def test_a_device_that_returns_gets_the_weaker_of_requested_and_kept_state(kept, wish, state):
    devices = returning(phone=kept)
    devices.connect(connected(1, PHONE, wish))
    assert (devices.states, devices.awaited_states) == ({PHONE: state}, {})


def test_a_device_returns_once_and_from_then_on_says_itself_what_it_is():
    devices = returning(phone=State.OFFLINE)
    devices.connect(connected(1, PHONE, State.ONLINE))
    devices.connect(connected(2, PHONE, State.ONLINE))
    assert devices.states == {PHONE: State.ONLINE}


def test_awaited_devices_do_not_count():
    devices = returning(phone=State.ONLINE)
    assert (devices.counted(), devices.states, devices.is_over) == ([], {}, False)
    assert devices.awaited_states == {PHONE: State.ONLINE}


@pytest.mark.parametrize(("now", "is_over"), [(59.9, False), (60.0, True)])
def test_devices_are_awaited_for_the_restart_grace_only(now, is_over):
    devices = returning(phone=State.ONLINE)
    assert list(devices.deadlines()) == [60.0]
    devices.pass_time(now)
    assert devices.is_over is is_over


def test_a_device_that_returned_and_left_leaves_the_other_awaited_devices():
    devices = returning(phone=State.OFFLINE, laptop=State.OFFLINE)
    devices.connect(connected(1, PHONE))
    devices.end(ConnectionId(1), Ending.CLEAN, 1.0)
    assert not devices.is_over
    devices.connect(connected(2, LAPTOP, State.ONLINE))
    assert devices.states == {LAPTOP: State.OFFLINE}


def test_once_all_have_returned_and_left_again_the_user_is_gone():
    devices = returning(phone=State.OFFLINE)
    devices.connect(connected(1, PHONE))
    devices.end(ConnectionId(1), Ending.CLEAN, 1.0)
    assert devices.is_over


def test_a_stall_gives_awaited_devices_45_seconds():
    devices = returning(phone=State.ONLINE)
    devices.outlast_stall(200.0)
    assert list(devices.deadlines()) == [245.0]


def test_nothing_is_left_of_an_expelled_user():
    devices = returning(phone=State.ONLINE)
    devices.connect(connected(1, LAPTOP))
    devices.expel()
    assert (devices.is_over, devices.connections) == (True, {})
