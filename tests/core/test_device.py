"""One device: what attaches it, its state, its pings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.core.rule_settings import Rules
from presence.core.types import ConnectionId, State
from presence.core.user.device import Device, HoldKind
from presence.core.user.sweep import sweep_of

RULES = Rules()
C1, C2 = ConnectionId(1), ConnectionId(2)


def device_with(*states: State) -> Device:
    device = Device()
    for number, state in enumerate(states, 1):
        device.connect(ConnectionId(number), state)
    return device


# -- attached, and in which state ------------------------------------------------------------


def test_a_device_without_connections_and_holds_is_not_attached():
    assert not Device().is_attached


@pytest.mark.parametrize("kind", list(HoldKind))
def test_a_hold_attaches_a_device_in_its_state_until_it_ends(kind):
    device = Device()
    device.hold(kind, State.IDLE, 10.0, 100.0)
    assert (device.is_attached, device.state) == (True, State.IDLE)
    device.pass_time(109.9, RULES)
    assert device.is_attached
    device.pass_time(110.0, RULES)
    assert not device.is_attached


def test_a_hold_of_no_length_is_none():
    device = Device()
    device.hold(HoldKind.GRACE, State.ONLINE, 0.0, 100.0)
    assert not device.is_attached


def test_the_strongest_of_connections_and_holds_is_the_devices_state():
    device = device_with(State.OFFLINE, State.IDLE)
    assert device.state is State.IDLE
    device.hold(HoldKind.POLL, State.ONLINE, 30.0, 0.0)
    assert device.state is State.ONLINE


def test_a_reconnect_takes_over_from_a_lost_connection():
    device = Device()
    device.hold(HoldKind.GRACE, State.ONLINE, 10.0, 0.0)
    device.connect(C1, State.IDLE)
    assert (device.state, device.holds) == (State.IDLE, ())


def test_a_new_poll_replaces_the_state_that_the_timer_holds():
    device = Device()
    device.hold(HoldKind.POLL, State.ONLINE, 30.0, 0.0)
    device.connect(C1, State.IDLE)
    assert device.state is State.IDLE
    assert list(device.deadlines(RULES)) == [30.0]


def test_a_connection_leaves_the_lease_alone():
    device = Device()
    device.hold(HoldKind.LEASE, State.ONLINE, 300.0, 0.0)
    device.connect(C1, State.OFFLINE)
    assert device.state is State.ONLINE


def test_poll_after_poll_runs_one_timer():
    device = Device()
    for now in range(100):
        device.hold(HoldKind.POLL, State.ONLINE, 30.0, float(now))
    assert list(device.deadlines(RULES)) == [129.0]


# -- pings and the sweep ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pinged_at", "swept_at"),
    [
        pytest.param(900.0, 1200.0, id="silent for exactly 300.0 at the sweep: found"),
        pytest.param(900.1, 1320.0, id="silent for 299.9: only by the next"),
        pytest.param(780.1, 1200.0, id="silent for 419.9 at most"),
        pytest.param(1020.0, 1320.0, id="a sweep every 120"),
    ],
)
def test_the_sweep_finds_devices_silent_for_300_seconds(pinged_at, swept_at):
    assert sweep_of(pinged_at, RULES) == pytest.approx(swept_at)


@settings(settings.get_profile("core"))
@given(st.floats(0.0, 1e7))
def test_detection_takes_300_to_420_seconds(pinged_at):
    assert 300.0 <= sweep_of(pinged_at, RULES) - pinged_at < 420.0 + 1e-6


def test_a_device_that_never_pinged_is_never_swept():
    device = device_with(State.ONLINE)
    device.pass_time(1e9, RULES)
    assert (device.is_swept, list(device.deadlines(RULES))) == (False, [])


def test_a_silent_device_is_swept_and_its_entry_forgotten():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.pass_time(1199.9, RULES)
    assert (device.is_swept, list(device.deadlines(RULES))) == (False, [1200.0])
    device.pass_time(1200.0, RULES)
    assert (device.is_swept, list(device.deadlines(RULES))) == (True, [])
    assert device.is_attached, "its socket stays open"


def test_a_ping_brings_a_swept_device_back_under_the_sweep():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.pass_time(1200.0, RULES)
    device.ping(1210.0)
    assert (device.is_swept, device.swept_at(RULES)) == (False, 1560.0)


def test_a_sign_of_life_brings_a_swept_device_back_without_a_sweep_to_come():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.pass_time(1200.0, RULES)
    device.bring_back()
    assert (device.is_swept, device.swept_at(RULES)) == (False, None)


def test_a_sign_of_life_leaves_a_device_that_pings_under_the_sweep():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.bring_back()
    assert device.swept_at(RULES) == 1200.0


def test_a_new_connection_brings_a_swept_device_back():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.pass_time(1200.0, RULES)
    device.connect(C2, State.ONLINE)
    assert (device.is_swept, device.swept_at(RULES)) == (False, None)


# -- stalls ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "length", "patience"),
    [(HoldKind.GRACE, 10.0, 10.0), (HoldKind.POLL, 30.0, 30.0), (HoldKind.LEASE, 300.0, 45.0)],
)
def test_a_hold_that_came_due_in_a_stall_gets_its_length_at_most_45_seconds(kind, length, patience):
    device = Device()
    device.hold(kind, State.ONLINE, length, 0.0)
    device.outlast_stall(1000.0, RULES)
    assert list(device.deadlines(RULES)) == [1000.0 + patience]


def test_a_hold_that_is_not_due_is_left_alone_by_a_stall():
    device = Device()
    device.hold(HoldKind.LEASE, State.ONLINE, 300.0, 0.0)
    device.outlast_stall(299.0, RULES)
    assert list(device.deadlines(RULES)) == [300.0]


def test_a_sweep_that_came_due_in_a_stall_gives_45_seconds_to_ping():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.outlast_stall(1250.0, RULES)
    device.pass_time(1294.9, RULES)
    assert not device.is_swept
    device.pass_time(1295.0, RULES)
    assert device.is_swept


def test_a_ping_after_a_stall_is_like_any_other():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.outlast_stall(1250.0, RULES)
    device.ping(1260.0)
    assert list(device.deadlines(RULES)) == [1560.0]


def test_a_sweep_that_is_not_due_is_left_alone_by_a_stall():
    device = device_with(State.ONLINE)
    device.ping(900.0)
    device.outlast_stall(1199.0, RULES)
    assert list(device.deadlines(RULES)) == [1200.0]
