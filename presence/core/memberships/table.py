"""The memberships of all users, so compact that millions of offline users fit.

Users who belong to the same servers for the same reasons share what says so,
as far as they were loaded together; one string per id serves all of a user's
entries. A user without a membership has no entry at all.

Reasons are one number: the sum of `BY_ADMIN`, `BY_CLAIM` and `BY_SHOWN_CLAIM`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set

import attrs

from presence.core.types import ServerId, UserId

BY_ADMIN, BY_CLAIM, BY_SHOWN_CLAIM = 1, 2, 4
IS_TRUE = BY_ADMIN | BY_CLAIM
IS_SHOWN = BY_ADMIN | BY_SHOWN_CLAIM
_ALL_REASONS = range(8)
NOBODY: Set[UserId] = frozenset()


@attrs.frozen
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


@attrs.frozen(eq=False)
class Tie:
    """What binds a user to a server: one object per server and reasons, shared by many users."""

    server_id: ServerId
    reasons: int
    is_true: bool
    """The user belongs to the server, as it sees it itself."""
    is_shown: bool
    """Others see the user there."""
    is_behind: bool
    """What others see is not what the claim says."""

    @classmethod
    def of(cls, server_id: ServerId, reasons: int) -> "Tie":
        is_behind = bool(reasons & BY_CLAIM) != bool(reasons & BY_SHOWN_CLAIM)
        return cls(server_id, reasons, bool(reasons & IS_TRUE), bool(reasons & IS_SHOWN), is_behind)


_Place = tuple[tuple[Tie, ...], Callable[[UserId], None]]


class MembershipTable(Iterable[MembershipRow]):
    """Memberships by user, and the members of each server. Equal where the rows are."""

    def __init__(self, rows: Iterable[MembershipRow] = ()) -> None:
        self.ties: dict[UserId, tuple[Tie, ...]] = {}
        """What binds each user to its servers, in no particular order; for others to read."""
        self.shown: dict[ServerId, set[UserId]] = {}
        """The members that others see in each server; for others to read."""
        self._unshown: dict[ServerId, set[UserId]] = {}
        """Members of whom others do not know. Few servers have any."""
        self._known: list[dict[ServerId, Tie]] = [{} for _ in _ALL_REASONS]
        for row in rows:
            self.put(row.user_id, {row.server_id: row.reasons})

    @classmethod
    def loaded(cls, rows: Iterable[tuple[UserId, ServerId, int]]) -> "MembershipTable":
        """The table of *rows*: user, server and reasons, of which there are some.

        No pair comes twice, and the rows of one user follow one another.
        """
        table = cls()
        table._load(rows)
        return table

    def __iter__(self) -> Iterator[MembershipRow]:
        for user_id, ties in self.ties.items():
            for tie in ties:
                yield MembershipRow.of(user_id, tie.server_id, tie.reasons)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MembershipTable) and set(self) == set(other)

    def __repr__(self) -> str:
        return f"MembershipTable({list(self)!r})"

    # -- questions ---------------------------------------------------------------------------

    def reasons(self, user_id: UserId, server_id: ServerId) -> int:
        """Why the user belongs to the server; 0: it does not."""
        ties = self.ties.get(user_id, ())
        return next((tie.reasons for tie in ties if tie.server_id == server_id), 0)

    def reasons_of(self, user_id: UserId) -> dict[ServerId, int]:
        """Why the user belongs to each of its servers."""
        return {tie.server_id: tie.reasons for tie in self.ties.get(user_id, ())}

    def members_of(self, server_id: ServerId) -> Set[UserId]:
        """Everybody who has a row with the server, seen or not."""
        shown, unshown = (each.get(server_id, NOBODY) for each in (self.shown, self._unshown))
        return shown | unshown

    # -- changes -----------------------------------------------------------------------------

    def put(self, user_id: UserId, changes: Mapping[ServerId, int]) -> None:
        """Why the user belongs to each server in *changes* from now on; 0: it does not."""
        ties = {tie.server_id: tie for tie in self.ties.get(user_id, ())}
        for server_id, reasons in changes.items():
            if reasons:
                ties[server_id] = self._tie(server_id, reasons)
            else:
                ties.pop(server_id, None)
            self._note_member(server_id, user_id, reasons)
        if ties:
            self.ties[user_id] = tuple(ties.values())
        else:
            self.ties.pop(user_id, None)

    # -- details -----------------------------------------------------------------------------

    def _load(self, rows: Iterable[tuple[UserId, ServerId, int]]) -> None:
        # Millions of turns before anybody is let in: nothing is asked twice.
        places: list[dict[ServerId, _Place]] = [{} for _ in _ALL_REASONS]
        shared: dict[tuple[Tie, ...], tuple[Tie, ...]] = {}
        user: UserId | None = None
        ties: tuple[Tie, ...] = ()
        for user_id, server_id, reasons in rows:
            place = places[reasons].get(server_id)
            if place is None:
                place = places[reasons][server_id] = self._place(server_id, reasons)
            alone, add = place
            if user_id == user:
                ties += alone
            else:
                if user is not None and len(ties) > 1:
                    self.ties[user] = shared.setdefault(ties, ties)
                user, ties = user_id, alone
                self.ties[user] = alone
            add(user)
        if user is not None:
            self.ties[user] = shared.setdefault(ties, ties)

    def _place(self, server_id: ServerId, reasons: int) -> _Place:
        """The ties of who belongs to this server alone, and how to note such a member."""
        members = self._members(reasons).setdefault(server_id, set())
        return (self._tie(server_id, reasons),), members.add

    def _members(self, reasons: int) -> dict[ServerId, set[UserId]]:
        return self.shown if reasons & IS_SHOWN else self._unshown

    def _tie(self, server_id: ServerId, reasons: int) -> Tie:
        tie = self._known[reasons].get(server_id)
        if tie is None:
            tie = self._known[reasons][server_id] = Tie.of(server_id, reasons)
        return tie

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
            for ties in self._known:
                ties.pop(server_id, None)
