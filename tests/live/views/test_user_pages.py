"""Lists of users by number: right whatever happens meanwhile, and read in bounded steps."""

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from presence.core.memberships import MembershipRow, Memberships
from presence.core.types import EVERYONE, PublicView, Status
from presence.errors import StoreUnavailable
from presence.live.views import recent_user_changes, user_pages
from presence.live.views.public_views import PublicViews
from presence.live.views.user_pages import STEP, UserPages

ALL = {EVERYONE}


@attrs.define
class Reader:
    """Ids as they are stored; notes how many were asked for, and calls *meanwhile* then."""

    shown: set
    asked: list = attrs.field(factory=list)
    meanwhile: object = None
    is_away: bool = False

    async def read_views(self, user_ids):
        return {key: PublicView(key, key) for key in user_ids if key in self.shown}

    async def read_announced_ids(self, after, limit):
        self.asked.append(limit)
        if self.is_away:
            raise StoreUnavailable("told to be away")
        if self.meanwhile is not None:
            self.meanwhile()
        return sorted(key for key in self.shown if key > after)[:limit]


class Crowd:
    """All users of a server with `everyone`, as the public views and the store know them."""

    def __init__(self, shown):
        self.reader = Reader(set(shown))
        memberships = Memberships({}, [], has_everyone=True)
        self.public_views = PublicViews(
            self.reader, memberships, announced_count=len(self.reader.shown), large_threshold=250
        )
        self.pages = UserPages(self.public_views)

    def turn(self, user_id):
        """The user is deleted where it is shown, else it is announced for the first time."""
        if user_id in self.reader.shown:
            self.reader.shown.remove(user_id)
            self.public_views.forget(user_id, ALL)
        else:
            self.reader.shown.add(user_id)
            self.public_views.put(PublicView(user_id, user_id, Status.ONLINE), is_first=True)

    def expected(self, own, first, count):
        return sorted(self.reader.shown | {own})[first : first + count]

    def take_asked(self):
        asked, self.reader.asked = self.reader.asked, []
        return asked


def names(count):
    return [f"u{number:05}" for number in range(count)]


# -- the list of everyone --------------------------------------------------------------------

IDS = st.sampled_from([*"abcdefghijklm", "e+", "e~", "e~z"])
ASKED = st.tuples(IDS, st.integers(0, 20), st.integers(1, 6))


@given(st.sets(IDS), st.lists(IDS | ASKED, max_size=40))
def test_at_any_time_it_is_cut_from_the_list_as_it_is_then(shown, steps):
    async def live():
        crowd = Crowd(shown)
        for step in steps:
            if isinstance(step, str):
                crowd.turn(step)
            else:
                own, first, count = step
                found = await crowd.pages.ids(ALL, own, first, count)
                assert list(found) == crowd.expected(own, first, count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_pages, "STEP", 3)
        patch.setattr(recent_user_changes, "_REMEMBERED", 5)
        trio.run(live)


@given(st.sets(IDS), st.lists(st.lists(IDS, max_size=4), max_size=20), st.lists(ASKED, min_size=1))
def test_changes_during_a_read_do_not_harm_later_answers(shown, turns, asked):
    async def live():
        crowd = Crowd(shown)
        waiting = list(turns)

        def change():
            for user_id in waiting.pop() if waiting else ():
                crowd.turn(user_id)

        crowd.reader.meanwhile = change
        for own, first, count in asked:
            await crowd.pages.ids(ALL, own, first, count)
        crowd.reader.meanwhile = None
        for own, first, count in asked:
            found = await crowd.pages.ids(ALL, own, first, count)
            assert list(found) == crowd.expected(own, first, count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_pages, "STEP", 3)
        patch.setattr(recent_user_changes, "_REMEMBERED", 2)
        trio.run(live)


async def test_the_way_to_a_far_page_goes_in_bounded_steps():
    crowd = Crowd(names(10 * STEP))
    found = await crowd.pages.ids(ALL, "u00000", 9 * STEP + 500, 100)
    assert list(found) == names(10 * STEP)[9 * STEP + 500 : 9 * STEP + 600]
    assert max(crowd.reader.asked) == STEP


