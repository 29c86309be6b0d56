"""Who is told what: from a change of one user to announcements on servers' topics."""

from collections.abc import Callable, Iterable, Set

from actors import Broadcaster
from presence.core.memberships import MembershipDelta, Memberships
from presence.core.public_changes import (
    MemberAdded,
    MemberRemoved,
    PresenceChanged,
    Update,
    subject_of,
)
from presence.core.types import PublicView, ServerId
from presence.core.versions import Versions
from presence.live.connections import ConnectionRegistry
from presence.live.subscriber import Announcement, Subscriber

NOBODY: Set[ServerId] = frozenset()


class Fanout:
    """Hands news to the broadcaster: the topics are servers, the readers connections.

    Of a user's own changes its own connections get the self view only.
    """

    def __init__(
        self,
        broadcaster: Broadcaster[ServerId, Announcement],
        memberships: Memberships,
        connections: ConnectionRegistry,
        versions: Versions,
    ) -> None:
        self.broadcaster = broadcaster
        self._memberships = memberships
        self._connections = connections
        self._versions = versions

    def subscribe(self, subscriber: Subscriber, servers: Iterable[ServerId], since: int) -> None:
        """From now on *subscriber* is told what happens in *servers* after version *since*."""
        self.broadcaster.subscribe(subscriber, servers, since=since)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self.broadcaster.unsubscribe(subscriber)

    def join(self, subscriber: Subscriber, server_id: ServerId, since: int) -> None:
        """One more server for a listener that is subscribed."""
        self.broadcaster.join(subscriber, server_id, since=since)

    def leave(self, subscriber: Subscriber, server_id: ServerId) -> None:
        self.broadcaster.leave(subscriber, server_id)

    def servers_of(self, subscriber: Subscriber) -> Set[ServerId]:
        """The servers whose news *subscriber* is told."""
        return self.broadcaster.topics_of(subscriber)

    def change_lane(self, subscriber: Subscriber, change: Callable[[], None]) -> None:
        """Call *change*, after which *subscriber* is spoken to in another dialect.

        What goes out at this moment it may get again, in the new one.
        """
        self.broadcaster.change_lane(subscriber, change)

    def announce(
        self,
        before: PublicView,
        view: PublicView,
        appeared: Set[ServerId],
        *,
        is_forwarded: bool = False,
    ) -> None:
        """The public view changed; in the servers *appeared* the user is new.

        A MemberAdded carries the view and stands for the status event of the
        same change; so does it where the name changed.
        """
        shown_in = self._memberships.public_servers_of(view.user_id)
        introduced = shown_in if view.username != before.username else appeared
        others = shown_in - introduced if introduced else shown_in
        if others:
            news = PresenceChanged(before, view, is_forwarded=is_forwarded)
            self._publish(news, view.version, others, except_topics=introduced)
        for server_id in sorted(introduced):
            added = MemberAdded(server_id, view, None if server_id in appeared else before)
            self._publish(added, self._versions.next(), {server_id})

    def repeat(self, view: PublicView) -> None:
        """The user said again what it is; nothing changed, so it has no version of its own."""
        shown_in = self._memberships.public_servers_of(view.user_id)
        # Newer than what was, for whoever came since the last change; older than what will be.
        sequence = self._versions.latest + 0.5
        self._publish(PresenceChanged(view, view, is_forwarded=True), sequence, shown_in)

    def announce_appeared(self, shift: MembershipDelta, view: PublicView) -> None:
        """The user is seen in more servers, while its public view did not change."""
        for server_id in sorted(shift.appeared):
            self._publish(MemberAdded(server_id, view), self._versions.next(), {server_id})

    def announce_vanished(self, shift: MembershipDelta, before: PublicView | None) -> None:
        """The user is no longer seen in some servers, where it was seen as *before*."""
        for server_id in sorted(shift.vanished):
            news = MemberRemoved(server_id, shift.user_id, before)
            self._publish(news, self._versions.next(), {server_id})

    def _publish(
        self,
        update: Update,
        sequence: float,
        topics: Set[ServerId],
        except_topics: Set[ServerId] = NOBODY,
    ) -> None:
        user_id = subject_of(update)
        announcement = Announcement(update, int(sequence))
        self.broadcaster.publish(
            announcement.key,
            announcement,
            topics=topics,
            sequence=sequence,
            except_topics=except_topics,
            except_readers=() if user_id is None else self._connections.subscribers_of(user_id),
        )
