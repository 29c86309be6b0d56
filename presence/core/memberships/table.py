"""The memberships of all users, so compact that millions of offline users fit.

Users who belong to the same servers for the same reasons share what says so,
as far as they were loaded together; one string per id serves all of a user's
entries. A user without a membership has no entry at all.

Reasons are one number: the sum of `BY_ADMIN`, `BY_CLAIM` and `BY_SHOWN_CLAIM`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import repeat
from typing import cast

from presence.core.types import ServerId, UserId
from presence.core.value import value

BY_ADMIN, BY_CLAIM, BY_SHOWN_CLAIM = 1, 2, 4
IS_TRUE = BY_ADMIN | BY_CLAIM
IS_SHOWN = BY_ADMIN | BY_SHOWN_CLAIM
_ALL_REASONS = range(8)
NOBODY: Set[UserId] = frozenset()


@value
class MembershipRow:
    """Why a user belongs to an explicit server.

    `by_admin`: an administrator said so. `by_claim`: the claim that holds says
    so. `by_shown_claim`: the claim as others last saw it says so. A row with
    none of the three does not exist.
    """

    user_id: UserId
    server_id: ServerId
    by_admin: bool = False
    by_claim: bool = False
    by_shown_claim: bool = False

    @classmethod
    def of(cls, user_id: UserId, server_id: ServerId, reasons: int) -> "MembershipRow":
        """The row that says *reasons*."""
        return cls(
            user_id,
            server_id,
            by_admin=bool(reasons & BY_ADMIN),
            by_claim=bool(reasons & BY_CLAIM),
            by_shown_claim=bool(reasons & BY_SHOWN_CLAIM),
        )

    @property
    def reasons(self) -> int:
        return (
            BY_ADMIN * self.by_admin
            + BY_CLAIM * self.by_claim
            + BY_SHOWN_CLAIM * self.by_shown_claim
        )

    @property
    def is_empty(self) -> bool:
        return self.reasons == 0


@value(eq=False)
class MembershipEntry:
    """The membership of a user in a server: one shared object per server and reasons."""

    server_id: ServerId
    reasons: int
    is_true: bool
    """The user belongs to the server, as it sees it itself."""
    is_announced: bool
    """Others see the user there."""
    is_behind: bool
    """The claim as others saw it last differs from the present claim."""

    @classmethod
    def of(cls, server_id: ServerId, reasons: int) -> "MembershipEntry":
        is_behind = bool(reasons & BY_CLAIM) != bool(reasons & BY_SHOWN_CLAIM)
        return cls(server_id, reasons, bool(reasons & IS_TRUE), bool(reasons & IS_SHOWN), is_behind)


MembershipGroup = tuple[ServerId, int, Sequence[UserId]]
"""A server, reasons, and some of the users who belong to it for exactly these."""

_Entries = dict[UserId, tuple[MembershipEntry, ...]]
_Found = dict[UserId, tuple[MembershipEntry, ...] | list[MembershipEntry]]
"""As far as groups are loaded: a tuple while one server is known of a user, then its own list."""


class MembershipTable(Iterable[MembershipRow]):
    """Memberships by user, and the members of each server. Equal where the rows are."""

    def __init__(self, rows: Iterable[MembershipRow] = ()) -> None:
        self.entries: dict[UserId, tuple[MembershipEntry, ...]] = {}
        """The entries of each user, in no particular order; for others to read."""
        self.shown: dict[ServerId, set[UserId]] = {}
        """The members that others see in each server; for others to read."""
        self._unshown: dict[ServerId, set[UserId]] = {}
        """Members of whom others do not know. Few servers have any."""
        self._known: list[dict[ServerId, MembershipEntry]] = [{} for _ in _ALL_REASONS]
        for row in rows:
            self.put(row.user_id, {row.server_id: row.reasons})

    @classmethod
    def loaded(cls, groups: Iterable[MembershipGroup]) -> "MembershipTable":
        """The table of all *groups*, none of them empty or without reasons.

        No pair of user and server comes twice. Users share all they can where
        no server comes twice for the same reasons.
        """
        table = cls()
        table._load(groups)
        return table

    def __iter__(self) -> Iterator[MembershipRow]:
        for user_id, entries in self.entries.items():
            for entry in entries:
                yield MembershipRow.of(user_id, entry.server_id, entry.reasons)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MembershipTable) and set(self) == set(other)

    def __repr__(self) -> str:
        return f"MembershipTable({list(self)!r})"

    # -- questions ---------------------------------------------------------------------------

    def reasons(self, user_id: UserId, server_id: ServerId) -> int:
        """Why the user belongs to the server; 0: it does not."""
        entries = self.entries.get(user_id, ())
        return next((entry.reasons for entry in entries if entry.server_id == server_id), 0)

    def reasons_of(self, user_id: UserId) -> dict[ServerId, int]:
        """Why the user belongs to each of its servers."""
        return {entry.server_id: entry.reasons for entry in self.entries.get(user_id, ())}

    def members_of(self, server_id: ServerId) -> Set[UserId]:
        """Everybody who has a row with the server, seen or not."""
        shown, unshown = (each.get(server_id, NOBODY) for each in (self.shown, self._unshown))
        return shown | unshown

    # -- changes -----------------------------------------------------------------------------

    def put(self, user_id: UserId, changes: Mapping[ServerId, int]) -> None:
        """Why the user belongs to each server in *changes* from now on; 0: it does not."""
        entries = {entry.server_id: entry for entry in self.entries.get(user_id, ())}
        for server_id, reasons in changes.items():
            if reasons:
                entries[server_id] = self._entry(server_id, reasons)
            else:
                entries.pop(server_id, None)
            self._note_member(server_id, user_id, reasons)
        if entries:
            self.entries[user_id] = tuple(entries.values())
        else:
            self.entries.pop(user_id, None)

    # -- details -----------------------------------------------------------------------------

    def _load(self, groups: Iterable[MembershipGroup]) -> None:
        # Millions of users before anybody is let in: as little as can be for each of them.
        found: _Found = {}
        row_count = 0
        adds: dict[MembershipEntry, Callable[[UserId], None]] = {}
        for server_id, reasons, users in groups:
            entry = self._entry(server_id, reasons)
            members = self._members(reasons).setdefault(server_id, set())
            members.update(_add_all(users, entry, found))
            adds[entry] = members.add
            row_count += len(users)
        self.entries = (
            _with_shared_entries(found, adds) if row_count > len(found) else cast("_Entries", found)
        )

    def _members(self, reasons: int) -> dict[ServerId, set[UserId]]:
        return self.shown if reasons & IS_SHOWN else self._unshown

    def _entry(self, server_id: ServerId, reasons: int) -> MembershipEntry:
        entry = self._known[reasons].get(server_id)
        if entry is None:
            entry = self._known[reasons][server_id] = MembershipEntry.of(server_id, reasons)
        return entry

    def _note_member(self, server_id: ServerId, user_id: UserId, reasons: int) -> None:
        place = self._members(reasons) if reasons else None
        for members in (self.shown, self._unshown):
            if members is place:
                members.setdefault(server_id, set()).add(user_id)
            elif server_id in members:
                members[server_id].discard(user_id)
                if not members[server_id]:
                    del members[server_id]
        if server_id not in self.shown and server_id not in self._unshown:
            for entries in self._known:
                entries.pop(server_id, None)


def _add_all(users: Sequence[UserId], entry: MembershipEntry, found: _Found) -> Sequence[UserId]:
    """Tie each of *users* to one more server; gives those who had none before."""
    alone = (entry,)
    count_before = len(found)
    before = list(map(found.setdefault, users, repeat(alone)))
    if len(found) == count_before + len(users):
        return users
    new = []
    for user_id, entries in zip(users, before, strict=True):
        if entries is alone:
            new.append(user_id)
        elif isinstance(entries, list):
            entries.append(entry)
        else:
            found[user_id] = [*entries, entry]
    return new


def _with_shared_entries(
    found: _Found, adds: Mapping[MembershipEntry, Callable[[UserId], None]]
) -> _Entries:
    """The ties found, where users of the same servers share; they become members of all.

    Their first server has them as members already. The others get them only
    here, because a walk through the keys gives the very strings that it holds;
    looking up an equal one does not.
    """
    shared: dict[tuple[MembershipEntry, ...], tuple[MembershipEntry, ...]] = {}
    for user_id, entries in found.items():
        if isinstance(entries, list):
            for entry in entries[1:]:
                adds[entry](user_id)
            entries = tuple(entries)
            found[user_id] = shared.setdefault(entries, entries)
    return cast("_Entries", found)