async def test_page_after_page_reads_no_user_much_more_than_twice():
    crowd = Crowd(names(10 * STEP))
    first, seen = 0, []
    while page := await crowd.pages.ids(ALL, "u00000", first, 100):
        seen += page
        first += 100
    assert seen == names(10 * STEP)
    assert sum(crowd.reader.asked) < 3 * len(seen)


async def test_changes_do_not_restart_the_search_for_a_page():
    crowd = Crowd(names(10 * STEP))
    await crowd.pages.ids(ALL, "z", 9 * STEP, 100)
    for user_id in ("a1", "a2", "u00007"):
        crowd.turn(user_id)
    crowd.take_asked()
    found = await crowd.pages.ids(ALL, "z", 9 * STEP, 100)
    assert list(found) == crowd.expected("z", 9 * STEP, 100)
    assert sum(crowd.take_asked()) < 3 * STEP


async def test_a_page_far_beyond_the_end_is_empty_and_costs_no_more_than_the_list():
    crowd = Crowd(names(2 * STEP))
    assert await crowd.pages.ids(ALL, "u00000", 999_999_998 * 500, 501) == []
    assert len(crowd.reader.asked) == 3


async def test_no_page_can_be_had_where_ids_cannot_be_read():
    crowd = Crowd(names(3))
    crowd.reader.is_away = True
    for first in (0, 2):
        with pytest.raises(StoreUnavailable):
            await crowd.pages.ids(ALL, "u00000", first, 100)
    crowd.reader.is_away = False
    assert list(await crowd.pages.ids(ALL, "u00000", 1, 100)) == names(3)[1:]


# -- explicit servers ------------------------------------------------------------------------

SERVERS = ("s1", "s2", "s3")


@given(
    st.dictionaries(st.sampled_from(SERVERS), st.sets(IDS)),
    st.sets(IDS),
    st.sets(st.sampled_from(SERVERS)),
    IDS,
    st.integers(1, 20),
)
def test_members_of_several_servers_are_listed_once_by_id(members, visible, servers, own, count):
    async def live():
        rows = [
            MembershipRow(key, each, by_admin=True) for each in members for key in members[each]
        ]
        public_views = PublicViews(
            Reader(set()),
            Memberships({}, rows, has_everyone=False),
            announced_count=0,
            large_threshold=250,
        )
        for user_id in sorted(visible):
            public_views.put(PublicView(user_id, user_id, Status.DND), is_first=False)
        pages, seen = UserPages(public_views), []
        while page := await pages.ids(servers, own, len(seen), count):
            assert len(page) <= count
            seen += page
        assert seen == sorted({own}.union(*(members.get(each, ()) for each in servers)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_pages, "STEP", 2)
        trio.run(live)


async def test_the_way_through_one_list_says_nothing_of_another():
    everybody = names(4 * STEP)
    members = everybody[::2]
    rows = [MembershipRow(key, "s1", by_admin=True) for key in members]
    reader = Reader(set(everybody))
    memberships = Memberships({}, rows, has_everyone=False)
    pages = UserPages(PublicViews(reader, memberships, announced_count=0, large_threshold=250))
    for _ in range(2):
        for servers, ids in ((ALL, everybody), ({"s1"}, members)):
            found = await pages.ids(servers, "u00000", STEP + 500, 100)
            assert list(found) == ids[STEP + 500 : STEP + 600]


async def test_others_have_their_turn_on_the_way_to_a_far_page(nursery):
    rows = [MembershipRow(key, "s1", by_admin=True) for key in names(10 * STEP)]
    memberships = Memberships({}, rows, has_everyone=False)
    public_views = PublicViews(Reader(set()), memberships, announced_count=0, large_threshold=250)
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    nursery.start_soon(count_turns)
    await UserPages(public_views).ids({"s1"}, "u00000", 9 * STEP, 100)
    nursery.cancel_scope.cancel()
    assert turns >= 9
