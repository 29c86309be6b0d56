"""Administration of servers, members and users."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

import attrs

from presence.core.events import Expelled
from presence.core.memberships import MembershipDelta
from presence.core.public_changes import ServerRenamed
from presence.core.snapshot import ServerSnapshot
from presence.core.types import EVERYONE, PublicView, ServerId, UserId
from presence.errors import InvalidInput
from presence.live.messages import Introduce, Remove
from presence.live.node import Node
from presence.live.ports import Revocation, UnreadableRow
from presence.live.subscriber import EndReason

ASK_TIMEOUT = 10.0
NO_VIEWS: Final[Mapping[UserId, PublicView]] = MappingProxyType({})


class NoSuchServer(Exception):
    """There is no server of that id."""


class NoSuchUser(Exception):
    """There is no user of that id."""


class Administration:
    """Changes by an administrator, visible at once. Each returns the ticket of its storing.

    Raises `NoSuchServer`, `NoSuchUser`, `InvalidInput`, `StoreUnavailable`,
    `UserUnavailable` or `UserCrashed`.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    # -- servers -----------------------------------------------------------------------------

    def servers(self) -> list[tuple[ServerId, str]]:
        """Every server with its name, by id."""
        return sorted(self._node.memberships.names.items())

    async def put_server(self, server_id: ServerId, name: str | None) -> int:
        """Create the server, or rename it if *name* is another one; its members are told."""
        _refuse_everyone(server_id)
        memberships = self._node.memberships
        present = memberships.names.get(server_id)
        name = name or present or server_id
        if present is not None and name != present:
            await self._node.public_views.snapshots([server_id], partial(self._rename, name))
        else:
            memberships.open_server(server_id, name)
        return self._node.writer.save_server(server_id, name)

    def _rename(self, name: str, snapshots: list[ServerSnapshot]) -> None:
        for snapshot in snapshots:
            if snapshot.id not in self._node.memberships.names:
                raise NoSuchServer(snapshot.id)  # deleted while its members were read
            self._node.public_state.apply(ServerRenamed(attrs.evolve(snapshot, name=name)))

    def delete_server(self, server_id: ServerId) -> int:
        self._require_server(server_id)
        self._publish(self._node.memberships.close_server(server_id))
        return self._node.writer.forget_server(server_id)

    # -- members -----------------------------------------------------------------------------

    async def put_member(self, server_id: ServerId, user_id: UserId) -> int:
        self._require_server(server_id)
        view = await self._introduce_if_new(user_id)
        return self._publish([self._node.memberships.admit(user_id, server_id)], {user_id: view})

    async def put_members(self, server_id: ServerId, user_ids: Sequence[UserId]) -> int:
        """Replace the members that administrators made by *user_ids*."""
        self._require_server(server_id)
        shown = {view.user_id: view for view in await self._node.public_views.views(user_ids)}
        for user_id in user_ids:
            if user_id not in shown:
                await self.put_user(user_id, None)
        return self._publish(self._node.memberships.replace(server_id, user_ids), shown)

    def delete_member(self, server_id: ServerId, user_id: UserId) -> int:
        self._require_server(server_id)
        return self._publish([self._node.memberships.dismiss(user_id, server_id)])

    # -- users -------------------------------------------------------------------------------

    async def put_user(self, user_id: UserId, name: str | None) -> int:
        return await self._node.ask(
            user_id, lambda reply: Introduce(name, reply), timeout=ASK_TIMEOUT
        )

    async def delete_user(self, user_id: UserId) -> int:
        """End the user's connections, delete it, and refuse tokens issued until now."""
        await self._require_user(user_id)
        self._node.connections.end_all(user_id, EndReason.DISCONNECTED)
        now = self._node.clock.now().wall
        return await self._node.ask(user_id, lambda reply: Remove(now, reply), timeout=ASK_TIMEOUT)

    async def revoke(self, user_id: UserId) -> int:
        """Refuse tokens of the user issued until now, and end its connections.

        Works for unknown users as well: a token may leak before its first use.
        """
        revocation = Revocation(user_id, self._node.clock.now().wall)
        self._node.revocations[user_id] = revocation
        self._node.connections.end_all(user_id, EndReason.TOKEN)
        return self._node.writer.save_revocation(revocation)

    async def disconnect(self, user_id: UserId) -> None:
        """End the user's connections and leases; it is offline at once, without a grace."""
        await self._require_user(user_id)
        self._node.connections.end_all(user_id, EndReason.DISCONNECTED)
        self._node.tell(user_id, Expelled(), slot="expelled")

    # -- details -----------------------------------------------------------------------------

    def _publish(
        self, deltas: Iterable[MembershipDelta], views: Mapping[UserId, PublicView] = NO_VIEWS
    ) -> int:
        """Publish and store what an administrator changed about some users at once.

        *views* has those of users that may not be in the table yet.
        """
        deltas = list(deltas)
        # First: a leaver still gets the removals with the views as they were.
        for delta in deltas:
            self._node.sync_subscriptions(delta)
        ticket = 0
        for delta in deltas:
            newest = self._node.public_views.peek(delta.user_id) or views.get(delta.user_id)
            ticket = self._node.announce_delta(delta, newest) or ticket
        return ticket

    async def _introduce_if_new(self, user_id: UserId) -> PublicView:
        while not (views := await self._node.public_views.views([user_id])):
            await self.put_user(user_id, None)
        return views[0]

    def _require_server(self, server_id: ServerId) -> None:
        _refuse_everyone(server_id)
        if server_id not in self._node.memberships.names:
            raise NoSuchServer(server_id)

    async def _require_user(self, user_id: UserId) -> None:
        """Raise `NoSuchUser` unless the user exists, also one that was never announced."""
        if user_id in self._node.records or await self._node.public_views.views([user_id]):
            return
        try:
            record = await self._node.writer.read_user(user_id)
        except UnreadableRow:
            return
        if record is None:
            raise NoSuchUser(user_id)


def _refuse_everyone(server_id: ServerId) -> None:
    if server_id == EVERYONE:
        raise InvalidInput("server id", "everyone is kept by the server itself")
