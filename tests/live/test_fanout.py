"""Delivery of changes: one audience per change, each connection once."""

from functools import reduce

import attrs
import pytest
from listening import NUMBERS, PLAIN
from living import open_living

from actors import EACH_VALUE, Broadcaster
from presence.core.public_changes import MemberAdded, MemberRemoved, PresenceChanged
from presence.core.types import EVERYONE, PublicView, ServerId, Status
from presence.core.versions import Versions
from presence.live.connections import ConnectionRegistry
from presence.live.fanout import Fanout
from presence.live.subscriber import Announcement

ONLINE, AWAY, DND, OFFLINE = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE
CHESS, GO = ServerId("chess"), ServerId("go")
BOTH = frozenset({CHESS, GO})
BOB = PublicView("bob", "bob")


# Whole nodes ------------------------------------------------------------------------------


async def test_a_subscriber_of_several_servers_gets_each_change_once(store, autojump_clock):
    async with open_living(store, everyone_server=False) as living:
        both = ("chess", "go")
        ada = await living.connect("ada", servers=both)
        ada_again = await living.connect("ada", servers=both)
        carl = await living.connect("carl", servers=("go",))
        stranger = await living.connect("zoe", servers=("tennis",))
        bob = await living.connect("bob", servers=both)
        await living.settle()
        living.take_all()
        living.command(bob, intent=DND)
        await living.settle()
        everybody = (ada, ada_again, carl, stranger, bob)
        assert [subscriber.take() for subscriber in everybody] == [
            ["bob dnd"],
            ["bob dnd"],
            ["bob dnd"],
            [],
            ["SELF dnd (dnd)"],
        ]
        await living.check_beliefs()


async def test_a_dialect_gets_only_changes_it_has_an_event_for(living, autojump_clock):
    ada = await living.connect("ada", dialect=NUMBERS)
    bob = await living.connect("bob")
    await living.settle()
    for change in ({"intent": AWAY}, {"custom_status": "lunch"}, {"intent": DND}):
        living.command(bob, **change)
        await living.settle()
    assert ada.lines[1:] == ["bob 1", "bob 2"]


async def test_a_change_that_is_overtaken_while_it_waits_is_not_lost_to_any_dialect(
    living, autojump_clock
):
    """From dnd to dnd with a text is no event of numbers, but from online it is."""
    ada = await living.connect("ada", dialect=NUMBERS)
    bob, laptop = await living.connect("bob"), await living.connect("bob")
    await living.settle()
    living.command(bob, activity="chess")  # goes out at once, the others wait for their turn
    living.command(bob, intent=DND)
    living.command(laptop, custom_status="lunch")
    await living.settle()
    assert ada.lines[1:] == ["bob 1", "bob 2"]
    assert living.node.fanout.broadcaster.statistics().offers == 3


async def test_a_repeated_status_goes_only_to_dialects_that_repeat(living, autojump_clock):
    ada, eve = await living.connect("ada", dialect=NUMBERS), await living.connect("eve")
    bob = await living.connect("bob")
    late = await living.connect("ada", dialect=NUMBERS)
    living.take_all()
    for _ in range(2):
        living.command(bob, intent=DND, is_forwarded=True)
        await living.settle()
    assert ada.lines[-2:] == late.lines[-2:] == ["bob 2", "bob 2"]
    assert eve.take() == ["bob dnd"]
    assert bob.take() == ["SELF dnd (dnd)"]


async def test_a_later_subscriber_gets_repeats(living, autojump_clock):
    bob = await living.connect("bob")
    ada = await living.connect("ada", dialect=NUMBERS)
    living.take_all()
    living.command(bob, intent=ONLINE, is_forwarded=True)
    await living.settle()
    assert ada.take() == ["bob 1"]


async def test_repeats_of_a_hidden_user_are_not_sent(living, autojump_clock):
    ada, bob = await living.connect("ada", dialect=NUMBERS), await living.connect("bob")
    living.command(bob, intent=OFFLINE)
    await living.settle()
    offers = living.node.fanout.broadcaster.statistics().offers
    living.take_all()
    for intent in (OFFLINE, OFFLINE):
        living.command(bob, intent=intent, is_forwarded=True)
        await living.settle()
    assert ada.take() == []
    assert living.node.fanout.broadcaster.statistics().offers == offers


async def test_a_listener_that_changes_its_dialect_loses_nothing(living, autojump_clock):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    living.take_all()
    living.command(bob, activity="chess")  # goes out at once, the next waits for its turn
    living.command(bob, intent=DND)
    living.node.fanout.change_lane(ada, lambda: ada.speak(NUMBERS))
    await living.settle()
    living.command(bob, intent=ONLINE)
    await living.settle()
    assert ada.take() == ["bob online (chess)", "bob 2", "bob 1"]


