"""A status that the user says again: told to dialects that repeat it, counted like a change."""

import pytest
from core_life import Life, run_of

from presence.core.public_changes import PresenceChanged
from presence.core.types import State, Status
from presence.core.user.patch import PresencePatch

ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def radio(life):
    connection = life.connect("radio")
    life.take_told()
    return connection


def forward(life, connection, intent) -> list[tuple[Status, bool, bool]]:
    """The user says *intent*: what others are told, whether it is forwarded, and a repeat."""
    life.say(connection, intent=intent, is_forwarded=True)
    return [(each.view.status, each.is_forwarded, each.is_repeat) for each in life.take_told()]


def test_a_new_status_is_one_publication(life, radio):
    assert forward(life, radio, DND) == [(DND, True, False)]


def test_the_same_status_again_is_a_repeat_without_a_version(life, radio):
    version, stored = life.view.version, len(life.records)
    assert forward(life, radio, ONLINE) == [(ONLINE, True, True)]
    assert (life.view.version, len(life.records)) == (version, stored)


def test_without_forwarding_a_repeated_status_publishes_nothing(life, radio):
    life.say(radio, intent=ONLINE)
    assert life.take_told() == []


def test_away_that_says_online_is_told_as_it_is(life, radio):
    """Each dialect decides whether online to away, or back, is an event of its own."""
    life.say(radio, state=State.IDLE)
    life.take_told()
    assert forward(life, radio, ONLINE) == [(AWAY, True, True)]


@pytest.mark.parametrize("hide", [{"intent": OFF}, {"appear_offline": True}])
def test_nothing_is_forwarded_while_hidden(life, radio, hide):
    life.say(radio, **hide)
    life.take_told()
    assert forward(life, radio, OFF) == []


def test_repeated_hiding_is_published_once(life, radio):
    assert forward(life, radio, OFF) == [(OFF, False, False)]
    assert forward(life, radio, OFF) == []


def test_a_status_hidden_by_the_flag_is_not_forwarded(life, radio):
    life.say(radio, appear_offline=True)
    life.take_told()
    assert forward(life, radio, DND) == []


def test_coming_back_is_one_publication(life, radio):
    life.say(radio, intent=OFF)
    life.take_told()
    assert forward(life, radio, DND) == [(DND, True, False)]


def test_repeats_count_against_the_rate_of_change_and_wait_for_it(life, radio):
    for _ in range(5):
        assert forward(life, radio, ONLINE) == [(ONLINE, True, True)]
    assert forward(life, radio, ONLINE) == []
    life.wait(19.9)
    assert life.take_told() == []
    life.wait(0.1)
    [told] = life.take_told()
    assert told.is_repeat


def test_a_pending_repeat_is_published_with_the_next_change(life, radio):
    for _ in range(6):
        forward(life, radio, ONLINE)
    life.say(radio, intent=DND)
    life.wait(20.0)
    [told] = life.take_told()
    assert (told.view.status, told.is_forwarded, told.is_repeat) == (DND, True, False)


def test_a_repeat_that_waits_lapses_when_the_user_hides(life, radio):
    for _ in range(6):
        forward(life, radio, ONLINE)
    life.say(radio, intent=OFF)
    life.take_told()
    life.wait(100.0)
    assert life.take_told() == []


def test_repeats_while_hidden_count_nowhere():
    life = Life(run=run_of(max_presence_changes=2))
    radio = life.connect("radio", intent=OFF)
    for _ in range(10):
        assert forward(life, radio, OFF) == []
    assert forward(life, radio, DND) == [(DND, True, False)]


def test_a_swept_device_that_says_its_status_comes_back_with_one_publication(life, radio):
    life.ping(radio)
    life.wait(1000.0)
    life.take_told()
    assert forward(life, radio, ONLINE) == [(ONLINE, True, False)]


def test_merging_keeps_that_one_of_them_is_to_be_forwarded():
    said, quiet = PresencePatch(intent=DND, is_forwarded=True), PresencePatch(activity="chess")
    assert said.merged_with(quiet).is_forwarded
    assert quiet.merged_with(said).is_forwarded
    assert not quiet.merged_with(quiet).is_forwarded
    assert not said.only_text().is_forwarded


def test_publications_of_anything_else_are_not_forwarded(life, radio):
    effects = life.say(radio, custom_status="lunch")
    [publish] = [each for each in effects if isinstance(each, PresenceChanged)]
    assert (publish.is_forwarded, publish.is_repeat) == (False, False)
