"""The port of the living part to the outside: the store."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from presence.core.memberships import MembershipRow as MembershipRow
from presence.core.memberships import MembershipTable as MembershipTable
from presence.core.record import Record
from presence.core.types import PublicView, ServerId, UserId
from presence.core.value import value


@value
class Revocation:
    """Tokens of the user issued at or before `revoked_at` (Unix time) are refused.

    For a deleted user `last_version` is the last that others saw, so that the
    versions of a later user of that id go on from there; else 0.
    """

    user_id: UserId
    revoked_at: float
    last_version: int = 0


@value
class StartupState:
    """The contents of the store at the start, read once before a connection is accepted.

    `settled_epoch` is the last run that outlived its restart grace: intents of
    users attached in an earlier run than that are over. `text_ends` are the
    public texts of users that end by themselves, as Unix times. `leased` are
    the users whom a lease holds that has not ended, as others see them: some
    of them are hidden.
    `was_moved_aside` says that a corrupt file was put away at this or an
    earlier start: a user without a row may have been hidden.

    `memberships` belong to whoever takes the opening over: the store keeps no
    hold of them, so that there is one table of millions and not two.
    """

    epoch: int
    settled_epoch: int
    servers: Mapping[ServerId, str]
    memberships: MembershipTable
    revocations: Sequence[Revocation]
    text_ends: Mapping[UserId, float]
    announced_count: int
    was_moved_aside: bool
    leased: Mapping[UserId, PublicView] = attrs.field(factory=dict)


@value
class Batch:
    """Changes that are committed together: all of them or none.

    A value of None deletes the row, and nothing besides: the memberships of a
    deleted user or server are deleted by name. `committed_at` (Unix time) is stored with
    it: the "last seen" of those who are shown online when the server dies.
    `is_last`: nothing was told to anybody that is not stored.
    """

    committed_at: float
    users: Mapping[UserId, Record | None] = attrs.field(factory=dict)
    servers: Mapping[ServerId, str | None] = attrs.field(factory=dict)
    memberships: Mapping[tuple[UserId, ServerId], MembershipRow | None] = attrs.field(factory=dict)
    revocations: Mapping[UserId, Revocation] = attrs.field(factory=dict)
    settled_epoch: int | None = None
    is_last: bool = False


class UnreadableRow(Exception):
    """The row of one user is there but makes no sense: the user counts as hidden."""


class Store(Protocol):
    """Keeps users, servers and memberships; one writer, readers beside it.

    Every method may raise `presence.errors.StoreUnavailable`. None of them is
    ever on the way of a broadcast. Calls may overlap; batches are written in
    the order in which `write` was called. If cancelled, a started `write` is
    finished first.
    """

    async def open(self, now_wall: float) -> StartupState:
        """Create or migrate, count the start, show everybody offline, and report.

        Users who were shown online are now offline, last seen at the newest
        `committed_at`, but for those whom a lease still shows; public and true
        texts whose time has passed are cleared. Each view so changed gets a
        version of the new run, from
        `epoch * 2**32 + 1` on; `StartupState` tells nothing of how many, so
        see `read_latest_version`.

        Where no batch was the last of the run before, something newer than
        what is stored may have been told of anybody. So from then on every
        view has at least the version `epoch * 2**32`, or who heard the
        newer one would take the stored one for old. Raises `presence.errors.DataUnusable` where
        the data cannot be used or another server uses it.
        """

    async def read_latest_version(self) -> int:
        """The greatest version of any view or revocation ever stored, 0 where there was none."""

    async def read_user(self, user_id: UserId) -> Record | None:
        """One user's record; raises `UnreadableRow` where it makes no sense."""

    async def read_views(self, user_ids: Iterable[UserId]) -> Mapping[UserId, PublicView]:
        """Views of those of *user_ids* that are shown; unreadable rows are shown offline, bare."""

    async def read_announced_ids(self, after: str, limit: int) -> Sequence[UserId]:
        """The next ids of shown users greater than *after*, in order (by code point)."""

    async def write(self, batch: Batch) -> None:
        """Commit *batch* in one transaction."""

    async def aclose(self) -> None:
        """Close the database; later calls raise `StoreUnavailable`."""
