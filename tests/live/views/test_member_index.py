"""The order in which a server's members are listed."""

from hypothesis import given
from hypothesis import strategies as st

from presence.live.views.member_index import MemberIndex

IDS = st.sampled_from("abcdefgh")
STEPS = st.lists(st.tuples(IDS, st.sampled_from(["visible", "offline", "gone"])), max_size=30)


def expected(members, count):
    visible = sorted(key for key, is_visible in members.items() if is_visible)
    others = sorted(key for key, is_visible in members.items() if not is_visible)
    return (visible + others)[:count]


@given(st.dictionaries(IDS, st.booleans()), STEPS, st.integers(0, 10))
def test_present_members_come_first_each_part_by_id(members, steps, count):
    member_index = MemberIndex(members, {key for key, is_visible in members.items() if is_visible})
    for user_id, what in steps:
        if what == "gone":
            members.pop(user_id, None)
            member_index.remove(user_id)
        else:
            members[user_id] = what == "visible"
            member_index.place(user_id, is_visible=what == "visible")
    assert member_index.first(count) == expected(members, count)
    assert len(member_index) == len(members)
    assert [list(member_index.after(key)) for key in ("", "d", "h")] == [
        sorted(user_id for user_id in members if user_id > key) for key in ("", "d", "h")
    ]


def test_beyond_what_is_known_only_those_not_offline_are_listed():
    member_index = MemberIndex(["a", "c"], {"x"}, known_up_to="c")
    for user_id in ("b", "d", "x"):
        member_index.place(user_id, is_visible=False)
    member_index.place("y", is_visible=True)
    assert member_index.first(10) == ["y", "a", "b", "c"]


def test_the_index_says_whether_it_needs_more_ids():
    member_index = MemberIndex(["a", "c"], {"x"}, known_up_to="c")
    assert (member_index.reaches(3), member_index.reaches(4)) == (True, False)
    assert MemberIndex(["a"], set()).reaches(100)