# The fanout alone -------------------------------------------------------------------------


class Notes:
    """A reader that notes the frames of one dialect."""

    def __init__(self, dialect=PLAIN):
        self.dialect = dialect
        self.lines = []

    lane = EACH_VALUE

    def offer(self, packet):
        for _, announcement in packet:
            frame = announcement.frame(self.dialect)
            if frame is not None:
                self.lines.append(frame.decode())


class Counting:
    """Numbers that look at how an addition was seen before, as VoicePing does."""

    def encode(self, news):
        match news:
            case MemberAdded(before=None, view=view):
                return f"bob {NUMBERS.number(view)}".encode() if view.is_visible else None
            case MemberAdded(before=before, view=view):
                return NUMBERS.encode(PresenceChanged(before, view))


COUNTING = Counting()


@pytest.fixture
def versions():
    return Versions(0)


@pytest.fixture
def fanout(versions):
    """The broadcaster has not run yet."""
    broadcaster = Broadcaster(merge=Announcement.merged_with)
    return Fanout(broadcaster, ConnectionRegistry(), versions)


async def run_out(fanout):
    fanout.broadcaster.close()
    await fanout.broadcaster.run()


def become(fanout, versions, view, status, **texts):
    """Announce that *view* changes; what it is then."""
    changed = attrs.evolve(view, status=status, version=versions.next(), **texts)
    fanout.publish_presence(PresenceChanged(view, changed), BOTH)
    return changed


def repeat(fanout, view):
    """Bob sends its status again."""
    fanout.publish_presence(PresenceChanged(view, view, is_forwarded=True), BOTH)


async def test_an_addition_replaces_the_status_event(fanout, versions):
    in_both, in_chess, in_go = Notes(), Notes(), Notes()
    fanout.subscribe(in_both, [CHESS, GO])
    fanout.subscribe(in_chess, [CHESS])
    fanout.subscribe(in_go, [GO])
    online = attrs.evolve(BOB, status=ONLINE, version=versions.next())
    fanout.publish_presence(PresenceChanged(BOB, online), BOTH, {GO})
    await run_out(fanout)
    assert in_both.lines == ["+go bob online"]
    assert (in_chess.lines, in_go.lines) == (["bob online"], ["+go bob online"])


async def test_a_new_name_is_sent_in_every_server(fanout, versions):
    reader = Notes()
    fanout.subscribe(reader, [CHESS, GO])
    named = attrs.evolve(BOB, username="Bob", version=versions.next())
    fanout.publish_presence(PresenceChanged(BOB, named), BOTH)
    await run_out(fanout)
    assert reader.lines == ["+chess bob=Bob offline", "+go bob=Bob offline"]


async def test_a_subscriber_between_two_changes_gets_the_newer(fanout, versions):
    early, late = Notes(NUMBERS), Notes(NUMBERS)
    fanout.subscribe(early, [CHESS])
    online = attrs.evolve(BOB, status=ONLINE)
    busy = become(fanout, versions, online, DND)
    fanout.subscribe(late, [CHESS])  # with a snapshot that says dnd
    become(fanout, versions, busy, AWAY)
    await run_out(fanout)
    # Online to away is no event of numbers; a repeat does no harm, a lost change would.
    assert late.lines == ["bob 1"]
    assert early.lines == ["bob 1"]


async def test_a_subscriber_after_a_change_does_not_get_it(fanout, versions):
    late = Notes()
    become(fanout, versions, BOB, ONLINE)
    fanout.subscribe(late, [CHESS])
    await run_out(fanout)
    assert late.lines == []


async def test_merged_changes_are_sent_if_any_step_has_an_event(fanout, versions):
    reader = Notes(NUMBERS)
    fanout.subscribe(reader, [CHESS])
    view = attrs.evolve(BOB, status=ONLINE)
    for status, text in ((DND, None), (DND, "lunch"), (DND, "dessert")):
        view = become(fanout, versions, view, status, custom_status=text)
    await run_out(fanout)
    assert reader.lines == ["bob 2"]


async def test_a_repeat_that_overtakes_a_change_takes_nothing_from_anybody(fanout, versions):
    plain, numbers = Notes(), Notes(NUMBERS)
    for reader in (plain, numbers):
        fanout.subscribe(reader, [CHESS])
    view = become(fanout, versions, attrs.evolve(BOB, status=ONLINE), DND)
    repeat(fanout, view)
    await run_out(fanout)
    assert (plain.lines, numbers.lines) == (["bob dnd"], ["bob 2"])


