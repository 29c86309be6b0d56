"""Why a user has its status: which reasons there are, which decide, and what comes next."""

import attrs
import pytest
from core_life import Life
from hypothesis import given
from hypothesis import strategies as st

from presence.core.events import Ending
from presence.core.types import State, Status
from presence.core.user.explanation import ReasonKind, explain

ONLINE, AWAY, OFF, DND = Status.ONLINE, Status.AWAY, Status.OFFLINE, Status.DND
FLAG, INTENT, DEVICE = ReasonKind.FLAG, ReasonKind.INTENT, ReasonKind.DEVICE
LEASE, GRACE, POLL, SWEPT = (
    ReasonKind.LEASE,
    ReasonKind.GRACE,
    ReasonKind.POLL,
    ReasonKind.SWEPT,
)


@pytest.fixture
def life():
    return Life()


def deciding(life):
    return [
        (each.kind, each.name) for each in explain(life.user, life.now).because if each.is_deciding
    ]


def next_of(life):
    """The next change: status, seconds from now, kind and name of the reason that ends."""
    found = explain(life.user, life.now).next
    if found is None:
        return None
    because = found.because and (found.because.kind, found.because.name)
    return found.status, pytest.approx(found.at - life.now.wall), because


def test_a_user_without_devices_is_offline_and_nothing_will_change_it(life):
    explanation = explain(life.user, life.now)
    assert (explanation.status, explanation.next) == (OFF, None)
    assert [(each.kind, each.is_deciding) for each in explanation.because] == [(INTENT, False)]


@pytest.mark.parametrize(
    ("does", "decide"),
    [
        pytest.param({}, [(DEVICE, "phone")], id="the strongest device"),
        pytest.param({"intent": DND}, [(INTENT, "")], id="the choice"),
        pytest.param({"intent": OFF}, [(INTENT, "")], id="invisible"),
        pytest.param({"appear_offline": True}, [(FLAG, "")], id="the flag"),
        pytest.param({"intent": OFF, "appear_offline": True}, [(FLAG, "")], id="first the flag"),
    ],
)
def test_the_first_of_flag_choice_and_devices_decides(life, does, decide):
    phone = life.connect("phone")
    life.connect("laptop", state=State.IDLE)
    life.say(phone, **does)
    assert deciding(life) == decide


def test_a_choice_decides_nothing_while_no_device_counts(life):
    life.say(life.connect("phone"), intent=DND, state=State.OFFLINE)
    assert explain(life.user, life.now).status is OFF
    assert deciding(life) == [(DEVICE, "phone")]


def test_all_devices_that_are_idle_decide_together(life):
    life.connect("phone", state=State.IDLE)
    life.connect("laptop", state=State.IDLE)
    life.connect("tablet", state=State.OFFLINE)
    assert deciding(life) == [(DEVICE, "phone"), (DEVICE, "laptop")]


def test_a_swept_device_says_since_when_it_is_silent_and_decides_nothing(life):
    life.connect("laptop")
    life.ping(life.connect("radio"))
    pinged_at = life.now.wall
    life.wait(420.0)
    [swept] = [each for each in explain(life.user, life.now).because if each.kind is SWEPT]
    assert (swept.name, swept.last_ping, swept.is_deciding) == ("radio", pinged_at, False)
    assert deciding(life) == [(DEVICE, "laptop")]


@pytest.mark.parametrize(
    ("ending", "kind", "length"), [(Ending.LOST, GRACE, 10.0), (Ending.POLL, POLL, 30.0)]
)
def test_the_end_of_a_timer_is_the_next_change(life, ending, kind, length):
    life.end(life.connect("phone"), ending)
    life.wait(4.0)
    assert deciding(life) == [(kind, "phone")]
    assert next_of(life) == (OFF, length - 4.0, (kind, "phone"))


def test_a_lease_beside_an_idle_device_ends_in_away(life):
    life.connect("phone", state=State.IDLE)
    life.set_device("desk", State.ONLINE, lease=60.0)
    assert deciding(life) == [(LEASE, "desk")]
    assert next_of(life) == (AWAY, 60.0, (LEASE, "desk"))


def test_the_end_of_a_choice_is_the_next_change(life):
    life.say(life.connect("phone"), intent=DND, until=life.now.wall + 250.0)
    assert next_of(life) == (ONLINE, 250.0, (INTENT, ""))


def test_a_sweep_that_will_come_is_the_next_change(life):
    life.ping(life.connect("radio"))
    status, _, because = next_of(life)
    assert (status, because) == (OFF, (DEVICE, "radio"))


def test_an_end_that_alters_no_status_is_no_next_change(life):
    life.say(life.connect("phone"), custom_status="hi", custom_status_until=life.now.wall + 5.0)
    assert next_of(life) is None


def test_a_lost_intent_is_said_and_decides():
    life = Life()
    life.user.preferences = attrs.evolve(life.user.preferences, forced_hidden=True)
    life.connect("phone")
    [intent] = [each for each in explain(life.user, life.now).because if each.kind is INTENT]
    assert (intent.is_lost, intent.is_deciding, intent.status) == (True, True, OFF)


@given(
    states=st.lists(st.sampled_from(State), max_size=3),
    endings=st.lists(st.sampled_from([None, *Ending]), min_size=3, max_size=3),
    intent=st.sampled_from(Status),
    until=st.sampled_from([None, 5.0, 20.0, 400.0]),
    flag=st.booleans(),
)
def test_the_prediction_comes_true_and_asking_changes_nothing(states, endings, intent, until, flag):
    life = Life()
    for number, state in enumerate(states):
        life.connect(f"device{number}", state=state)
    life.patch(
        intent=intent, until=None if until is None else life.now.wall + until, appear_offline=flag
    )
    for connection, ending in zip(list(life.devices), endings, strict=False):
        if ending is not None:
            life.end(connection, ending)
    before, version = life.user.record, life.user.versions.latest
    explanation = explain(life.user, life.now)
    assert (life.user.record, life.user.versions.latest) == (before, version)
    assert explanation.status is life.user.status
    if explanation.next is None:
        life.wait(100_000.0)
        assert life.user.status is explanation.status
    else:
        wait = explanation.next.at - life.now.wall
        life.wait(wait - 0.01)
        assert life.user.status is explanation.status
        life.wait(0.02)
        assert life.user.status is explanation.next.status
