"""The script of the demonstration: the same numbers give the same lives, and these are lively."""

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.types import State, Status
from presence.demo.cast import PEOPLE
from presence.demo.script import (
    DRAW_SIZE,
    LEAST_ONLINE,
    LONGEST_PAUSE,
    REST,
    SHORTEST_PAUSE,
    Draw,
    Move,
    open_scene,
    plan_step,
)

NOW = 1_790_000_000.0
HOUR = 3600.0
THIRD = len(PEOPLE) / 3

NUMBERS = st.floats(0, 1, exclude_max=True)
DRAWS = st.builds(Draw, *[NUMBERS] * DRAW_SIZE)


def draws_of(seed):
    numbers = random.Random(seed)
    while True:
        yield Draw(*(numbers.random() for _ in range(DRAW_SIZE)))


def live(seed, seconds=HOUR):
    """Yield the scene after the opening and after each step, with the step."""
    draws, now = draws_of(seed), NOW
    scene, _ = open_scene([next(draws) for _ in PEOPLE], NOW)
    yield scene, None
    while now < NOW + seconds:
        step = plan_step(scene, next(draws), now)
        assert now + SHORTEST_PAUSE <= step.at <= now + LONGEST_PAUSE
        now = step.at
        scene = scene.after_time(now).after(step)
        yield scene, step


def statuses_in(scene):
    return Counter(life.status for life in scene.lives.values())


@pytest.mark.parametrize("seed", range(3))
def test_the_same_numbers_give_the_same_hour(seed):
    assert [step for _, step in live(seed, 300)] == [step for _, step in live(seed, 300)]


def test_other_numbers_give_another_hour():
    assert [step for _, step in live(1, 60)] != [step for _, step in live(2, 60)]


def test_planning_changes_nothing_that_it_was_given():
    draws = draws_of(5)
    scene, _ = open_scene([next(draws) for _ in PEOPLE], NOW)
    before, draw = repr(scene), next(draws)
    step = plan_step(scene, draw, NOW)
    scene.after(step)
    assert repr(scene) == before
    assert plan_step(scene, draw, NOW) == step


@given(st.lists(DRAWS, min_size=len(PEOPLE), max_size=len(PEOPLE)))
def test_the_scene_opens_with_every_status_whatever_the_numbers(draws):
    scene, steps = open_scene(draws, NOW)
    assert statuses_in(scene) == {
        Status.ONLINE: 14,
        Status.AWAY: 6,
        Status.DND: 4,
        Status.OFFLINE: 6,
    }
    assert {step.at for step in steps} == {NOW}
    assert Counter(step.user_id for step in steps).keys() == {person.id for person in PEOPLE}


@pytest.mark.parametrize("seed", range(3))
def test_within_an_hour_each_kind_of_change_occurs_and_everybody_moves(seed):
    steps = [step for _, step in live(seed) if step]
    moves = Counter(step.move for step in steps)
    assert moves.keys() == set(Move)
    assert min(moves.values()) > 30
    assert {step.user_id for step in steps} == {person.id for person in PEOPLE}
    assert len(steps) == pytest.approx(HOUR, rel=0.05)  # one a second


@pytest.mark.parametrize("seed", range(3))
def test_at_any_time_of_an_hour_more_than_a_third_are_online_and_somebody_is_not(seed):
    assert LEAST_ONLINE > THIRD
    for scene, _ in live(seed):
        online = statuses_in(scene)[Status.ONLINE]
        assert THIRD < online < len(PEOPLE)


@pytest.mark.parametrize("seed", range(3))
def test_over_an_hour_every_status_is_there_most_of_the_time(seed):
    scenes = [statuses_in(scene) for scene, _ in live(seed)]
    for status in Status:
        assert sum(scene[status] > 0 for scene in scenes) > 0.9 * len(scenes)


@pytest.mark.parametrize("seed", range(3))
def test_nobody_meets_the_rate_limit(seed):
    moved_at = defaultdict(lambda: NOW - REST)
    for _, step in live(seed):
        if step:
            assert step.at - moved_at[step.user_id] >= REST
            moved_at[step.user_id] = step.at


@pytest.mark.parametrize("seed", range(3))
def test_each_step_fits_the_state_of_its_person(seed):
    before = None
    for scene, step in live(seed, 1200):
        if step:
            life = before.after_time(step.at).lives[step.user_id]
            assert step.move in life.moves
            assert (step.change is None) == (step.move is Move.LEAVE)
            assert scene.lives[step.user_id] != life
        before = scene


def test_do_not_disturb_has_an_end_at_which_its_text_goes_too():
    for scene, step in live(3):
        if step and step.move is Move.DND:
            busy = scene.after_time(step.change.until - 1).lives[step.user_id]
            free = scene.after_time(step.change.until).lives[step.user_id]
            assert busy.status is Status.DND
            assert busy.preferences.texts.custom_status is not None
            assert (free.status, free.preferences.texts.custom_status) == (Status.ONLINE, None)


def test_whoever_returns_from_a_break_has_no_word_of_it_any_more():
    before = None
    for scene, step in live(4):
        if step and step.move is Move.RETURN:
            was_busy = before.after_time(step.at).lives[step.user_id].preferences.intent
            life = scene.lives[step.user_id]
            assert (life.status, life.state) == (Status.ONLINE, State.ONLINE)
            if was_busy is not Status.ONLINE:
                assert life.preferences.texts.custom_status is None
        before = scene


def test_nobody_is_planned_while_all_rest():
    draws = draws_of(6)
    scene, _ = open_scene([next(draws) for _ in PEOPLE], NOW)
    assert plan_step(scene, next(draws), NOW - LONGEST_PAUSE - 1) is None