async def test_a_change_that_overtakes_a_repeat_is_said_with_it(fanout, versions):
    plain, numbers = Notes(), Notes(NUMBERS)
    for reader in (plain, numbers):
        fanout.subscribe(reader, [CHESS])
    online = attrs.evolve(BOB, status=ONLINE)
    repeat(fanout, online)
    become(fanout, versions, online, ONLINE, custom_status="lunch")
    await run_out(fanout)
    assert (plain.lines, numbers.lines) == (["bob online 'lunch'"], ["bob 1"])


async def test_a_repeat_from_before_a_subscription_is_not_for_it(fanout, versions):
    early, late = Notes(NUMBERS), Notes(NUMBERS)
    fanout.subscribe(early, [CHESS])
    online = become(fanout, versions, BOB, ONLINE)
    repeat(fanout, online)
    latest = versions.latest
    fanout.subscribe(late, [CHESS])  # with a snapshot that says online
    await run_out(fanout)
    assert (early.lines, late.lines) == (["bob 1"], [])
    assert versions.latest == latest


async def test_a_change_that_no_server_sees_replaces_none_that_waits(fanout, versions):
    reader = Notes()
    fanout.subscribe(reader, [CHESS])
    online = become(fanout, versions, BOB, ONLINE)
    fanout.publish_presence(PresenceChanged(online, attrs.evolve(online, status=DND)), frozenset())
    await run_out(fanout)
    assert reader.lines == ["bob online"]


async def test_a_removal_carries_the_last_seen_view(fanout):
    reader = Notes()
    told = []
    reader.dialect = type("Asking", (), {"encode": lambda self, news: told.append(news)})()
    fanout.subscribe(reader, [CHESS])
    busy = attrs.evolve(BOB, status=DND)
    fanout.publish_removed({CHESS}, BOB.user_id, busy)
    await run_out(fanout)
    [news] = told
    assert news == MemberRemoved(CHESS, "bob", busy)
    assert news.was_visible
    assert not MemberRemoved(CHESS, "bob", BOB).was_visible


def test_merged_announcements_say_the_newest_from_each_view_that_a_listener_may_have():
    views = [attrs.evolve(BOB, status=each, version=n) for n, each in enumerate(Status)]
    asked = []

    class Asking:
        def encode(self, news):
            asked.append((news.before.version, news.view.version))

    steps = [Announcement(PresenceChanged(views[n], views[n + 1]), n + 1) for n in range(3)]
    merged = steps[0].merged_with(steps[1]).merged_with(steps[2])
    dialect = Asking()
    assert merged.frame(dialect) is None
    assert merged.frame(dialect) is None  # encoded once
    assert asked == [(0, 3), (1, 3), (2, 3)]
    assert (merged.key, merged.version, merged.update) == ("bob", 3, steps[2].update)


def test_the_newest_of_additions_and_removals_holds():
    added = Announcement(MemberAdded(CHESS, BOB), 1)
    removed = Announcement(MemberRemoved(CHESS, BOB.user_id), 2)
    assert added.key == removed.key != Announcement(MemberAdded(EVERYONE, BOB), 3).key
    assert added.merged_with(removed).update == removed.update
    assert removed.merged_with(added).update == added.update


@pytest.mark.parametrize(
    ("befores", "told"),
    [
        ([None], "bob 2"),  # it was not seen there
        ([ONLINE], "bob 2"),
        ([DND], None),
        ([None, DND], "bob 2"),  # a new name behind it takes nothing from who did not see it
        ([DND, ONLINE, DND], "bob 2"),  # who came in between saw it online
    ],
)
def test_merged_additions_are_sent_if_any_step_has_an_event(befores, told):
    views = [each and attrs.evolve(BOB, status=each) for each in befores]
    busy = attrs.evolve(BOB, status=DND, version=9)
    first, *others = [
        Announcement(MemberAdded(CHESS, busy, view), n) for n, view in enumerate(views)
    ]
    merged = reduce(Announcement.merged_with, others, first)
    assert (merged.frame(COUNTING) or b"").decode() == (told or "")


def test_a_user_removed_and_added_again_is_compared_with_the_view_before():
    busy, offline = attrs.evolve(BOB, status=DND, version=1), attrs.evolve(BOB, version=3)
    removed = Announcement(MemberRemoved(CHESS, BOB.user_id, busy), 2)
    again = removed.merged_with(Announcement(MemberAdded(CHESS, offline, offline), 4))
    assert again.frame(COUNTING) == b"bob 0"
    assert (again.key, again.version) == (removed.key, 4)
