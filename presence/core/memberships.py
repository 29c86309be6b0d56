"""Who belongs to which server, why, and in which of them others see it.

A membership is made by an administrator, by the claim of a token, or by both.
What a claim changes is shown to others only while the user is visible: until
then they go on seeing the claim as it was shown last, so the two are kept
apart. What an administrator changes is shown at once.
"""

from collections.abc import Iterable, Mapping, Set

import attrs

from presence.core.types import EVERYONE, ServerId, UserId


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

    @property
    def is_true(self) -> bool:
        return self.by_admin or self.by_claim

    @property
    def is_shown(self) -> bool:
        return self.by_admin or self.by_shown_claim

    @property
    def is_empty(self) -> bool:
        return not (self.by_admin or self.by_claim or self.by_shown_claim)


@attrs.frozen
class Shift:
    """What one change of memberships did to one user.

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
    """The servers and their members. `everyone` holds every user where it is on."""

    def __init__(
        self,
        servers: Mapping[ServerId, str],
        rows: Iterable[MembershipRow],
        *,
        has_everyone: bool,
    ) -> None:
        self.has_everyone = has_everyone
        self.names: dict[ServerId, str] = dict(servers)
        self._rows: dict[UserId, dict[ServerId, MembershipRow]] = {}
        self._shown: dict[ServerId, set[UserId]] = {}
        self._all: dict[ServerId, set[UserId]] = {}
        if has_everyone:
            self.names[EVERYONE] = "everyone"
        for row in rows:
            self._put(row)

    # -- questions ---------------------------------------------------------------------------

    def servers_of(self, user_id: UserId) -> Set[ServerId]:
        """The servers that the user belongs to, as the user itself sees it."""
        rows = self._rows.get(user_id, {}).values()
        return self._with_everyone({row.server_id for row in rows if row.is_true})

    def shown_servers_of(self, user_id: UserId) -> Set[ServerId]:
        """The servers in which others see the user, once others were told of it at all."""
        rows = self._rows.get(user_id, {}).values()
        return self._with_everyone({row.server_id for row in rows if row.is_shown})

    def members_of(self, server_id: ServerId) -> Set[UserId]:
        """The members that others see in an explicit server."""
        return self._shown.get(server_id, set())

    def can_see(self, viewer: UserId, target: UserId) -> bool:
        """True if the two have a server in common, as far as *viewer* may know."""
        return not self.servers_of(viewer).isdisjoint(self.shown_servers_of(target))

    # -- changes -----------------------------------------------------------------------------

    def claim(self, user_id: UserId, servers: Iterable[ServerId]) -> Shift:
        """A token's claim replaces the memberships that earlier claims made."""
        wanted = set(servers) - {EVERYONE}
        for server_id in wanted:
            self.names.setdefault(server_id, server_id)
        present = self._rows.get(user_id, {})
        return self._change(
            user_id,
            [
                attrs.evolve(self._row(user_id, server_id), by_claim=server_id in wanted)
                for server_id in wanted | present.keys()
            ],
        )

    def show_claims(self, user_id: UserId) -> Shift:
        """The user is visible: others now see its claim as it is."""
        present = self._rows.get(user_id, {})
        return self._change(
            user_id,
            [attrs.evolve(row, by_shown_claim=row.by_claim) for row in present.values()],
        )

    def admit(self, user_id: UserId, server_id: ServerId) -> Shift:
        """An administrator makes the user a member."""
        row = attrs.evolve(self._row(user_id, server_id), by_admin=True)
        return self._change(user_id, [row])

    def dismiss(self, user_id: UserId, server_id: ServerId) -> Shift:
        """An administrator takes the membership back, whoever made it."""
        return self._change(user_id, [MembershipRow(user_id, server_id)])

    def replace(self, server_id: ServerId, members: Iterable[UserId]) -> list[Shift]:
        """*members* replace those of the server that administration made."""
        wanted = set(members)
        present = {
            user_id
            for user_id in self._all.get(server_id, set())
            if self._row(user_id, server_id).by_admin
        }
        return [
            self._change(
                user_id,
                [attrs.evolve(self._row(user_id, server_id), by_admin=user_id in wanted)],
            )
            for user_id in sorted(wanted ^ present)
        ]

    def open_server(self, server_id: ServerId, name: str) -> None:
        """Create a server, or give it another name."""
        self.names[server_id] = name

    def close_server(self, server_id: ServerId) -> list[Shift]:
        """Delete a server; everybody leaves it."""
        self.names.pop(server_id, None)
        members = sorted(self._all.get(server_id, set()))
        return [self.dismiss(user_id, server_id) for user_id in members]

    def remove_user(self, user_id: UserId) -> Shift:
        """The user is deleted: it leaves every explicit server."""
        present = self._rows.get(user_id, {})
        return self._change(user_id, [MembershipRow(user_id, server_id) for server_id in present])

    # -- details -----------------------------------------------------------------------------

    def _with_everyone(self, servers: set[ServerId]) -> Set[ServerId]:
        if self.has_everyone:
            servers.add(EVERYONE)
        return servers

    def _row(self, user_id: UserId, server_id: ServerId) -> MembershipRow:
        present = self._rows.get(user_id, {}).get(server_id)
        return present or MembershipRow(user_id, server_id)

    def _change(self, user_id: UserId, rows: Iterable[MembershipRow]) -> Shift:
        changed = [row for row in rows if row != self._row(user_id, row.server_id)]
        before = {row.server_id: self._row(user_id, row.server_id) for row in changed}
        for row in changed:
            self._put(row)
        ids = {row.server_id: (before[row.server_id], row) for row in changed}
        return Shift(
            user_id=user_id,
            joined={key for key, (old, new) in ids.items() if new.is_true and not old.is_true},
            left={key for key, (old, new) in ids.items() if old.is_true and not new.is_true},
            appeared={key for key, (old, new) in ids.items() if new.is_shown and not old.is_shown},
            vanished={key for key, (old, new) in ids.items() if old.is_shown and not new.is_shown},
            rows=tuple(changed),
        )

    def _put(self, row: MembershipRow) -> None:
        user_id, server_id = row.user_id, row.server_id
        _set_member(self._shown, server_id, user_id, is_member=row.is_shown)
        _set_member(self._all, server_id, user_id, is_member=not row.is_empty)
        if not row.is_empty:
            self._rows.setdefault(user_id, {})[server_id] = row
        elif user_id in self._rows:
            self._rows[user_id].pop(server_id, None)
            if not self._rows[user_id]:
                del self._rows[user_id]


def _set_member(
    members: dict[ServerId, set[UserId]], server_id: ServerId, user_id: UserId, *, is_member: bool
) -> None:
    if is_member:
        members.setdefault(server_id, set()).add(user_id)
    elif server_id in members:
        members[server_id].discard(user_id)
        if not members[server_id]:
            del members[server_id]
