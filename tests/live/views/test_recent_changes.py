"""What is remembered of the latest public changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.live.views import recent_changes
from presence.live.views.recent_changes import RecentChanges


class Wall:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def noted(*changes, version=100):
    recent = RecentChanges(version, Wall())
    for number, user in enumerate(changes, version + 1):
        recent.note(number, user)
    return recent


def test_each_user_is_named_once_by_its_last_change():
    recent = noted("ada", "bob", "ada", "carl")
    assert recent.users_since(100, []) == ["bob", "ada", "carl"]
    assert recent.users_since(102, []) == ["ada", "carl"]
    assert recent.users_since(104, []) == []


def test_what_came_before_the_start_is_not_known():
    assert noted("ada").users_since(99, []) is None


def test_a_client_older_than_a_change_of_its_servers_cannot_be_told_single_changes():
    recent = noted("ada", "bob")
    recent.note_memberships(103, ["chess"])
    assert recent.users_since(102, ["chess", "go"]) is None
    assert recent.users_since(102, ["go"]) == []
    assert recent.users_since(103, ["chess"]) == []


def test_old_changes_are_forgotten_and_said_to_be(monkeypatch):
    monkeypatch.setattr(recent_changes, "REMEMBERED", 3)
    recent = noted(*"abcdefg")
    assert recent.users_since(103, []) is None
    assert recent.users_since(104, []) == ["e", "f", "g"]


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(100, 130))
def test_it_forgets_none_that_it_does_not_say_it_forgot(users, since):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent_changes, "REMEMBERED", 4)
        found = noted(*users).users_since(since, [])
    expected = {user for number, user in enumerate(users, 101) if number > since}
    assert found is None or set(found) == expected
    assert found is not None or since < 100 + len(users) - 4


def test_the_time_of_a_version_is_known_to_a_tenth_of_a_second():
    wall = Wall()
    recent = RecentChanges(100, wall)
    for version in range(101, 131):
        wall.now += 0.04
        recent.note(version, "ada")
    for version in range(101, 131):
        given_at = 1000.0 + 0.04 * (version - 100)
        assert given_at - 0.1 <= recent.given_at(version) <= given_at
    assert recent.given_at(1) == 1000.0


def test_old_times_are_forgotten(monkeypatch):
    monkeypatch.setattr(recent_changes, "TIMES", 2)
    wall = Wall()
    recent = RecentChanges(0, wall)
    for version in range(1, 10):
        wall.now += 1.0
        recent.note(version, "ada")
    assert recent.given_at(9) == 1009.0
    assert recent.given_at(1) >= 1001.0
