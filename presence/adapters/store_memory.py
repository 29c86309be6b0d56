"""The store in memory: for tests, and for servers that need not remember."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import attrs
import trio

from presence.core.record import Record
from presence.core.types import PublicView, ServerId, Status, UserId
from presence.core.versions import Versions
from presence.errors import StoreUnavailable
from presence.live.ports import Batch, MembershipRow, MembershipTable, Revocation, StartupState

K = TypeVar("K")
V = TypeVar("V")


@attrs.define
class MemoryStore:
    """Keeps everything as long as the object lives; `open` after `aclose` is a restart."""

    _users: dict[UserId, Record] = attrs.field(factory=dict, init=False)
    _servers: dict[ServerId, str] = attrs.field(factory=dict, init=False)
    _memberships: dict[tuple[UserId, ServerId], MembershipRow] = attrs.field(
        factory=dict, init=False
    )
    _revocations: dict[UserId, Revocation] = attrs.field(factory=dict, init=False)
    _start_number: int = attrs.field(default=0, init=False)
    _settled_start: int = attrs.field(default=0, init=False)
    _committed_at: float = attrs.field(default=0.0, init=False)
    _latest_version: int = attrs.field(default=0, init=False)
    _ended_start: int = attrs.field(default=0, init=False)
    _version_floor: int = attrs.field(default=0, init=False)
    _is_open: bool = attrs.field(default=False, init=False)

    async def open(self, now_wall: float) -> StartupState:
        """As the port says; nothing here is ever moved aside."""
        await trio.lowlevel.checkpoint()
        self._is_open = True
        self._start_number += 1
        versions = Versions(self._start_number)
        if self._ended_start != self._start_number - 1:
            self._version_floor = versions.latest
        for user_id, record in self._users.items():
            self._users[user_id] = self._record_at_start(record, now_wall, versions)
        return self._report(now_wall)

    def _record_at_start(self, record: Record, now_wall: float, versions: Versions) -> Record:
        stored = record.view
        view = stored
        if view.is_visible and not record.is_shown_by_lease(now_wall):
            last_seen = max(view.last_seen or self._committed_at, self._committed_at)
            view = attrs.evolve(view, status=Status.OFFLINE, activity=None, last_seen=last_seen)
        if _is_over(view.custom_status_until, now_wall):
            view = attrs.evolve(view, custom_status=None, custom_status_until=None)
        if view is not stored:
            view = attrs.evolve(view, version=versions.next())
            self._latest_version = versions.latest
        if _is_over(record.custom_status_until, now_wall):
            record = attrs.evolve(record, custom_status=None, custom_status_until=None)
        return attrs.evolve(record, view=view)

    def _report(self, now_wall: float) -> StartupState:
        ends = {user: record.view.custom_status_until for user, record in self._users.items()}
        return StartupState(
            epoch=self._start_number,
            settled_epoch=self._settled_start,
            servers=dict(self._servers),
            memberships=MembershipTable(self._memberships.values()),
            revocations=list(self._revocations.values()),
            text_ends={user: end for user, end in ends.items() if end is not None},
            leased={
                user: self._raised(record.view)
                for user, record in self._users.items()
                if record.leased_at(now_wall)
            },
            announced_count=sum(record.is_announced for record in self._users.values()),
            was_moved_aside=False,
        )

    async def read_latest_version(self) -> int:
        """The greatest version ever stored, 0 where there is none."""
        await self._take_turn()
        return self._latest_version

    async def read_user(self, user_id: UserId) -> Record | None:
        """One user's record."""
        await self._take_turn()
        record = self._users.get(user_id)
        return None if record is None else attrs.evolve(record, view=self._raised(record.view))

    async def read_views(self, user_ids: Iterable[UserId]) -> Mapping[UserId, PublicView]:
        """The views of those of *user_ids* that are shown."""
        await self._take_turn()
        found = {user_id: self._users.get(user_id) for user_id in user_ids}
        return {
            user_id: self._raised(record.view)
            for user_id, record in found.items()
            if record and record.is_announced
        }

    async def read_announced_ids(self, after: str, limit: int) -> Sequence[UserId]:
        """The next *limit* ids of shown users after *after*, by code point."""
        await self._take_turn()
        shown = (
            user for user, record in self._users.items() if record.is_announced and user > after
        )
        return sorted(shown)[:limit]

    async def write(self, batch: Batch) -> None:
        """Take *batch* over, between two checkpoints."""
        await self._take_turn()
        _apply(batch.users, self._users)
        _apply(batch.servers, self._servers)
        _apply(batch.memberships, self._memberships)
        self._revocations |= batch.revocations
        self._committed_at = max(self._committed_at, batch.committed_at)
        self._latest_version = max([self._latest_version, *_versions_in(batch)])
        if batch.settled_epoch is not None:
            self._settled_start = batch.settled_epoch
        if batch.is_last:
            self._ended_start = self._start_number

    async def aclose(self) -> None:
        """Refuse everything until the next `open`."""
        self._is_open = False
        await trio.lowlevel.checkpoint()

    def _raised(self, view: PublicView) -> PublicView:
        return attrs.evolve(view, version=max(view.version, self._version_floor))

    async def _take_turn(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self._is_open:
            raise StoreUnavailable("the store is closed")


def _apply(changes: Mapping[K, V | None], rows: dict[K, V]) -> None:
    for key, value in changes.items():
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value


def _versions_in(batch: Batch) -> Iterator[int]:
    for record in batch.users.values():
        if record is not None:
            yield record.view.version
    for revocation in batch.revocations.values():
        yield revocation.last_version


def _is_over(end: float | None, now_wall: float) -> bool:
    return end is not None and end <= now_wall
