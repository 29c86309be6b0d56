"""The table of public views: the one source of every answer about other users.

Only public changes and reads of the store fill it. A user's actor is never
asked, so neither the content of an answer nor the time it takes shows whether
a user is hidden or gone.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import Protocol, TypeVar

import trio

from actors import Shards
from presence.core.memberships import MembershipDelta, Memberships
from presence.core.snapshot import ServerSnapshot
from presence.core.types import EVERYONE, PublicView, ServerId, UserId
from presence.errors import StoreUnavailable
from presence.live.views.member_index import MemberIndex
from presence.live.views.recent_user_changes import RecentUserChanges
from presence.live.views.sharded_lru import ShardedLru
from presence.live.views.snapshot_cache import SnapshotCache

T = TypeVar("T")

NOBODY: Set[UserId] = frozenset()
_KEPT_MEMBERS = 100_000
"""The most listed members that all cached snapshots may have together."""


class ViewReader(Protocol):
    """The source of views that are not in the table; includes rows not yet written."""

    async def read_views(self, user_ids: Iterable[UserId]) -> Mapping[UserId, PublicView]: ...

    async def read_announced_ids(self, after: str, limit: int) -> Sequence[UserId]: ...


class PublicViews:
    """Public views of all visible users, and of the *capacity* last used other ones."""

    def __init__(
        self,
        reader: ViewReader,
        memberships: Memberships,
        *,
        announced_count: int,
        large_threshold: int,
        capacity: int = 100_000,
    ) -> None:
        self._reader = reader
        self._memberships = memberships
        self._large_threshold = large_threshold
        self._visible: Shards[UserId, PublicView] = Shards()
        self._others: ShardedLru[UserId, PublicView] = ShardedLru(capacity)
        self._unknown: ShardedLru[UserId, PublicView] = ShardedLru(capacity)
        """Views of members that were never announced; each until it is."""
        self._visible_in: dict[ServerId, set[UserId]] = {}
        self._member_indexes: dict[ServerId, MemberIndex] = {}
        """Of explicit servers whose snapshot or members were asked for."""
        self._snapshots = SnapshotCache(_KEPT_MEMBERS)
        self._read_turn = trio.Lock()
        self._asked: set[UserId] = set()
        """Users without a public change since the store was asked for them."""
        self._announced_count = announced_count
        self.recent_user_changes = RecentUserChanges()

    @property
    def visible_count(self) -> int:
        return len(self._visible)

    # -- changes -----------------------------------------------------------------------------

    def put(self, view: PublicView, *, is_first: bool) -> Set[ServerId]:
        """Apply a public change; return the servers in which others see the user.

        *is_first*: the user is announced for the first time.
        """
        user_id = view.user_id
        if is_first:
            self._announced_count += 1
            self.recent_user_changes.note(user_id, is_announced=True)
        is_visible = view.is_visible
        self._asked.discard(user_id)
        if user_id not in self._visible:  # else it is in none of the other tables
            self._unknown.forget(user_id)
            self._others.forget(user_id)
        if is_visible:
            self._visible[user_id] = view
        else:
            self._visible.pop(user_id, None)
            self._others[user_id] = view
        seen_in = self._memberships.public_servers_of(user_id)
        for server_id in seen_in:
            self._list_member(server_id, user_id, is_visible=is_visible)
        return seen_in

    def shift(self, shift: MembershipDelta) -> None:
        """Apply a change of memberships: list the user where others see it now."""
        is_visible = shift.user_id in self._visible
        for server_id in shift.appeared:
            self._list_member(server_id, shift.user_id, is_visible=is_visible)
        for server_id in shift.vanished:
            self._unlist_member(server_id, shift.user_id)

    def forget(self, user_id: UserId, seen_in: Set[ServerId]) -> None:
        """Forget a deleted user, which others saw in the servers *seen_in*."""
        self._visible.pop(user_id, None)
        self._others.forget(user_id)
        self._announced_count -= 1
        self.recent_user_changes.note(user_id, is_announced=False)
        for server_id in seen_in:
            self._unlist_member(server_id, user_id)

    def peek(self, user_id: UserId) -> PublicView | None:
        """Return the view if it is in the table, without counting as a use.

        For the user's own actor, whose reads must not change what others notice.
        """
        return self._visible.get(user_id) or self._others.peek(user_id)

    # -- answers -----------------------------------------------------------------------------

    async def views(self, user_ids: Sequence[UserId]) -> list[PublicView]:
        """Return the views of those of *user_ids* that were announced, in their order.

        Raises `StoreUnavailable` where a view is not in the table and cannot be read.
        """
        found = await self._fetch(user_ids)
        return [found[user_id] for user_id in user_ids if user_id in found]

    async def page(self, server_id: ServerId, after: str, limit: int) -> list[PublicView]:
        """Views of the next *limit* members whose ids are greater than *after*, by id."""
        return await self.views(await self.ids_after({server_id}, after, limit))

    async def ids_after(self, servers: Set[ServerId], after: str, limit: int) -> Sequence[UserId]:
        """Return the next *limit* ids greater than *after* of members of any of *servers*.

        Each once, in order. Fewer than *limit* mean that no more exist.
        """
        if EVERYONE in servers:
            return await self._reader.read_announced_ids(after, limit)
        await trio.lowlevel.checkpoint()
        merged = heapq.merge(*(self._member_index(each).after(after) for each in servers))
        return [user_id for user_id, _ in itertools.islice(itertools.groupby(merged), limit)]

    def present_in(self, servers: Iterable[ServerId]) -> Iterator[PublicView]:
        """The views of all visible members of any of *servers*, each once, at this moment."""
        present = set[UserId]().union(*(self._visible_in.get(each, ()) for each in servers))
        return (self._visible[user_id] for user_id in present)

    async def snapshots(
        self, servers: Iterable[ServerId], then: Callable[[list[ServerSnapshot]], T]
    ) -> T:
        """Call *then* with the servers as they are at that very moment.

        No other task runs between the snapshot and *then*, so a subscriber that
        *then* adds misses nothing and gets nothing old. If the store cannot be
        read, offline members appear without texts at version 0, and the caller
        is served.

        A server in which nothing changed since is the same object again.
        """
        wanted = sorted(servers)
        unread: dict[UserId, PublicView] = {}
        if EVERYONE in wanted and not self._lists_enough_of_everyone():
            await self._list_everyone()
        while True:
            missing: set[UserId] = set()
            taken = [self._snapshot(server_id, unread, missing) for server_id in wanted]
            if not missing:
                return then(taken)
            unread |= await self._fetch_or_bare(missing)

    # -- details -----------------------------------------------------------------------------

    def _look_up(self, user_id: UserId) -> PublicView | None:
        return self._visible.get(user_id) or self._others.use(user_id)

    def _list_member(self, server_id: ServerId, user_id: UserId, *, is_visible: bool) -> None:
        """List the user in this server, where others see it from now on."""
        visible = self._visible_in.get(server_id, NOBODY)
        if not is_visible or user_id not in visible:
            if is_visible:
                self._visible_in.setdefault(server_id, set()).add(user_id)
            elif user_id in visible:
                self._visible_in[server_id].discard(user_id)
            if server_id in self._member_indexes:
                self._member_indexes[server_id].place(user_id, is_visible=is_visible)
        self._snapshots.spoil(server_id, user_id)

    def _unlist_member(self, server_id: ServerId, user_id: UserId) -> None:
        if server_id in self._visible_in:
            self._visible_in[server_id].discard(user_id)
        if server_id in self._member_indexes:
            self._member_indexes[server_id].remove(user_id)
            if not self._member_indexes[server_id]:
                del self._member_indexes[server_id]
        self._snapshots.spoil(server_id, user_id)

    async def _fetch(self, user_ids: Iterable[UserId]) -> dict[UserId, PublicView]:
        found = {key: view for key in user_ids if (view := self._look_up(key)) is not None}
        missing = [key for key in user_ids if key not in found]
        if missing:
            read = await self._reader.read_views(missing)
            for key, view in read.items():
                if key not in self._visible and key not in self._others:
                    self._others[key] = view
            found |= read
            # A public change during the read is newer than what was read.
            found |= {key: view for key in found if (view := self._look_up(key)) is not None}
        return found

    async def _fetch_or_bare(self, missing: Set[UserId]) -> dict[UserId, PublicView]:
        """Read the *missing* views, one reader at a time: the next may find all of them here."""
        async with self._read_turn:
            wanted = sorted(key for key in missing if key not in self._unknown)
            self._asked = set(wanted)
            try:
                found = await self._fetch(wanted)
            except StoreUnavailable:
                found = {}
            else:
                self._note_unknown(self._asked - found.keys())
            finally:
                self._asked = set()
        return {key: found.get(key) or PublicView(key, username=key) for key in missing}

    def _note_unknown(self, user_ids: Set[UserId]) -> None:
        for user_id in user_ids:
            self._unknown[user_id] = PublicView(user_id, username=user_id)

    def _lists_enough_of_everyone(self) -> bool:
        member_index = self._member_indexes.get(EVERYONE)
        return member_index is not None and member_index.reaches(self._large_threshold)

    async def _list_everyone(self) -> None:
        """Read the first ids of `everyone`; keep the old index if they cannot be read."""
        async with self._read_turn:
            if self._lists_enough_of_everyone():
                return
            # Twice as many as a snapshot lists, so that few deletions require another read.
            limit = 2 * self._large_threshold + min(len(self._visible), self._large_threshold)
            turns = self.recent_user_changes.count
            with suppress(StoreUnavailable):
                read = await self._reader.read_announced_ids("", limit)
                last = read[-1] if len(read) >= limit else None
                members = self._with_turns(read, turns, last)
                visible = self._visible_in.get(EVERYONE, set())
                self._member_indexes[EVERYONE] = MemberIndex(members, visible, last)
                self._snapshots.drop(EVERYONE)

    def _member_index(self, server_id: ServerId) -> MemberIndex:
        """The index of a server's members; rebuilt after an unannounced member has left."""
        member_index = self._member_indexes.get(server_id)
        visible = self._visible_in.get(server_id, set())
        if server_id == EVERYONE:
            return member_index or MemberIndex((), visible)
        members = self._memberships.members_of(server_id)
        if member_index is None or len(member_index) != len(members):
            member_index = MemberIndex(members, visible)
            if members:
                self._member_indexes[server_id] = member_index
            self._snapshots.drop(server_id)
        return member_index

    def _with_turns(
        self, ids: Sequence[UserId], turns: int, known_up_to: UserId | None
    ) -> Set[UserId]:
        """The *ids* as they are now; they were read when *turns* changes had been counted."""
        members = dict.fromkeys(ids)
        for user_id, is_announced in self.recent_user_changes.since(turns):
            if not is_announced:
                members.pop(user_id, None)
            elif known_up_to is None or user_id <= known_up_to:
                members[user_id] = None
        return members.keys()

    def _snapshot(
        self, server_id: ServerId, unread: Mapping[UserId, PublicView], missing: set[UserId]
    ) -> ServerSnapshot:
        """The server as it is now; adds to *missing* the members whose views must be read."""
        member_index = self._member_index(server_id)
        name = self._memberships.names.get(server_id, server_id)
        kept = self._snapshots.get(server_id)
        if kept is not None and kept.name == name:
            return kept
        members, is_whole = [], True
        ids, kept_views = (
            member_index.first(self._large_threshold),
            self._snapshots.views_of(server_id),
        )
        for user_id, view in zip(ids, map(kept_views.get, ids), strict=True):
            view = view or self._look_up(user_id) or self._unknown.peek(user_id)
            if view is None:
                is_whole = False
                view = unread.get(user_id)
            if view is None:
                missing.add(user_id)
            else:
                members.append(view)
        is_everyone = server_id == EVERYONE
        count = (
            self._announced_count if is_everyone else len(self._memberships.members_of(server_id))
        )
        snapshot = ServerSnapshot(
            id=server_id,
            name=name,
            members=members,
            is_large=count > self._large_threshold,
            member_count=count,
            online_count=len(self._visible_in.get(server_id, ())),
        )
        if is_whole and server_id in self._member_indexes:
            self._snapshots.keep(snapshot)
        return snapshot
