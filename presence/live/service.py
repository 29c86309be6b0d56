"""Everything that frontends may ask for or do.

Beside this service a frontend knows of the living part only the claims of a
token and what a `Subscriber` is. Errors of actors have names of their own here:
`UserUnavailable` and `UserCrashed`.
"""

import enum
from collections.abc import Callable, Iterable, Sequence

import attrs
import trio

from presence.core.events import REST_DEVICE, Commanded, Connected, Ended, Ending, Pinged
from presence.core.types import (
    EVERYONE,
    ConnectionId,
    DeviceId,
    Moment,
    PublicView,
    ServerId,
    State,
    Status,
    UserId,
)
from presence.core.user.explanation import Explanation
from presence.core.user.patch import PresencePatch
from presence.live.administration import Administration, NoSuchServer, NoSuchUser
from presence.live.claims import Claims
from presence.live.messages import (
    Applied,
    Arrive,
    Command,
    CommandAnswer,
    Explain,
    Limited,
    Look,
    Message,
    NoRoom,
    Oneself,
    RemoveDevice,
    Unattached,
)
from presence.live.node import Node
from presence.live.subscriber import Subscriber
from presence.live.views.user_pages import UserPages

__all__ = [
    "Applied",
    "CommandAnswer",
    "ConnectionTimer",
    "Limited",
    "NoRoom",
    "NoSuchServer",
    "NoSuchUser",
    "Oneself",
    "PresenceService",
    "Unattached",
]

ARRIVE_TIMEOUT = 30.0
ASK_TIMEOUT = 10.0
IDS_PER_PAGE = 500


class ConnectionTimer(enum.StrEnum):
    """The timers of a connection: one of each, all cancelled when it leaves."""

    HANDSHAKE = "handshake"
    TOKEN = "token"
    SILENCE = "silence"
    FRAMES = "frames"


