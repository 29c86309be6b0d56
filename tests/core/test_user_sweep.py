"""The sweep of one user's devices, and what brings them back."""

import pytest
from core_life import Life, run_of

from presence.core.events import Pinged
from presence.core.types import State, Status, Text

ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def swept(life) -> Life:
    """A user whose one device, `phone` with connection 1, has been swept."""
    phone = life.connect()
    life.ping(phone)
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (360.0, OFF)]
    return life


def test_a_device_silent_for_300_seconds_is_swept_at_the_very_sweep(life):
    phone = life.connect()
    life.wait(60.0)
    life.ping(phone)
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (360.0, OFF)]


def test_pings_wake_nobody_and_store_nothing(life):
    phone = life.connect()
    life.ping(phone)
    stored, told = len(life.records), len(life.self_views)
    life.wait(100.0)
    life.ping(phone)
    assert (len(life.records), len(life.self_views)) == (stored, told)


def test_the_next_ping_brings_it_back_with_the_intent_as_it_was(life):
    phone = life.connect()
    life.say(phone, intent=DND)
    life.ping(phone)
    life.wait(1000.0)
    assert life.user.self_view.intent is DND
    life.take_told()
    life.ping(phone)
    assert life.take_statuses() == [DND]
    life.wait(1000.0)
    assert life.take_statuses() == [OFF], "it is under the sweep again"


@pytest.mark.parametrize("status", [ONLINE, DND])
def test_a_status_from_it_brings_it_back_without_making_it_sweepable(swept, status):
    swept.say(1, intent=status)
    swept.wait(10_000.0)
    assert swept.take_statuses() == [status]


@pytest.mark.parametrize(
    "fields", [{"intent": OFF}, {"custom_status": Text("hi")}, {"appear_offline": False}]
)
def test_nothing_else_from_it_brings_it_back(swept, fields):
    swept.say(1, **fields)
    assert swept.take_told() == []


def test_a_status_from_another_device_does_not_bring_it_back(swept):
    laptop = swept.connect("laptop")
    swept.say(laptop, intent=DND)
    swept.end(laptop)
    assert swept.take_statuses() == [ONLINE, DND, OFF]


def test_a_status_over_rest_does_not_bring_it_back(swept):
    swept.patch(intent=DND)
    assert swept.take_told() == []
    swept.ping(1)
    assert swept.take_statuses() == [DND]


def test_explicit_offline_holds_when_a_ping_brings_the_device_back(swept):
    swept.say(1, intent=OFF)
    swept.ping(1)
    assert swept.take_told() == []


def test_only_the_silent_device_is_swept(life):
    phone, laptop = life.connect("phone"), life.connect("laptop", state=State.IDLE)
    life.ping(phone)
    life.wait(300.0)
    life.ping(laptop)
    life.wait(100.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (360.0, AWAY)]


def test_a_status_that_waits_still_brings_its_device_back():
    life = Life(run=run_of(sweep_every=1.0, ping_expires_after=5.0))
    phone, laptop = life.connect("phone"), life.connect("laptop")
    life.ping(phone)
    life.wait(6.0)
    for number in range(5):
        life.say(laptop, custom_status=Text(f"{number}"))
    life.say(phone, intent=ONLINE)
    life.say(laptop, custom_status=Text("last"))
    life.say(laptop, intent=DND)
    life.wait(20.0)
    life.take_told()
    life.end(laptop)
    assert (life.take_told(), life.view.status) == ([], DND)


def test_a_swept_device_keeps_its_user_attached(swept):
    swept.say(1, intent=DND, activity=Text("chess"), state=State.OFFLINE)
    assert swept.user.self_view.intent is DND
    swept.end(1)
    assert swept.user.self_view.intent is ONLINE


# -- a crash of the actor --------------------------------------------------------------------


def test_a_swept_device_stays_swept_over_a_crash(swept):
    swept.crash()
    swept.wait(1000.0)
    assert swept.take_told() == []
    swept.ping(1)
    assert swept.take_statuses() == [ONLINE]


def test_a_crash_does_not_put_off_the_sweep(life):
    life.ping(life.connect())
    life.wait(100.0)
    life.crash()
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (360.0, OFF)]


def test_a_crash_after_a_stall_leaves_the_time_to_ping(life):
    life.ping(life.connect())
    life.stall(480.0)
    life.crash()
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (525.0, OFF)]


def test_the_connections_of_a_device_are_swept_as_one_over_a_crash(swept):
    second = swept.connect("phone")
    swept.ping(second)
    swept.wait(1000.0)
    swept.crash()
    swept.take_told()
    swept.end(second)
    assert (swept.take_told(), swept.user.devices.by_id["phone"].is_swept) == ([], True)


# -- the echo of the server's own ping ---------------------------------------------------------


def test_an_echo_makes_nobody_sweepable(life):
    phone = life.connect()
    life.do(Pinged(phone, may_begin=False))
    life.wait(100_000.0)
    assert life.take_statuses() == [ONLINE]


def test_an_echo_renews_what_a_ping_began(life):
    phone = life.connect()
    life.ping(phone)
    for _ in range(50):
        life.do(Pinged(phone, may_begin=False))
        life.wait(179.0)
    assert life.take_statuses() == [ONLINE]


def test_an_echo_does_not_bring_back_a_swept_device(swept):
    """The sweep forgot the device's ping, so there is nothing to renew."""
    swept.do(Pinged(1, may_begin=False))
    assert swept.take_statuses() == []
    swept.ping(1)
    assert swept.take_statuses() == [ONLINE]


def test_an_echo_begins_nothing_for_a_device_that_came_back_otherwise(swept):
    swept.say(1, intent=ONLINE)
    swept.do(Pinged(1, may_begin=False))
    swept.wait(100_000.0)
    assert swept.take_statuses() == [ONLINE]
