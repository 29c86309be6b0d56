"""The union of devices, intent and flag, as a table and as laws."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.core.status_union import strongest, union
from presence.core.types import State, Status

ONLINE, IDLE, OFF = State.ONLINE, State.IDLE, State.OFFLINE
STATES = st.lists(st.sampled_from(State), max_size=6)
INTENTS = st.sampled_from(Status)


@pytest.mark.parametrize("intent", list(Status))
@pytest.mark.parametrize("counted", [[], [ONLINE], [IDLE], [OFF], [ONLINE, IDLE]])
def test_a_hiding_user_is_offline_whatever_its_devices_say(counted, intent):
    assert union(counted, intent, is_hiding=True) is Status.OFFLINE


@pytest.mark.parametrize(
    ("counted", "intent", "seen"),
    [
        pytest.param([ONLINE], Status.OFFLINE, Status.OFFLINE, id="invisible by intent"),
        pytest.param([ONLINE, IDLE], Status.OFFLINE, Status.OFFLINE, id="invisible on two"),
        pytest.param([], Status.ONLINE, Status.OFFLINE, id="nobody there"),
        pytest.param([], Status.DND, Status.OFFLINE, id="nobody there to be busy"),
        pytest.param([], Status.AWAY, Status.OFFLINE, id="nobody there to be away"),
        pytest.param([OFF], Status.ONLINE, Status.OFFLINE, id="one that does not count"),
        pytest.param([OFF, OFF], Status.DND, Status.OFFLINE, id="two that do not count"),
        pytest.param([ONLINE], Status.DND, Status.DND, id="busy"),
        pytest.param([IDLE], Status.DND, Status.DND, id="busy and idle"),
        pytest.param([ONLINE], Status.AWAY, Status.AWAY, id="away by hand"),
        pytest.param([IDLE], Status.AWAY, Status.AWAY, id="away by hand and idle"),
        pytest.param([ONLINE], Status.ONLINE, Status.ONLINE, id="online"),
        pytest.param([IDLE, ONLINE], Status.ONLINE, Status.ONLINE, id="one of two is in use"),
        pytest.param([OFF, ONLINE], Status.ONLINE, Status.ONLINE, id="one of two counts"),
        pytest.param([IDLE], Status.ONLINE, Status.AWAY, id="idle"),
        pytest.param([IDLE, IDLE], Status.ONLINE, Status.AWAY, id="both idle"),
        pytest.param([IDLE, OFF], Status.ONLINE, Status.AWAY, id="all that count are idle"),
    ],
)
def test_the_first_match_wins(counted, intent, seen):
    assert union(counted, intent, is_hiding=False) is seen


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([], OFF),
        ([OFF], OFF),
        ([IDLE, OFF], IDLE),
        ([IDLE, ONLINE], ONLINE),
        ([OFF, ONLINE], ONLINE),
    ],
)
def test_a_device_has_the_strongest_of_its_states(states, state):
    for shuffled in itertools.permutations(states):
        assert strongest(shuffled) is state


@settings(settings.get_profile("core"))
@given(STATES, INTENTS, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_devices_does_not_matter(states, intent, is_hiding, rng):
    shuffled = list(states)
    rng.shuffle(shuffled)
    assert union(shuffled, intent, is_hiding=is_hiding) is union(
        states, intent, is_hiding=is_hiding
    )


@settings(settings.get_profile("core"))
@given(STATES, STATES, INTENTS)
def test_devices_may_be_united_in_groups(some, others, intent):
    in_groups = [strongest(some), strongest(others)]
    assert union(in_groups, intent, is_hiding=False) is union(
        some + others, intent, is_hiding=False
    )


@settings(settings.get_profile("core"))
@given(STATES, INTENTS)
def test_a_device_counted_twice_counts_once(states, intent):
    assert union(states + states, intent, is_hiding=False) is union(states, intent, is_hiding=False)


@settings(settings.get_profile("core"))
@given(STATES, INTENTS)
def test_a_device_more_never_makes_a_user_less_present(states, intent):
    before = union(states, intent, is_hiding=False)
    after = union([*states, IDLE], intent, is_hiding=False)
    assert after is before or before is Status.OFFLINE
