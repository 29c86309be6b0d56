"""The table of public views: the one source of every answer about somebody else.

It is filled by public changes and by reads alone. No user's actor is asked,
so neither the content of an answer nor the time it takes tells whether a user
is hidden or gone.
"""

import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Protocol, TypeVar

from presence.core.memberships import Memberships, Shift
from presence.core.snapshot import ServerSnapshot
from presence.core.types import EVERYONE, PublicView, ServerId, UserId
from presence.errors import StoreUnavailable

T = TypeVar("T")

_REMEMBERED_TURNS = 10_000


class ViewReader(Protocol):
    """Where views come from that are not in the table; it knows what is not yet written."""

    async def read_views(self, user_ids: Iterable[UserId]) -> Mapping[UserId, PublicView]: ...

    async def read_shown_ids(self, after: str, limit: int) -> Sequence[UserId]: ...


class Roster:
    """Public views: of visible users always, of others the *capacity* last used."""

    def __init__(
        self,
        reader: ViewReader,
        memberships: Memberships,
        *,
        shown_count: int,
        large_threshold: int,
        capacity: int = 100_000,
    ) -> None:
        self._reader = reader
        self._memberships = memberships
        self._large_threshold = large_threshold
        self._capacity = capacity
        self._visible: dict[UserId, PublicView] = {}
        self._others: OrderedDict[UserId, PublicView] = OrderedDict()
        self._visible_in: dict[ServerId, set[UserId]] = {}
        self._shown_count = shown_count
        self._turnover: deque[tuple[UserId, bool]] = deque(maxlen=_REMEMBERED_TURNS)
        """Who came to be shown (True), or was deleted (False), of late."""
        self._turn_count = 0

    @property
    def visible_count(self) -> int:
        return len(self._visible)

    # -- changes -----------------------------------------------------------------------------

    def put(self, view: PublicView, *, is_first: bool) -> None:
        """A public change. *is_first*: others hear of the user for the first time."""
        user_id = view.user_id
        if is_first:
            self._shown_count += 1
            self._note_turn(user_id, is_shown=True)
        if view.is_visible:
            self._others.pop(user_id, None)
            self._visible[user_id] = view
        else:
            self._visible.pop(user_id, None)
            self._keep(view)
        for server_id in self._memberships.shown_servers_of(user_id):
            self._note_visible(server_id, user_id, is_visible=view.is_visible)

    def shift(self, shift: Shift) -> None:
        """Memberships changed; count the user where it is seen now."""
        is_visible = shift.user_id in self._visible
        for server_id in shift.appeared:
            self._note_visible(server_id, shift.user_id, is_visible=is_visible)
        for server_id in shift.vanished:
            self._note_visible(server_id, shift.user_id, is_visible=False)

    def forget(self, user_id: UserId, seen_in: Set[ServerId]) -> None:
        """The user is deleted; it was seen in the servers *seen_in*."""
        self._visible.pop(user_id, None)
        self._others.pop(user_id, None)
        self._shown_count -= 1
        self._note_turn(user_id, is_shown=False)
        for server_id in seen_in:
            self._note_visible(server_id, user_id, is_visible=False)

    def shown_now(self, user_id: UserId) -> PublicView | None:
        """The view, if it is in the table, and no sign of having been asked.

        For the user's own actor: nobody may notice that there is one.
        """
        return self._visible.get(user_id) or self._others.get(user_id)

    # -- answers -----------------------------------------------------------------------------

    async def views(self, user_ids: Sequence[UserId]) -> list[PublicView]:
        """The views of those of *user_ids* that are shown, in their order.

        Raises `StoreUnavailable` where a view is not in the table and cannot be read.
        """
        found = await self._fetch(user_ids)
        return [found[user_id] for user_id in user_ids if user_id in found]

    async def page(self, server_id: ServerId, after: str, limit: int) -> list[PublicView]:
        """Views of the next *limit* members whose ids are greater than *after*, by id."""
        if server_id == EVERYONE:
            ids = list(await self._reader.read_shown_ids(after, limit))
        else:
            members = self._memberships.members_of(server_id)
            ids = heapq.nsmallest(limit, (key for key in members if key > after))
        return await self.views(ids)

    async def snapshots(
        self, servers: Iterable[ServerId], then: Callable[[list[ServerSnapshot]], T]
    ) -> T:
        """Call *then* with the servers as they are at that very moment.

        No other task runs between the snapshot and *then*: who subscribes in
        it misses nothing and hears nothing old. Offline members that cannot be
        read are shown bare, at version 0, rather than nobody being let in.
        """
        wanted = sorted(servers)
        known: dict[UserId, PublicView] = {}
        everyone, turns = await self._some_of_everyone(wanted)
        while True:
            listed = {key: self._listed(key, everyone, turns) for key in wanted}
            missing = {
                user_id
                for ids in listed.values()
                for user_id in ids
                if user_id not in known and self._look_up(user_id) is None
            }
            if not missing:
                return then([self._snapshot(key, ids, known) for key, ids in listed.items()])
            known |= await self._fetch_or_bare(missing)

    # -- details -----------------------------------------------------------------------------

    def _look_up(self, user_id: UserId) -> PublicView | None:
        view = self._visible.get(user_id)
        if view is None and (view := self._others.get(user_id)) is not None:
            self._others.move_to_end(user_id)
        return view

    def _keep(self, view: PublicView) -> None:
        self._others[view.user_id] = view
        self._others.move_to_end(view.user_id)
        if len(self._others) > self._capacity:
            self._others.popitem(last=False)

    def _note_visible(self, server_id: ServerId, user_id: UserId, *, is_visible: bool) -> None:
        if is_visible:
            self._visible_in.setdefault(server_id, set()).add(user_id)
        elif server_id in self._visible_in:
            self._visible_in[server_id].discard(user_id)

    async def _fetch(self, user_ids: Iterable[UserId]) -> dict[UserId, PublicView]:
        found = {key: view for key in user_ids if (view := self._look_up(key)) is not None}
        missing = [key for key in user_ids if key not in found]
        if missing:
            read = await self._reader.read_views(missing)
            for key, view in read.items():
                if key not in self._visible and key not in self._others:
                    self._keep(view)
            found |= read
            # A public change that came while we read is newer than what was found.
            found |= {key: view for key in found if (view := self._look_up(key)) is not None}
        return found

    async def _fetch_or_bare(self, missing: Set[UserId]) -> dict[UserId, PublicView]:
        try:
            found = await self._fetch(sorted(missing))
        except StoreUnavailable:
            found = {}
        return {key: found.get(key) or PublicView(key, username=key) for key in missing}

    async def _some_of_everyone(self, wanted: Sequence[ServerId]) -> tuple[Sequence[UserId], int]:
        """Enough of the first ids of `everyone`, and the count of turns before the read."""
        turns = self._turn_count
        if EVERYONE not in wanted:
            return (), turns
        limit = self._large_threshold + min(len(self._visible), self._large_threshold)
        try:
            return await self._reader.read_shown_ids("", limit), turns
        except StoreUnavailable:
            return (), turns

    def _listed(self, server_id: ServerId, everyone: Sequence[UserId], turns: int) -> list[UserId]:
        """The ids to list of a server: those not offline first, then by id."""
        visible = self._visible_in.get(server_id, set())
        first = heapq.nsmallest(self._large_threshold, visible)
        room = self._large_threshold - len(first)
        if server_id == EVERYONE:
            members = self._with_turns(everyone, turns)
        else:
            members = self._memberships.members_of(server_id)
        others = (key for key in members if key not in visible)
        return first + heapq.nsmallest(room, others)

    def _note_turn(self, user_id: UserId, *, is_shown: bool) -> None:
        self._turn_count += 1
        self._turnover.append((user_id, is_shown))

    def _with_turns(self, ids: Iterable[UserId], turns: int) -> Set[UserId]:
        """*ids* as they are now, when *turns* turns had been counted as they were read."""
        members = dict.fromkeys(ids)
        since = min(self._turn_count - turns, len(self._turnover))
        for user_id, is_shown in itertools.islice(
            self._turnover, len(self._turnover) - since, None
        ):
            if is_shown:
                members[user_id] = None
            else:
                members.pop(user_id, None)
        return members.keys()

    def _snapshot(
        self, server_id: ServerId, ids: Sequence[UserId], known: Mapping[UserId, PublicView]
    ) -> ServerSnapshot:
        is_everyone = server_id == EVERYONE
        count = self._shown_count if is_everyone else len(self._memberships.members_of(server_id))
        return ServerSnapshot(
            id=server_id,
            name=self._memberships.names.get(server_id, server_id),
            members=[self._look_up(key) or known[key] for key in ids],
            is_large=count > self._large_threshold,
            member_count=count,
            online_count=len(self._visible_in.get(server_id, ())),
        )
