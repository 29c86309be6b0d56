"""The table of public views: snapshots, pages, eviction, and a store that is slow or away."""

import attrs
import pytest
import trio

from presence.core.memberships import MembershipRow, Memberships
from presence.core.snapshot import ServerSnapshot
from presence.core.types import EVERYONE, PublicView, ServerId, Status
from presence.errors import StoreUnavailable
from presence.live.views.public_views import PublicViews

CHESS = ServerId("chess")


def view_of(user_id, status=Status.OFFLINE, version=1):
    return PublicView(user_id, user_id, status, version=version)


def online(user_id, version=2):
    return view_of(user_id, Status.ONLINE, version)


@attrs.define
class Reader:
    """Views as they are stored, in time or late."""

    views: dict = attrs.field(factory=dict)
    reads: list = attrs.field(factory=list)
    takes: float = 0.0
    is_away: bool = False

    async def read_views(self, user_ids):
        self.reads.append(list(user_ids))
        found = {key: self.views[key] for key in user_ids if key in self.views}
        await self._take_time()
        return found

    async def read_announced_ids(self, after, limit):
        found = sorted(key for key in self.views if key > after)[:limit]
        await self._take_time()
        return found

    async def _take_time(self):
        if self.takes:
            await trio.sleep(self.takes)
        if self.is_away:
            raise StoreUnavailable("told to be away")


@pytest.fixture
def reader():
    return Reader({key: view_of(key) for key in ("ada", "bob", "carl", "dora")})


@pytest.fixture
def memberships():
    rows = [MembershipRow(key, CHESS, by_admin=True) for key in ("carl", "ada", "bob")]
    return Memberships({CHESS: "Chess club"}, rows, has_everyone=True)


def public_views_of(reader, memberships, *, large_threshold=250, capacity=100):
    return PublicViews(
        reader,
        memberships,
        announced_count=len(reader.views),
        large_threshold=large_threshold,
        capacity=capacity,
    )


@pytest.fixture
def public_views(reader, memberships):
    return public_views_of(reader, memberships)


async def snapshot(public_views, server_id=CHESS):
    (taken,) = await public_views.snapshots([server_id], list)
    return taken


def ids(views):
    return [view.user_id for view in views]


# Views ------------------------------------------------------------------------------------


async def test_views_come_in_the_order_asked_without_unannounced_users(public_views):
    views = await public_views.views(["dora", "nobody", "ada", "dora"])
    assert views == [view_of("dora"), view_of("ada"), view_of("dora")]


async def test_a_view_is_read_once(public_views, reader):
    await public_views.views(["ada"])
    await public_views.views(["ada", "bob"])
    assert reader.reads == [["ada"], ["bob"]]


async def test_the_least_used_is_evicted_and_read_again(reader, memberships):
    public_views = public_views_of(reader, memberships, capacity=2)
    for asked in (["ada"], ["bob"], ["ada"], ["carl"], ["ada"], ["bob"]):
        assert ids(await public_views.views(asked)) == asked
    assert reader.reads == [["ada"], ["bob"], ["carl"], ["bob"]]


async def test_a_question_of_more_than_the_table_holds_is_answered_whole(reader, memberships):
    public_views = public_views_of(reader, memberships, capacity=1)
    wanted = ["ada", "bob", "carl", "dora"]
    assert ids(await public_views.views(wanted)) == wanted


async def test_a_visible_user_is_never_evicted(reader, memberships):
    public_views = public_views_of(reader, memberships, capacity=1)
    public_views.put(online("ada"), is_first=False)
    public_views.put(online("bob"), is_first=False)
    await public_views.views(["carl", "dora"])
    reader.reads.clear()
    assert await public_views.views(["ada", "bob"]) == [online("ada"), online("bob")]
    assert (reader.reads, public_views.visible_count) == ([], 2)


async def test_the_user_s_own_actor_leaves_no_trace_of_having_asked(reader, memberships):
    public_views = public_views_of(reader, memberships, capacity=2)
    await public_views.views(["ada"])
    await public_views.views(["bob"])
    assert public_views.peek("ada") == view_of("ada")
    await public_views.views(["carl"])
    assert (public_views.peek("ada"), public_views.peek("bob")) == (None, view_of("bob"))


async def test_a_change_that_comes_while_others_are_read_is_in_the_answer(
    public_views, reader, nursery, autojump_clock
):
    reader.takes = 5.0
    await public_views.views(["ada"])
    answers = []

    async def ask():
        answers.extend(await public_views.views(["ada", "bob"]))

    nursery.start_soon(ask)
    await trio.sleep(1)
    public_views.put(online("ada", 7), is_first=False)
    public_views.put(online("bob", 8), is_first=False)
    await trio.sleep(10)
    assert answers == [online("ada", 7), online("bob", 8)]


