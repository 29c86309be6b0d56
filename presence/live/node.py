"""The tables and services that actors share, and how effects are carried out.

Rule: this file decides nothing about a user. It carries out what `core`
returned, in order, and never waits: table first, then announcement, then disk.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import attrs

from actors import (
    ActorCrashed,
    ActorStopped,
    AskTimedOut,
    DynamicSupervisor,
    MailboxFull,
    Reply,
    Shards,
    Timer,
)
from presence.core.events import Effect, Save, ShowSelf, Stalled, TimePassed, WakeAt
from presence.core.memberships import MembershipDelta, MembershipRow, Memberships
from presence.core.public_changes import MembershipsChanged, PresenceChanged, UserRemoved
from presence.core.record import Record
from presence.core.restore import Incarnation
from presence.core.types import EVERYONE, PublicView, SelfView, ServerId, UserId
from presence.core.visibility import end_public_text, enter_quarantine
from presence.errors import UserCrashed, UserUnavailable
from presence.live.claims import Claims
from presence.live.clock import Clock
from presence.live.connections import ConnectionRegistry
from presence.live.fanout import Fanout
from presence.live.messages import Message, SyncSubscriptions
from presence.live.persistence.writer import Writer
from presence.live.ports import Revocation
from presence.live.public_state import PublicState
from presence.live.views.public_views import PublicViews
from presence.live.views.recent_changes import RecentChanges

R = TypeVar("R")


@attrs.define(eq=False)
class Node:
    """One node's tables and services. Made in `presence.wiring`, before any port is open."""

    clock: Clock
    incarnation: Incarnation
    memberships: Memberships
    public_views: PublicViews
    connections: ConnectionRegistry
    fanout: Fanout
    writer: Writer
    timer: Timer[object]
    users: DynamicSupervisor[UserId, Message]
    """The users' actors."""
    revocations: dict[UserId, Revocation]
    hides_unknown_users: bool
    """A corrupt store was moved aside, so a user without a row may have been hidden."""
    is_draining: bool = False
    records: Shards[UserId, Record] = attrs.field(factory=Shards)
    """The last record of each user that has an actor: what a crashed one is rebuilt from."""
    quarantined: set[UserId] = attrs.field(factory=set)
    """Users whose actor was put aside, until it lives again and has handled what waited."""
    recent_changes: RecentChanges = attrs.field(init=False)
    public_state: PublicState = attrs.field(init=False)

    @recent_changes.default
    def _open_recent_changes(self) -> RecentChanges:
        return RecentChanges(self.incarnation.versions.latest, self.clock.wall)

    @public_state.default
    def _open_public_state(self) -> PublicState:
        return PublicState(self.memberships, self.public_views, self.fanout, self.recent_changes)

    # -- messages to one user ----------------------------------------------------------------

    async def ask(
        self,
        user_id: UserId,
        make: Callable[[Reply[R]], Message],
        *,
        timeout: float,
        slot: Hashable = None,
    ) -> R:
        """Ask the user's actor; raises `UserUnavailable`, `UserCrashed`, or what it answers."""
        with self._named_errors(user_id):
            return await self.users.ask(user_id, make, timeout=timeout, slot=slot)

    async def ask_inline(
        self,
        user_id: UserId,
        make: Callable[[Reply[R]], Message],
        *,
        timeout: float,
        slot: Hashable,
    ) -> R:
        """As `ask`; an actor at rest answers before this waits, if it can."""
        with self._named_errors(user_id):
            return await self.users.ask_inline(user_id, make, timeout=timeout, slot=slot)

    @contextmanager
    def _named_errors(self, user_id: UserId) -> Iterator[None]:
        """Give errors of actors the names that frontends know."""
        try:
            yield
        except (ActorStopped, AskTimedOut, MailboxFull) as error:
            raise UserUnavailable(f"{user_id} cannot be asked now: {error}") from error
        except ActorCrashed as error:
            raise UserCrashed(f"{user_id} crashed: {error}") from error

    def tell(self, user_id: UserId, message: Message, *, slot: Hashable) -> None:
        """Put a message into the user's mailbox; raises `UserUnavailable`."""
        try:
            self.users.tell_nowait(user_id, message, slot=slot)
        except ActorStopped as error:
            raise UserUnavailable(f"{user_id} takes no messages now") from error

    def handle_inline(
        self,
        user_id: UserId,
        message: Message,
        *,
        slot: Hashable,
        merge: Callable[[Message, Message], Message],
    ) -> None:
        """As `tell`; an actor at rest handles the message before this returns, if it can."""
        try:
            self.users.handle_inline(user_id, message, slot=slot, merge=merge)
        except ActorStopped as error:
            raise UserUnavailable(f"{user_id} takes no messages now") from error

    # -- effects of one user -----------------------------------------------------------------

    def carry_out(self, user_id: UserId, effects: Iterable[Effect]) -> int:
        """Do what follows from an event of one user; the ticket of what was saved, or 0."""
        ticket = 0
        for effect in effects:
            match effect:
                case PresenceChanged():
                    self._publish(effect)
                case ShowSelf(view):
                    self._show_self(user_id, view)
                case Save(record):
                    ticket = self.writer.save(record)
                    self.records[user_id] = record
                case WakeAt(at):
                    self.wake(user_id, at)
        return ticket

    def wake(self, user_id: UserId, at: float | None) -> None:
        """Have `TimePassed` told to the user at *at* (monotonic), or not at all."""
        if at is None:
            self.timer.cancel(("user", user_id))
        else:
            self.timer.set(("user", user_id), at, partial(self._tell_time, user_id))

    def _tell_time(self, user_id: UserId, stalled: bool) -> None:
        event = Stalled() if stalled else TimePassed()
        if not self.is_draining:
            self.users.tell_nowait(user_id, event, slot="stalled" if stalled else "time")

    def _publish(self, change: PresenceChanged) -> None:
        """Apply *change*, and with it what the user claimed while others did not see it."""
        if change.view.is_visible:
            delta = self.memberships.publish_claims(change.view.user_id)
            if delta.rows:
                change = attrs.evolve(change, delta=delta)
        self._save_rows(self.public_state.apply(change))

    def _show_self(self, user_id: UserId, view: SelfView) -> None:
        for subscriber in self.connections.welcomed(user_id):
            subscriber.show_self(view)

    # -- quarantine --------------------------------------------------------------------------

    def rebuild(self, user_id: UserId, *, is_quarantined: bool) -> None:
        """Have a user's actor rebuilt after a crash, even if it gets no other message.

        A user in quarantine is shown offline until then, so that hiding never waits.
        """
        if self.is_draining:
            return
        if is_quarantined:
            self.quarantine(user_id)
        self.users.tell_nowait(user_id, TimePassed(), slot="time")

    def quarantine(self, user_id: UserId) -> None:
        """Show a user offline whose actor is put aside, from the timer's next look on.

        In a task of its own, which may crash: whatever crashed the actor could
        be in the carrying out.
        """
        self.quarantined.add(user_id)
        self.timer.set(
            ("quarantine", user_id),
            self.clock.now().mono,
            lambda stalled: self._show_quarantined(user_id),
        )

    def release(self, user_id: UserId) -> None:
        """The user's actor lives again, and sees to everything itself."""
        self.quarantined.discard(user_id)
        self.timer.cancel(("quarantine", user_id))

    def _show_quarantined(self, user_id: UserId) -> None:
        view, now = self._view_known_of(user_id), self.clock.now()
        if view is None or self.is_draining:  # a stop publishes nothing
            return
        record, versions = self.records.get(user_id), self.incarnation.versions
        self.carry_out(user_id, enter_quarantine(view, record, versions, now.wall))
        if view.custom_status_until is not None:
            self.timer.set(
                ("quarantine", user_id),
                now.mono_of(view.custom_status_until),
                lambda stalled: self._end_public_text(user_id),
            )

    def _end_public_text(self, user_id: UserId) -> None:
        view, record = self._view_known_of(user_id), self.records.get(user_id)
        if view is not None and not self.is_draining:
            self.carry_out(user_id, end_public_text(view, record, self.incarnation.versions))

    def _view_known_of(self, user_id: UserId) -> PublicView | None:
        """The public view of a user that has an actor; None if it was never announced."""
        record = self.records.get(user_id)
        return self.public_views.peek(user_id) or (None if record is None else record.view)

    def settle(self) -> None:
        """The restart grace is over: users that did not return start afresh, also after a crash."""
        self.writer.settle(self.incarnation.versions.epoch)

    # -- memberships -------------------------------------------------------------------------

    def claim(self, user_id: UserId, servers: Sequence[ServerId]) -> MembershipDelta:
        """A token's claim holds from now on; others see it with the next visible status."""
        for server_id in servers:
            if server_id != EVERYONE and server_id not in self.memberships.names:
                self.writer.save_server(server_id, server_id)
        shift = self.memberships.claim(user_id, servers)
        self._save_rows(shift.rows)
        return shift

    def publish_claims(self, view: PublicView) -> None:
        """A claim of a user who is visible is seen at once."""
        self.announce_delta(self.memberships.publish_claims(view.user_id), view)

    def announce_delta(self, delta: MembershipDelta, view: PublicView | None) -> int:
        """Show and store a change of memberships; returns the ticket of what was stored, or 0.

        *view* may be None where the user appears in no server.
        """
        return self._save_rows(self.public_state.apply(MembershipsChanged(delta, view)))

    def vanish(self, delta: MembershipDelta) -> None:
        """Show that a user was deleted; `forget_user` deletes what is stored."""
        self.public_state.apply(UserRemoved(delta))

    def forget_user(self, revocation: Revocation, shift: MembershipDelta) -> int:
        """Delete what is stored of a user, but for when and at which version that was."""
        self._save_rows(shift.rows)
        self.revocations[revocation.user_id] = revocation
        self.writer.save_revocation(revocation)
        return self.writer.forget_user(revocation.user_id)

    def sync_subscriptions(self, shift: MembershipDelta) -> None:
        """Tell the user's own connections which servers it left; joining takes its actor."""
        self.unsubscribe_from_left_servers(shift.user_id)
        if self.connections.count_of(shift.user_id) and shift.joined:
            self.users.tell_nowait(shift.user_id, SyncSubscriptions(), slot="reseat")

    def unsubscribe_from_left_servers(self, user_id: UserId) -> None:
        """From now on the user's connections hear nothing of servers that it left."""
        present = self.memberships.servers_of(user_id)
        for subscriber in self.connections.welcomed(user_id):
            for server_id in sorted(self.fanout.servers_of(subscriber) - present):
                self.fanout.leave(subscriber, server_id)
                subscriber.remove_server(server_id)

    def is_revoked(self, claims: Claims) -> bool:
        """True if the token was issued before its user was revoked or deleted."""
        revocation = self.revocations.get(claims.user_id)
        return revocation is not None and claims.issued_at <= revocation.revoked_at

    def _save_rows(self, rows: Iterable[MembershipRow]) -> int:
        ticket = 0
        for row in rows:
            if row.is_empty:
                ticket = self.writer.forget_membership(row.user_id, row.server_id)
            else:
                ticket = self.writer.save_membership(row)
        return ticket
