"""Queries of the memberships, their changes, and the delta of each change."""

from collections.abc import Iterable, Mapping, Set

from presence.core.memberships.table import (
    BY_ADMIN,
    BY_CLAIM,
    BY_SHOWN_CLAIM,
    IS_SHOWN,
    IS_TRUE,
    NOBODY,
    MembershipRow,
    MembershipTable,
)
from presence.core.types import EVERYONE, ServerId, UserId
from presence.core.value import value


@value
class MembershipDelta:
    """The effect of one change of memberships on one user.

    `joined` and `left` are the servers of the user itself; `appeared` and
    `vanished` those in which others see it. `rows` are to be stored; an empty
    one is to be deleted.
    """

    user_id: UserId
    joined: Set[ServerId] = frozenset()
    left: Set[ServerId] = frozenset()
    appeared: Set[ServerId] = frozenset()
    vanished: Set[ServerId] = frozenset()
    rows: tuple[MembershipRow, ...] = ()


class Memberships:
    """The servers and their members. `everyone` holds every user where it is on.

    *rows* that are a `MembershipTable` are taken over, not copied.
    """

    def __init__(
        self,
        servers: Mapping[ServerId, str],
        rows: Iterable[MembershipRow],
        *,
        has_everyone: bool,
    ) -> None:
        self.has_everyone = has_everyone
        self.names: dict[ServerId, str] = dict(servers)
        self._table = rows if isinstance(rows, MembershipTable) else MembershipTable(rows)
        if has_everyone:
            self.names[EVERYONE] = "everyone"

    # -- questions ---------------------------------------------------------------------------

    def servers_of(self, user_id: UserId) -> Set[ServerId]:
        """The servers that the user belongs to, as the user itself sees it."""
        servers = {
            entry.server_id for entry in self._table.entries.get(user_id, ()) if entry.is_true
        }
        if self.has_everyone:
            servers.add(EVERYONE)
        return servers

    def public_servers_of(self, user_id: UserId) -> Set[ServerId]:
        """The servers in which others see the user, once others were told of it at all."""
        servers = {
            entry.server_id for entry in self._table.entries.get(user_id, ()) if entry.is_announced
        }
        if self.has_everyone:
            servers.add(EVERYONE)
        return servers

    def members_of(self, server_id: ServerId) -> Set[UserId]:
        """The members that others see in an explicit server."""
        return self._table.shown.get(server_id, NOBODY)

    def can_see(self, viewer: UserId, target: UserId) -> bool:
        """True if the two have a server in common, as far as *viewer* may know."""
        return self.has_everyone or not self.servers_of(viewer).isdisjoint(
            self.public_servers_of(target)
        )

    # -- changes -----------------------------------------------------------------------------

    def claim(self, user_id: UserId, servers: Iterable[ServerId]) -> MembershipDelta:
        """A token's claim replaces the memberships that earlier claims made."""
        wanted = set(servers) - {EVERYONE}
        for server_id in wanted:
            self.names.setdefault(server_id, server_id)
        before = self._table.reasons_of(user_id)
        claimed = {server_id for server_id, reasons in before.items() if reasons & BY_CLAIM}
        changed = {key: before.get(key, 0) ^ BY_CLAIM for key in wanted ^ claimed}
        return self._change(user_id, changed)

    def publish_claims(self, user_id: UserId) -> MembershipDelta:
        """The user is visible: others now see its claim as it is."""
        behind = {
            entry.server_id: entry.reasons ^ BY_SHOWN_CLAIM
            for entry in self._table.entries.get(user_id, ())
            if entry.is_behind
        }
        return self._change(user_id, behind)

    def admit(self, user_id: UserId, server_id: ServerId) -> MembershipDelta:
        """An administrator makes the user a member."""
        reasons = self._table.reasons(user_id, server_id) | BY_ADMIN
        return self._change(user_id, {server_id: reasons})

    def dismiss(self, user_id: UserId, server_id: ServerId) -> MembershipDelta:
        """An administrator takes the membership back, whoever made it."""
        return self._change(user_id, {server_id: 0})

    def replace(self, server_id: ServerId, members: Iterable[UserId]) -> list[MembershipDelta]:
        """*members* replace those of the server that administration made."""
        before = {
            user_id: self._table.reasons(user_id, server_id)
            for user_id in self._table.members_of(server_id)
        }
        admitted = {user_id for user_id, reasons in before.items() if reasons & BY_ADMIN}
        return [
            self._change(user_id, {server_id: before.get(user_id, 0) ^ BY_ADMIN})
            for user_id in sorted(set(members) ^ admitted)
        ]

    def open_server(self, server_id: ServerId, name: str) -> None:
        """Create a server, or give it another name."""
        self.names[server_id] = name

    def close_server(self, server_id: ServerId) -> list[MembershipDelta]:
        """Delete a server; everybody leaves it."""
        self.names.pop(server_id, None)
        members = sorted(self._table.members_of(server_id))
        return [self.dismiss(user_id, server_id) for user_id in members]

    def adopt(self, delta: MembershipDelta) -> None:
        """Make the rows of *delta* hold, which another table may have computed. Idempotent."""
        changed = {
            row.server_id: row.reasons
            for row in delta.rows
            if self._table.reasons(delta.user_id, row.server_id) != row.reasons
        }
        if changed:
            self._table.put(delta.user_id, changed)

    def remove_user(self, user_id: UserId) -> MembershipDelta:
        """The user is deleted: it leaves every explicit server."""
        return self._change(user_id, dict.fromkeys(self._table.reasons_of(user_id), 0))

    # -- details -----------------------------------------------------------------------------

    def _change(self, user_id: UserId, wanted: Mapping[ServerId, int]) -> MembershipDelta:
        """Give the user these reasons to belong to these servers, and say what that did."""
        if not wanted:  # as with almost every update of a status
            return MembershipDelta(user_id)
        before = self._table.reasons_of(user_id)
        changed = {
            server_id: (before.get(server_id, 0), reasons)
            for server_id, reasons in wanted.items()
            if reasons != before.get(server_id, 0)
        }
        self._table.put(user_id, {server_id: new for server_id, (_, new) in changed.items()})
        true_before, true_now, shown_before, peek = (
            {server_id for server_id, each in changed.items() if each[index] & reason}
            for reason in (IS_TRUE, IS_SHOWN)
            for index in (0, 1)
        )
        return MembershipDelta(
            user_id=user_id,
            joined=true_now - true_before,
            left=true_before - true_now,
            appeared=peek - shown_before,
            vanished=shown_before - peek,
            rows=tuple(
                MembershipRow.of(user_id, server_id, new) for server_id, (_, new) in changed.items()
            ),
        )