async def test_views_that_cannot_be_read_are_an_error(public_views, reader):
    reader.is_away = True
    public_views.put(online("ada"), is_first=False)
    assert await public_views.views(["ada"]) == [online("ada")]
    with pytest.raises(StoreUnavailable):
        await public_views.views(["ada", "bob"])


# Snapshots --------------------------------------------------------------------------------


async def test_a_snapshot_has_those_not_offline_first_then_by_id(public_views):
    public_views.put(online("carl"), is_first=False)
    members = [online("carl"), view_of("ada"), view_of("bob")]
    assert await snapshot(public_views) == ServerSnapshot(
        CHESS, "Chess club", members, is_large=False, member_count=3, online_count=1
    )
    assert ids((await snapshot(public_views, EVERYONE)).members) == ["carl", "ada", "bob", "dora"]


async def test_a_large_server_is_cut_but_counts_all(reader, memberships):
    public_views = public_views_of(reader, memberships, large_threshold=2)
    public_views.put(online("carl"), is_first=False)
    for server_id, count in ((CHESS, 3), (EVERYONE, 4)):
        taken = await snapshot(public_views, server_id)
        assert ids(taken.members) == ["carl", "ada"]
        assert (taken.is_large, taken.member_count, taken.online_count) == (True, count, 1)
    for user_id in ("bob", "dora"):
        public_views.put(online(user_id), is_first=False)
    assert ids((await snapshot(public_views, EVERYONE)).members) == ["bob", "carl"]


async def test_a_server_just_at_the_threshold_is_not_large(reader, memberships):
    public_views = public_views_of(reader, memberships, large_threshold=3)
    assert not (await snapshot(public_views)).is_large
    assert (await snapshot(public_views, EVERYONE)).is_large


async def test_no_task_runs_between_a_snapshot_and_what_follows(
    public_views, reader, nursery, autojump_clock
):
    reader.takes = 1.0
    taken = []

    async def change():
        for version in range(10, 100):
            public_views.put(online("ada", version), is_first=False)
            await trio.lowlevel.checkpoint()

    def note(snapshots):
        taken.append((snapshots[0].members[0], public_views.peek("ada")))

    await public_views.views(["bob", "carl"])
    nursery.start_soon(change)
    for _ in range(20):
        await public_views.snapshots([CHESS], note)
        await trio.lowlevel.checkpoint()
    assert len(taken) == 20
    assert all(shown == latest for shown, latest in taken)


async def test_changes_while_ids_are_read_are_counted(
    public_views, reader, nursery, autojump_clock
):
    reader.takes = 5.0
    taken = []

    async def take():
        taken.append(await snapshot(public_views, EVERYONE))

    nursery.start_soon(take)
    await trio.sleep(1)
    public_views.put(view_of("eve"), is_first=True)
    public_views.put(online("frank"), is_first=True)
    public_views.put(view_of("gus"), is_first=True)
    public_views.forget("gus", {EVERYONE})
    public_views.forget("dora", {EVERYONE, CHESS})
    await trio.sleep(6)  # the views of those who are offline are being read
    public_views.forget("bob", {EVERYONE, CHESS})
    public_views.put(view_of("dora", version=9), is_first=True)
    await trio.sleep(20)
    assert [(each.user_id, each.version) for each in taken[0].members] == [
        ("frank", 2),
        ("ada", 1),
        ("carl", 1),
        ("dora", 9),
        ("eve", 1),
    ]
    assert (taken[0].member_count, taken[0].online_count) == (5, 1)


async def test_members_that_cannot_be_read_are_bare_in_a_snapshot(public_views, reader):
    public_views.put(online("bob"), is_first=False)
    reader.is_away = True
    bare = [PublicView("ada", "ada"), PublicView("carl", "carl")]
    assert (await snapshot(public_views)).members == [online("bob"), *bare]
    assert (await snapshot(public_views, EVERYONE)).members == [online("bob")]
    reader.is_away = False
    # What could not be read was not kept.
    assert (await snapshot(public_views)).members == [
        online("bob"),
        view_of("ada"),
        view_of("carl"),
    ]


# Changes of memberships, deletion ---------------------------------------------------------


async def test_the_count_of_those_online_follows_memberships_and_views(public_views, memberships):
    public_views.put(online("dora"), is_first=False)
    public_views.put(online("ada"), is_first=False)

    async def counts():
        return [(await snapshot(public_views, each)).online_count for each in (CHESS, EVERYONE)]

    assert await counts() == [1, 2]
    public_views.shift(memberships.admit("dora", CHESS))
    assert await counts() == [2, 2]
    public_views.shift(memberships.dismiss("ada", CHESS))
    assert await counts() == [1, 2]
    public_views.put(view_of("dora", version=9), is_first=False)
    assert await counts() == [0, 1]


