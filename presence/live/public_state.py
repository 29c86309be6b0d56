"""The public state of users and servers, and the one way to change it.

Rule: nothing here belongs to a single user's actor. A change has the same
effect whether an actor of this node made it or it came from somewhere else.
"""

from collections.abc import Sequence, Set

from presence.core.memberships import MembershipDelta, MembershipRow, Memberships
from presence.core.public_changes import (
    MembershipsChanged,
    PresenceChanged,
    PublicChange,
    ServerRenamed,
    UserRemoved,
)
from presence.core.types import ServerId
from presence.live.fanout import Fanout
from presence.live.views.public_views import PublicViews
from presence.live.views.recent_changes import RecentChanges

NO_SERVERS: Set[ServerId] = frozenset()


class PublicState:
    """The table of public views, the memberships as others see them, and the topics."""

    def __init__(
        self,
        memberships: Memberships,
        public_views: PublicViews,
        fanout: Fanout,
        recent_changes: RecentChanges,
    ) -> None:
        self._memberships = memberships
        self._public_views = public_views
        self._fanout = fanout
        self._recent_changes = recent_changes

    def apply(self, change: PublicChange) -> Sequence[MembershipRow]:
        """Bring the tables up to date, then publish what subscribers get; never waits.

        Returns the rows of memberships that changed; to store them is up to the
        caller, and so are the user's record, timers and own connections.
        """
        match change:
            case PresenceChanged():
                return self._change_presence(change)
            case MembershipsChanged(delta, view):
                self._memberships.adopt(delta)
                self._public_views.shift(delta)
                if view is not None:
                    self._fanout.publish_added(delta.appeared, view)
                before = self._public_views.peek(delta.user_id)
                self._fanout.publish_removed(delta.vanished, delta.user_id, before)
                self._note_memberships(delta.appeared | delta.vanished)
                return delta.rows
            case UserRemoved(delta):
                return self._remove_user(delta)
            case ServerRenamed(snapshot):
                self._memberships.open_server(snapshot.id, snapshot.name)
                self._fanout.publish_renamed(change)
                return ()

    def _change_presence(self, change: PresenceChanged) -> Sequence[MembershipRow]:
        view, delta = change.view, change.delta
        if change.is_forwarded and change.is_repeat:
            self._fanout.publish_presence(change, self._memberships.public_servers_of(view.user_id))
            return ()
        self._recent_changes.note(view.version, view.user_id)
        if delta is None:
            seen_in = self._public_views.put(view, is_first=change.is_first)
            appeared = seen_in if change.is_first else NO_SERVERS
            self._fanout.publish_presence(change, seen_in, appeared)
            return ()
        self._memberships.adopt(delta)
        seen_in = self._public_views.put(view, is_first=change.is_first)
        self._public_views.shift(delta)
        appeared = seen_in if change.is_first else delta.appeared
        self._fanout.publish_presence(change, seen_in, appeared)
        self._fanout.publish_removed(delta.vanished, view.user_id, change.before)
        self._note_memberships(delta.appeared | delta.vanished)
        return delta.rows

    def _remove_user(self, delta: MembershipDelta) -> Sequence[MembershipRow]:
        user_id = delta.user_id
        self._memberships.adopt(delta)
        seen_in = delta.vanished | self._memberships.public_servers_of(user_id)
        before = self._public_views.peek(user_id)
        self._public_views.forget(user_id, seen_in)
        self._fanout.publish_removed(seen_in, user_id, before)
        self._note_memberships(seen_in)
        return delta.rows

    def _note_memberships(self, servers: Set[ServerId]) -> None:
        """Note the change once it is published, since that takes versions, too."""
        if servers:
            self._recent_changes.note_memberships(self._fanout.latest_version, servers)