class PresenceService:
    """The users, their connections and what each of them may see, as a frontend has them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._pages = UserPages(node.public_views)
        self._long_read = trio.Lock()
        self.administration = Administration(node)

    # -- the server --------------------------------------------------------------------------

    @property
    def is_draining(self) -> bool:
        """The server stops: no connection is let in, and nothing is published any more."""
        return self._node.is_draining

    @property
    def is_store_failing(self) -> bool:
        """The last write to the store failed; the service goes on without it."""
        return self._node.writer.is_failing

    def now(self) -> Moment:
        return self._node.clock.now()

    def is_revoked(self, claims: Claims) -> bool:
        """True if the token was issued before its user was revoked or deleted."""
        return self._node.is_revoked(claims)

    async def wait_stored(self, ticket: int, *, within: float) -> bool:
        """Wait until the change of *ticket* is in the store; False after *within* seconds."""
        return await self._node.writer.wait_committed(ticket, within=within)

    # -- connections -------------------------------------------------------------------------

    def new_connection(self) -> ConnectionId:
        return self._node.connections.new_connection()

    def own_device(self, connection: ConnectionId) -> DeviceId:
        """The device of a connection that names none; no other one ever has the same."""
        # The epoch tells it from the devices of earlier incarnations.
        return DeviceId(f"~{self._node.incarnation.versions.epoch}.{connection}")

    def devices_of(self, user_id: UserId) -> Sequence[DeviceId]:
        """The device of each open connection of the user."""
        return self._node.connections.devices_of(user_id)

    def connections_of(self, user_id: UserId) -> Sequence[Subscriber]:
        """The open connections of the user, the oldest first."""
        return self._node.connections.subscribers_of(user_id)

    def register(self, subscriber: Subscriber, state: State | None) -> None:
        """Count a connection as one of its user, before `connect`; `leave` is due from now on."""
        self._node.connections.add(subscriber, state or State.ONLINE)

    async def connect(
        self,
        subscriber: Subscriber,
        claims: Claims,
        state: State | None = None,
        intent: Status | None = None,
    ) -> None:
        """Attach the connection's device; returns once it has its snapshot, or was ended.

        *intent* only counts where no device is attached. Raises `UserUnavailable`
        (after `ARRIVE_TIMEOUT` seconds, or at a stop) or `UserCrashed`.
        """
        connected = Connected(subscriber.connection, subscriber.device, state, intent)
        await self._node.ask_inline(
            subscriber.user_id,
            lambda reply: Arrive(connected, claims, subscriber, reply),
            timeout=ARRIVE_TIMEOUT,
            slot=("arrive", subscriber.connection),
        )

    def command(self, subscriber: Subscriber, change: PresencePatch) -> None:
        """Have the user's actor make *change*; one command waits, newer ones merge with it.

        Raises `UserUnavailable`.
        """
        connection = subscriber.connection
        commanded, slot = Commanded(change, connection, may_wait=True), ("command", connection)
        self._node.handle_inline(subscriber.user_id, commanded, slot=slot, merge=merge_commands)

    def ping(self, subscriber: Subscriber, *, may_begin: bool = True) -> None:
        """Note a sign of life; *may_begin*: from then on the device has to go on pinging.

        Raises `UserUnavailable`.
        """
        connection = subscriber.connection
        # Two slots: an echo that comes behind a ping must not take its place.
        slot = ("pinged" if may_begin else "echoed", connection)
        pinged = Pinged(connection, may_begin=may_begin)
        self._node.tell(subscriber.user_id, pinged, slot=slot)

    def change_lane(self, subscriber: Subscriber, change: Callable[[], None]) -> None:
        """Call *change*, after which announcements reach the connection by another lane.

        A frame under way may be sent again, by the new one.
        """
        self._node.fanout.change_lane(subscriber, change)

    def leave(self, subscriber: Subscriber, ending: Ending) -> None:
        """Forget a connection that is over; its user's actor handles its end."""
        node, connection = self._node, subscriber.connection
        node.connections.remove(subscriber)
        node.fanout.unsubscribe(subscriber)
        for timer in ConnectionTimer:
            node.timer.cancel((timer.value, connection))
        if not node.is_draining:  # a stop of the server publishes nothing
            ended, slot = Ended(connection, ending), ("ended", connection)
            if ending is Ending.POLL:  # these come and go all the time, never thousands at once
                node.users.handle_inline(subscriber.user_id, ended, slot=slot)
            else:
                node.users.tell_nowait(subscriber.user_id, ended, slot=slot)

    def set_timer(
        self,
        subscriber: Subscriber,
        timer: ConnectionTimer,
        at: float,
        call: Callable[[bool], None],
    ) -> None:
        """Call *call* at *at* (monotonic), with whether this process had stalled until then."""
        self._node.timer.set((timer.value, subscriber.connection), at, call)

    def cancel_timer(self, subscriber: Subscriber, timer: ConnectionTimer) -> None:
        self._node.timer.cancel((timer.value, subscriber.connection))

    # -- oneself -----------------------------------------------------------------------------

    async def look(self, user_id: UserId) -> Oneself:
        """The user as it sees itself; raises `UserUnavailable` or `UserCrashed`."""
        return await self._node.ask(user_id, Look, timeout=ASK_TIMEOUT)

    async def explain(self, user_id: UserId) -> Explanation:
        """Why the user is shown as it is; raises `UserUnavailable` or `UserCrashed`.

        Only for the user itself and for administrators.
        """
        return await self._node.ask(user_id, Explain, timeout=ASK_TIMEOUT)

    async def change(
        self, claims: Claims, change: PresencePatch, device: DeviceId = REST_DEVICE
    ) -> CommandAnswer:
        """Make a change that comes from no connection, all of it or nothing.

        A state in it is that of the whole *device*, which a lease then holds.
        Raises `UserUnavailable`, `UserCrashed`, or `StoreUnavailable`.
        """
        commanded = Commanded(change, connection=None, may_wait=False, device=device)
        answer: CommandAnswer = await self._node.ask(
            claims.user_id,
            lambda reply: Command(commanded, claims, reply),
            timeout=ASK_TIMEOUT,
        )
        return answer

    async def remove_device(self, user_id: UserId, device: DeviceId) -> int:
        """End the lease and the timers of a device; its connections stay. Returns the ticket.

        Raises as `change` does.
        """
        ticket: int = await self._node.ask(
            user_id, lambda reply: RemoveDevice(device, reply), timeout=ASK_TIMEOUT
        )
        return ticket

    # -- others ------------------------------------------------------------------------------

    def may_see(self, claims: Claims, user_id: UserId) -> bool:
        """Administrators see everybody, others themselves and members of a common server."""
        return claims.is_admin or claims.user_id == user_id or self.can_see(claims.user_id, user_id)

    def can_see(self, viewer: UserId, user_id: UserId) -> bool:
        """Whether others of a server in which *user_id* is seen include *viewer*."""
        return self._node.memberships.can_see(viewer, user_id)

    async def views(self, claims: Claims, user_ids: Iterable[UserId]) -> list[PublicView]:
        """The public views of those of *user_ids* that the caller may see, in that order."""
        seen = [user_id for user_id in user_ids if self.may_see(claims, user_id)]
        return await self._node.public_views.views(seen)

    async def user_ids(self, claims: Claims, first: int, count: int) -> Sequence[UserId]:
        """At most *count* ids after the *first* ones of all that the caller may see, in order."""
        own = claims.user_id
        servers = {EVERYONE} if claims.is_admin else self._node.memberships.servers_of(own)
        return await self._pages.ids(servers, own, first, count)

    async def members(
        self, claims: Claims, server_id: ServerId, after: str, count: int
    ) -> list[PublicView]:
        """At most *count* members with ids greater than *after*, in order.

        Raises `NoSuchServer` for a caller that is neither a member nor an administrator, too.
        """
        memberships = self._node.memberships
        is_member = claims.is_admin or server_id in memberships.servers_of(claims.user_id)
        if not is_member or server_id not in memberships.names:
            raise NoSuchServer(server_id)
        return await self._node.public_views.page(server_id, after, count)

    @property
    def latest_version(self) -> int:
        """The version of the newest public change."""
        return self._node.incarnation.versions.latest

    @property
    def is_settled(self) -> bool:
        """Whether each subscriber was offered all public changes so far."""
        return self._node.fanout.is_settled

    def changed_at(self, view: PublicView) -> float:
        """When others saw the user change last, as Unix time, to about a tenth of a second.

        The start of the server where that was earlier.
        """
        return self._node.recent_changes.given_at(view.version)

    def present_to(self, user_id: UserId) -> list[PublicView]:
        """The views of all others whom the user sees and that are not offline, by version."""
        present = self.present_in(self._node.memberships.servers_of(user_id))
        return sorted(
            (view for view in present if view.user_id != user_id), key=lambda view: view.version
        )

    async def changes_since(self, user_id: UserId, version: int) -> list[PublicView] | None:
        """The views of others whom the user sees that changed after *version*, oldest first.

        None where these are not remembered, or the user sees others than then.
        Raises `StoreUnavailable`.
        """
        changed = self._changed_since(user_id, version)
        if not changed:
            return None if changed is None else []
        return await self._node.public_views.views(changed)

    def remembered_changes(self, user_id: UserId, version: int) -> list[PublicView] | None:
        """As `changes_since`, but None also where a view would have to be read from the store."""
        changed = self._changed_since(user_id, version)
        if changed is None:
            return None
        views = [view for each in changed if (view := self._node.public_views.peek(each))]
        return views if len(views) == len(changed) else None

    def _changed_since(self, user_id: UserId, version: int) -> list[UserId] | None:
        """The others whom the user sees that changed after *version*, oldest first."""
        if version > self.latest_version:
            return None
        servers = self._node.memberships.servers_of(user_id)
        changed = self._node.recent_changes.users_since(version, servers)
        if changed is None:
            return None
        return [each for each in changed if each != user_id and self.can_see(user_id, each)]

    async def offline_since(self, user_id: UserId, version: int) -> list[PublicView]:
        """The views of others whom the user sees, offline now, that changed after *version*.

        Looks at all members of the user's servers, a page after the other, and at
        those of one user at a time. Raises `StoreUnavailable`.
        """
        found: list[PublicView] = []
        async with self._long_read:
            after = ""
            while True:
                servers = self._node.memberships.servers_of(user_id)
                ids = await self._node.public_views.ids_after(servers, after, IDS_PER_PAGE)
                views = await self._node.public_views.views(ids)
                found += [each for each in views if not each.is_visible and each.version > version]
                await trio.lowlevel.checkpoint()
                if len(ids) < IDS_PER_PAGE:
                    return [view for view in found if view.user_id != user_id]
                after = ids[-1]

    def present_in(self, servers: Iterable[ServerId]) -> Iterable[PublicView]:
        """The views of all users seen in *servers* that are not offline, each once."""
        return self._node.public_views.present_in(servers)


def merge_commands(older: Message, newer: Message) -> Message:
    """One command that does what two of the same connection would do."""
    if not (isinstance(older, Commanded) and isinstance(newer, Commanded)):
        return newer
    return attrs.evolve(newer, change=older.change.merged_with(newer.change))
