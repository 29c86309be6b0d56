"""Recent additions and deletions of users, applied to older lists."""

from hypothesis import given
from hypothesis import strategies as st

from presence.live.views import recent_user_changes
from presence.live.views.recent_user_changes import RecentUserChanges

IDS = st.sampled_from("abcdef")


def turn(shown, taken, user_id):
    """The user is deleted where it was shown, else shown."""
    is_announced = user_id not in shown
    shown ^= {user_id}
    taken.note(user_id, is_announced=is_announced)


@given(st.lists(IDS), st.lists(IDS), IDS)
def test_the_difference_of_two_lists_is_found(earlier, later, up_to):
    shown, taken = set(), RecentUserChanges()
    for user_id in earlier:
        turn(shown, taken, user_id)
    then, count = set(shown), taken.count
    for user_id in later:
        turn(shown, taken, user_id)
    below = [sum(user_id <= up_to for user_id in users) for users in (shown, then)]
    assert taken.gained(count, up_to) == below[0] - below[1]


@given(st.lists(IDS), st.lists(IDS))
def test_the_turns_since_bring_an_older_list_up_to_date(earlier, later):
    shown, taken = set(), RecentUserChanges()
    for user_id in earlier:
        turn(shown, taken, user_id)
    listed, count = set(shown), taken.count
    for user_id in later:
        turn(shown, taken, user_id)
    for user_id, is_announced in taken.since(count):
        (listed.add if is_announced else listed.remove)(user_id)
    assert listed == shown


def test_nobody_says_what_was_gained_since_turns_that_are_forgotten(monkeypatch):
    monkeypatch.setattr(recent_user_changes, "_REMEMBERED", 3)
    taken = RecentUserChanges()
    for user_id in "abcd":
        taken.note(user_id, is_announced=True)
    assert [taken.gained(count, "c") for count in range(5)] == [None, 2, 1, 0, 0]
    assert list(taken.since(0)) == [("b", True), ("c", True), ("d", True)]
