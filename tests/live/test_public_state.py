"""A public change has the same effect wherever it was made."""

from listening import say

from actors import EACH_VALUE, Broadcaster
from presence.core.memberships import Memberships
from presence.core.public_changes import UserRemoved
from presence.core.types import EVERYONE, ServerId, Status
from presence.core.versions import Versions
from presence.live.connections import ConnectionRegistry
from presence.live.fanout import Fanout
from presence.live.public_state import PublicState
from presence.live.subscriber import Announcement
from presence.live.views.public_views import PublicViews
from presence.live.views.recent_changes import RecentChanges

CHESS, GO = ServerId("chess"), ServerId("go")


class NoStore:
    """There is nothing to read."""

    async def read_views(self, user_ids):
        return {}

    async def read_announced_ids(self, after, limit):
        return []


class Notes:
    """A reader of all updates."""

    lane = EACH_VALUE

    def __init__(self):
        self.updates = []

    def offer(self, packet):
        self.updates += [announcement.update for _, announcement in packet]


class Replica:
    """A public state that no actor changes, with one subscriber of both servers."""

    def __init__(self):
        self.memberships, self.notes = Memberships({}, [], has_everyone=True), Notes()
        self.public_views = PublicViews(
            NoStore(), self.memberships, announced_count=0, large_threshold=250
        )
        self.broadcaster = Broadcaster(merge=Announcement.merged_with)
        fanout = Fanout(self.broadcaster, ConnectionRegistry(), Versions(0))
        self.state = PublicState(
            self.memberships, self.public_views, fanout, RecentChanges(0, lambda: 0.0)
        )
        fanout.subscribe(self.notes, [CHESS, GO])

    @property
    def seen(self):
        return seen(self.public_views)

    @property
    def members(self):
        return [self.memberships.members_of(each) for each in (CHESS, GO)]


def seen(public_views):
    """The present members of each server with their statuses."""
    return [sorted(map(say, public_views.present_in([each]))) for each in (CHESS, GO, EVERYONE)]


def record_changes(node):
    """Every change that the node applies from now on."""
    changes, apply = [], node.public_state.apply

    def apply_and_note(change):
        changes.append(change)
        return apply(change)

    node.public_state.apply = apply_and_note
    return changes


async def test_changes_of_another_node_lead_to_the_same_public_state(living, autojump_clock):
    node, replica = living.node, Replica()
    changes = record_changes(node)
    await living.connect("ada", servers=["chess", "go"])
    bob = await living.connect("bob", servers=["chess"])
    living.command(bob, intent=Status.DND, custom_status="lunch")
    await living.admin.put_server("go", "Go")
    await living.admin.put_member("go", "bob")
    living.admin.delete_member("chess", "ada")
    eve = await living.connect("eve", servers=["go"])
    await living.admin.put_user("eve", "Eve")
    await living.settle()
    living.leave(eve)
    await living.admin.delete_user("eve")
    await living.connect("bob", servers=["go"])
    await living.settle()
    for change in changes:
        replica.state.apply(change)
    assert replica.seen == seen(node.public_views)
    assert replica.members == [node.memberships.members_of(each) for each in (CHESS, GO)]
    assert replica.members == [set(), {"ada", "bob"}]


async def test_a_change_that_is_applied_publishes_what_its_own_node_did(
    living, nursery, autojump_clock
):
    replica, watching = Replica(), Notes()
    nursery.start_soon(replica.broadcaster.run)
    changes = record_changes(living.node)
    living.node.fanout.subscribe(watching, [CHESS, GO])
    bob = await living.connect("bob", servers=["chess"])
    living.command(bob, intent=Status.DND, is_forwarded=True)
    await living.settle()
    living.command(bob, intent=Status.DND, is_forwarded=True)
    await living.settle()
    await living.admin.delete_user("bob")
    await living.settle()
    for change in changes:
        replica.state.apply(change)
        await living.settle()
    assert replica.notes.updates == watching.updates
    assert len(watching.updates) == 5


async def test_rows_that_changed_are_returned_and_stored_by_nobody_here(living, autojump_clock):
    changes = record_changes(living.node)
    await living.connect("bob", servers=["chess"])
    [change] = changes
    replica = Replica()
    [row] = replica.state.apply(change)
    assert (row.user_id, row.server_id, row.by_shown_claim) == ("bob", "chess", True)
    assert replica.state.apply(UserRemoved(replica.memberships.remove_user("bob"))) != ()
    assert replica.members == [set(), set()]