async def test_a_deleted_user_is_in_no_answer(public_views, reader):
    public_views.put(online("ada"), is_first=False)
    del reader.views["ada"]
    public_views.forget("ada", {CHESS, EVERYONE})
    assert (await public_views.views(["ada"]), public_views.visible_count) == ([], 0)
    taken = await snapshot(public_views, EVERYONE)
    assert (ids(taken.members), taken.member_count, taken.online_count) == (
        ["bob", "carl", "dora"],
        3,
        0,
    )


# Pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("server_id", [CHESS, EVERYONE])
async def test_pages_go_by_id_whatever_the_status(public_views, server_id):
    public_views.put(online("carl"), is_first=False)
    everybody = ["ada", "bob", "carl", *(["dora"] if server_id == EVERYONE else [])]
    paged, after = [], ""
    while page := ids(await public_views.page(server_id, after, 2)):
        assert len(page) <= 2
        paged += page
        after = page[-1]
    assert paged == everybody


async def test_a_page_that_cannot_be_read_is_an_error(public_views, reader):
    reader.is_away = True
    for server_id in (CHESS, EVERYONE):
        with pytest.raises(StoreUnavailable):
            await public_views.page(server_id, "", 10)


# Snapshots that are still true ------------------------------------------------------------


async def test_while_nothing_changes_in_a_server_its_snapshot_is_the_same(public_views):
    for server_id in (CHESS, EVERYONE):
        assert await snapshot(public_views, server_id) is await snapshot(public_views, server_id)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda views, _: views.put(online("ada"), is_first=False), id="came"),
        pytest.param(lambda views, _: views.put(view_of("ada", version=9), is_first=False),
                     id="changed"),
        pytest.param(lambda views, _: views.forget("dora", {EVERYONE, CHESS}), id="deleted"),
        pytest.param(lambda views, members: views.shift(members.dismiss("ada", CHESS)),
                     id="left"),
        pytest.param(lambda views, members: views.shift(members.admit("dora", CHESS)),
                     id="joined"),
        pytest.param(lambda views, members: members.open_server(CHESS, "Go club"),
                     id="has another name"),
        pytest.param(lambda views, members: members.remove_user("ada"), id="left untold"),
    ],
)  # fmt: skip
async def test_after_any_change_it_is_the_server_as_it_is_now(
    public_views, reader, memberships, change
):
    await snapshot(public_views)
    change(public_views, memberships)
    fresh = public_views_of(reader, memberships)
    for key in ("ada", "bob", "carl", "dora"):
        view = public_views.peek(key)
        if view is not None:
            fresh.put(view, is_first=False)
    assert await snapshot(public_views) == await snapshot(fresh)


async def test_where_one_member_changed_the_others_are_not_looked_for(reader, memberships):
    public_views = public_views_of(reader, memberships, capacity=3)
    before = await snapshot(public_views)
    await public_views.views(["dora"])  # in the place of one of the three
    reader.reads.clear()
    public_views.put(online("carl"), is_first=False)
    after = await snapshot(public_views)
    assert after.members == [online("carl"), *before.members[:2]]
    assert reader.reads == []


async def test_a_server_that_could_not_be_read_whole_is_read_again(public_views, reader):
    reader.is_away = True
    assert {view.version for view in (await snapshot(public_views)).members} == {0}
    reader.is_away = False
    assert {view.version for view in (await snapshot(public_views)).members} == {1}


async def test_a_crowd_of_newcomers_reads_the_offline_members_once(
    public_views, reader, autojump_clock
):
    reader.takes = 1.0
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(snapshot, public_views)
    assert reader.reads == [["ada", "bob", "carl"]]
    assert trio.current_time() < 2


async def test_an_unannounced_member_is_read_once(public_views, reader, memberships):
    public_views.shift(memberships.admit("eve", CHESS))
    for _ in range(2):
        assert ids((await snapshot(public_views)).members) == ["ada", "bob", "carl", "eve"]
        public_views.put(online("ada"), is_first=False)
        public_views.put(view_of("ada"), is_first=False)
    assert reader.reads == [["ada", "bob", "carl", "eve"]]
    assert await public_views.views(["eve"]) == []
    public_views.put(view_of("eve", version=7), is_first=True)
    assert (await snapshot(public_views)).members[3].version == 7


async def test_the_ids_of_everyone_are_read_again_when_too_few_are_left(
    reader, memberships, autojump_clock
):
    names = [f"u{number:02}" for number in range(20)]
    reader.views = {name: view_of(name) for name in names}
    public_views = public_views_of(reader, memberships, large_threshold=3)
    for gone in range(15):
        taken = await snapshot(public_views, EVERYONE)
        assert ids(taken.members) == names[gone : gone + 3]
        del reader.views[names[gone]]
        public_views.forget(names[gone], {EVERYONE})
