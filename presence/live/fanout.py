"""Which subscribers get which update: topics are servers, readers are connections."""

from collections.abc import Callable, Iterable, Set

from actors import Broadcaster
from presence.core.public_changes import (
    MemberAdded,
    MemberRemoved,
    PresenceChanged,
    ServerRenamed,
    Update,
)
from presence.core.types import PublicView, ServerId, UserId
from presence.core.versions import Versions
from presence.live.connections import ConnectionRegistry
from presence.live.subscriber import Announcement, Subscriber

NO_SERVERS: Set[ServerId] = frozenset()


class Fanout:
    """Publishes updates to the subscribers of servers.

    A user's own connections get its self view instead, so they are left out of
    the updates about it.

    Updates are numbered in the order in which they are published. That number
    says which of them a subscriber is too late for. It is not the version,
    which an update that changes nothing does not have.
    """

    def __init__(
        self,
        broadcaster: Broadcaster[ServerId, Announcement],
        connections: ConnectionRegistry,
        versions: Versions,
    ) -> None:
        self.broadcaster = broadcaster
        self._connections = connections
        self._versions = versions
        self._sequence = 0

    @property
    def latest_version(self) -> int:
        return self._versions.latest

    @property
    def is_settled(self) -> bool:
        """Whether all that was published was offered to its subscribers."""
        return self.broadcaster.statistics().waiting == 0

    # -- subscribers -------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber, servers: Iterable[ServerId]) -> None:
        """Offer *subscriber* what is published in *servers* from now on."""
        self.broadcaster.subscribe(subscriber, servers, since=self._sequence)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Offer *subscriber* nothing more."""
        self.broadcaster.unsubscribe(subscriber)

    def join(self, subscriber: Subscriber, server_id: ServerId) -> None:
        """Offer a subscriber also what is published in *server_id* from now on."""
        self.broadcaster.join(subscriber, server_id, since=self._sequence)

    def leave(self, subscriber: Subscriber, server_id: ServerId) -> None:
        """Offer a subscriber nothing more of *server_id*."""
        self.broadcaster.leave(subscriber, server_id)

    def servers_of(self, subscriber: Subscriber) -> Set[ServerId]:
        """The servers that *subscriber* is subscribed to."""
        return self.broadcaster.topics_of(subscriber)

    def change_lane(self, subscriber: Subscriber, change: Callable[[], None]) -> None:
        """Call *change*, after which the lane of *subscriber* is another one.

        Updates on their way at this moment may arrive twice, in both lanes.
        """
        self.broadcaster.change_lane(subscriber, change)

    # -- updates -----------------------------------------------------------------------------

    def publish_presence(
        self,
        change: PresenceChanged,
        seen_in: Set[ServerId],
        appeared: Set[ServerId] = NO_SERVERS,
    ) -> None:
        """Publish *change* in all servers *seen_in*; in those in *appeared* the user is new.

        A MemberAdded carries the view, so it stands for the change of status
        there. It is also how a change of the username is published.
        """
        before, view = change.before, change.view
        added_in = appeared if view.username == before.username else seen_in
        others = seen_in - added_in if added_in else seen_in
        if others:
            self._publish(change, view.user_id, view.version, others, except_topics=added_in)
        for server_id in sorted(added_in):
            known = None if server_id in appeared else before
            added = MemberAdded(server_id, view, known)
            self._publish(added, view.user_id, self._versions.next(), {server_id})

    def publish_added(self, servers: Set[ServerId], view: PublicView) -> None:
        """Publish that the user is seen in more servers, while its view stays the same."""
        for server_id in sorted(servers):
            added = MemberAdded(server_id, view)
            self._publish(added, view.user_id, self._versions.next(), {server_id})

    def publish_removed(
        self, servers: Set[ServerId], user_id: UserId, before: PublicView | None
    ) -> None:
        """Publish that the user is not seen any more in servers that saw it as *before*."""
        for server_id in sorted(servers):
            removed = MemberRemoved(server_id, user_id, before)
            self._publish(removed, user_id, self._versions.next(), {server_id})

    def publish_renamed(self, change: ServerRenamed) -> None:
        """Publish that a server has another name; no view changes, so there is no new version."""
        self._publish(change, None, self._versions.latest, {change.snapshot.id})

    def _publish(
        self,
        update: Update,
        user_id: UserId | None,
        version: int,
        topics: Set[ServerId],
        except_topics: Set[ServerId] = NO_SERVERS,
    ) -> None:
        """Publish *update*, which is about *user_id* (None: about a server)."""
        self._sequence += 1
        announcement = Announcement(update, version)
        self.broadcaster.publish(
            announcement.key,
            announcement,
            topics=topics,
            sequence=self._sequence,
            except_topics=except_topics,
            except_readers=() if user_id is None else self._connections.subscribers_of(user_id),
        )
