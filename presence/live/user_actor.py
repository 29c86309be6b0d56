"""The actor of one user: a thin shell around `core.user`.

It reads the stored record before its first message, hands each message to the
rules, and lets the node carry out the effects that they return. A user without
devices has no actor for long; the next message makes a new one.
"""

from collections.abc import Sequence
from functools import partial

import attrs

from actors import Behaviour
from presence.core.events import (
    Claimed,
    Commanded,
    Connected,
    DeviceRemoved,
    Effect,
    Ended,
    Event,
    Expelled,
    Introduced,
    NotAttached,
    OverRate,
    Released,
    Stalled,
    TimePassed,
    TooManyDevices,
)
from presence.core.restore import (
    LiveConnection,
    new_user,
    restored_user,
    unreadable_user,
)
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, ServerId, UserId
from presence.core.user.explanation import explain
from presence.core.user.user import User
from presence.errors import StoreUnavailable, UserUnavailable
from presence.live.claims import Claims
from presence.live.deferred_events import DeferredEvents
from presence.live.messages import (
    Applied,
    Arrive,
    Command,
    Explain,
    Introduce,
    Limited,
    Look,
    Message,
    NoRoom,
    Oneself,
    ReadAgain,
    Remove,
    RemoveDevice,
    SyncSubscriptions,
    Unattached,
)
from presence.live.node import Node
from presence.live.ports import Revocation, UnreadableRow
from presence.live.subscriber import EndReason, Subscriber
from presence.live.welcome import Welcome

READ_AGAIN_AFTER = 1.0


class UserActor(Behaviour[Message]):
    """Holds one user's devices, status and last-ping times."""

    def __init__(self, user_id: UserId, node: Node) -> None:
        self._id = user_id
        self._node = node
        self._user: User
        self._ticket = 0
        self._deferred: DeferredEvents | None = None
        """The events to replay once the store can be read. Until then the user is hidden."""

    async def started(self) -> None:
        """Restore the user: from its last record after a crash, else from the store."""
        live = self._node.connections.live(self._id)
        try:
            self._user = await self._read(live)
        except StoreUnavailable:
            self._user = unreadable_user(self._id, await self._shown_view(), self._node.incarnation)
            self._deferred = DeferredEvents()
            self._read_soon()
        self._wait_for_release()
        if self._user.is_unreadable:
            for link in live:
                self._apply(Connected(link.connection, link.device, link.state))
        if self._user.is_created:
            self._apply(TimePassed())
        await self._sync_subscriptions()

    async def stopped(self) -> None:
        self._node.records.pop(self._id, None)

    @property
    def is_idle(self) -> bool:
        if self._deferred is not None or not self._user.devices.is_over:
            return False
        return self._user.is_forgettable(self._node.clock.now().mono)

    async def receive(self, message: Message) -> None:
        match message:
            case Arrive():
                await self._arrive(message)
            case Command():
                await self._command(message)
            case Look(reply):
                user = self._user
                reply.answer(Oneself(user.self_view, user.lease_until(), user.devices.states))
            case Explain(reply):
                reply.answer(explain(self._user, self._node.clock.now()))
            case SyncSubscriptions():
                await self._sync_subscriptions()
            case Introduce() | Remove() | RemoveDevice():
                self._administer(message)
            case ReadAgain():
                await self._read_again()
            case Commanded():
                self._obey(message)
            case Ended():
                self._end(message)
            case Released():
                self._node.release(self._id)
                self._apply(message)
            case Expelled():
                # Again: connections may have arrived since the administrator ended them all.
                self._node.connections.end_all(self._id, EndReason.DISCONNECTED)
                self._apply(message)
            case _:
                self._apply(message)

    def receive_nowait(self, message: Message) -> bool:
        """Handle at once what needs no await: commands, and polls that come and go."""
        match message:
            case Commanded():
                self._obey(message)
            case Ended():
                self._end(message)
            case Arrive(claims=claims, subscriber=subscriber) if self._needs_no_await(
                claims, subscriber
            ):
                self._admit(message)
                message.reply.answer(None)
            case _:
                return False
        return True

    def _needs_no_await(self, claims: Claims, subscriber: Subscriber) -> bool:
        is_read = self._deferred is None
        return is_read and claims.servers is None and not subscriber.wants_snapshots

    # -- messages ----------------------------------------------------------------------------

    def _apply(self, event: Event) -> list[Effect]:
        now = self._node.clock.now()
        if self._deferred is not None and not isinstance(event, TimePassed | Stalled):
            self._deferred.note(event, now)
            if isinstance(event, Commanded):
                return []  # the stored record may hide the user, whatever the command asks for
        effects = self._user.react(event, now)
        self._node.carry_out(self._id, effects)  # first: others wait for these
        self._ticket = self._node.carry_out(self._id, self._user.conclude(now)) or self._ticket
        self._node.connections.note_states(self._id, self._user.devices)
        return effects

    def _end(self, ended: Ended) -> None:
        # First: if handling it crashes, the connection must not be restored for ever.
        self._node.connections.note_end_handled(self._id, ended.connection)
        self._apply(ended)

    async def _arrive(self, message: Arrive) -> None:
        subscriber = message.subscriber
        if self._is_welcome(message):
            await self._accept(message.claims)
            if self._attach(message):
                await self._welcome(subscriber)
        message.reply.answer(None)

    async def _welcome(self, subscriber: Subscriber) -> None:
        if subscriber.wants_snapshots:
            servers = self._node.memberships.servers_of(self._id)
            await self._node.public_views.snapshots(servers, partial(self._greet, subscriber))
        else:
            self._greet(subscriber, [])

    def _admit(self, message: Arrive) -> None:
        """As `_arrive`, for a connection that needs no await."""
        if self._is_welcome(message):
            if not self._user.is_created or message.claims.name is not None:
                self._apply(self._claimed_by(message.claims))
            if self._attach(message):
                self._greet(message.subscriber, [])

    def _is_welcome(self, message: Arrive) -> bool:
        """Say whether to attach the connection, which may have been revoked or be over."""
        if self._node.is_revoked(message.claims):  # since it was admitted
            message.subscriber.end(EndReason.TOKEN)
            return False
        return self._node.connections.is_open(message.subscriber)

    def _attach(self, message: Arrive) -> bool:
        """Attach the connection; False where that would be a device too many, and ends it."""
        effects = self._apply(message.connected)
        has_room = not any(isinstance(effect, TooManyDevices) for effect in effects)
        if not has_room:
            message.subscriber.end(EndReason.TOO_MANY_DEVICES)
        return has_room

    def _greet(self, subscriber: Subscriber, snapshots: list[ServerSnapshot]) -> None:
        """Welcome and subscribe, without an await: no update is lost between the two."""
        node = self._node
        latest = node.incarnation.versions.latest
        present = node.memberships.servers_of(self._id)
        servers = [snapshot for snapshot in snapshots if snapshot.id in present]
        joined = [each.id for each in servers] if subscriber.wants_snapshots else present
        if node.connections.welcome(subscriber):
            subscriber.welcome(Welcome(self._user.self_view, servers, latest))
            node.fanout.subscribe(subscriber, joined)

    def _obey(self, message: Commanded) -> None:
        """Apply the command of a connection, unless its device is not attached (any more)."""
        if message.connection is not None and self._user.devices.has(message.connection):
            self._apply(message)

    async def _command(self, message: Command) -> None:
        if self._deferred is not None:
            message.reply.fail(StoreUnavailable("the user cannot be read now"))
            return
        if self._node.is_revoked(message.claims):
            message.reply.fail(UserUnavailable("the user was revoked or deleted meanwhile"))
            return
        if not self._user.would_lose(message.commanded):  # a change without effect creates no user
            await self._accept(message.claims)
        for effect in self._apply(message.commanded):
            match effect:
                case OverRate(retry_after):
                    message.reply.answer(Limited(retry_after))
                    return
                case NotAttached():
                    message.reply.answer(Unattached())
                    return
                case TooManyDevices():
                    message.reply.answer(NoRoom())
                    return
        lease_until = self._user.lease_until(message.commanded.device)
        message.reply.answer(Applied(self._user.self_view, lease_until, self._ticket))

    async def _accept(self, claims: Claims) -> None:
        """Apply the claims of the user's token. Others see them once the user is visible."""
        if self._deferred is not None:
            self._deferred.note_claims(claims)
            return
        claimed = self._claimed_by(claims)
        self._apply(claimed)
        if claimed.has_servers:
            self._node.claim(self._id, claims.servers or ())
            if self._user.public.is_visible:
                self._node.publish_claims(self._user.public)
            await self._sync_subscriptions()

    def _claimed_by(self, claims: Claims) -> Claimed:
        """The event for *claims*; its servers count unless a newer token has claimed others."""
        holds = claims.servers is not None and claims.issued_at >= self._user.claims_at
        return Claimed(claims.issued_at, claims.name, has_servers=holds)

    async def _sync_subscriptions(self) -> None:
        """Subscribe the user's connections to exactly those servers that it belongs to now."""
        node, present = self._node, self._node.memberships.servers_of(self._id)
        node.unsubscribe_from_left_servers(self._id)
        joined: set[ServerId] = set()
        for subscriber in node.connections.welcomed(self._id):
            joined |= present - node.fanout.servers_of(subscriber)
        if joined:
            await node.public_views.snapshots(joined, self._add_servers)

    def _add_servers(self, snapshots: list[ServerSnapshot]) -> None:
        node, present = self._node, self._node.memberships.servers_of(self._id)
        for subscriber in node.connections.welcomed(self._id):
            absent = present - node.fanout.servers_of(subscriber)
            for snapshot in snapshots:
                if snapshot.id in absent:
                    node.fanout.join(subscriber, snapshot.id)
                    subscriber.add_server(snapshot)

    def _administer(self, message: Introduce | Remove | RemoveDevice) -> None:
        if self._deferred is not None:
            message.reply.fail(StoreUnavailable("the user cannot be read now"))
            return
        match message:
            case RemoveDevice(device, reply):
                self._apply(DeviceRemoved(device))
                reply.answer(self._ticket)
            case Introduce(name, reply):
                self._apply(Introduced(name))
                reply.answer(self._ticket)
            case Remove(revoked_at, reply):
                reply.answer(self._remove(revoked_at))

    def _remove(self, revoked_at: float) -> int:
        """Disconnect the user, delete it, and refuse tokens issued until *revoked_at*."""
        node = self._node
        node.connections.end_all(self._id, EndReason.DISCONNECTED)
        self._apply(Expelled())
        last_version = self._user.public.version
        delta = node.memberships.remove_user(self._id)
        if self._user.is_announced:
            node.vanish(delta)
        revocation = Revocation(self._id, revoked_at, last_version)
        self._user = new_user(self._id, node.incarnation)
        node.wake(self._id, None)
        node.records.pop(self._id, None)
        return node.forget_user(revocation, delta)

    # -- restoring ---------------------------------------------------------------------------

    async def _read(self, live: Sequence[LiveConnection]) -> User:
        """The user by its last record, else as stored; raises `StoreUnavailable`."""
        node = self._node
        try:
            record = node.records.get(self._id) or await node.writer.read_user(self._id)
        except UnreadableRow:
            # Fail closed: the row may say that the user is hidden.
            return unreadable_user(self._id, await self._shown_view(), node.incarnation)
        if record is None:
            return new_user(self._id, node.incarnation, forced_hidden=node.hides_unknown_users)
        shown = node.public_views.peek(self._id)
        if shown is not None and shown.version > record.view.version:
            record = attrs.evolve(record, view=shown, is_announced=True)
        held = node.connections.held(self._id)
        return restored_user(record, node.incarnation, node.clock.now(), live, held)

    def _wait_for_release(self) -> None:
        """After a quarantine, keep the user hidden until its waiting messages are handled.

        One of them may be a command to hide. `Released`, put behind them, ends
        this; in a drain it is not sent, for a stop publishes nothing.
        """
        self._user.is_quarantined = self._id in self._node.quarantined
        if self._user.is_quarantined and not self._node.is_draining:
            self._node.users.tell_nowait(self._id, Released(), slot="released")

    async def _shown_view(self) -> PublicView | None:
        """The public view, read without a sign in the table that its own user asks."""
        shown = self._node.public_views.peek(self._id)
        if shown is not None:
            return shown
        try:
            return (await self._node.writer.read_views([self._id])).get(self._id)
        except StoreUnavailable:
            return None

    async def _read_again(self) -> None:
        """Replace the hidden stand-in by the stored user, on which the events are replayed."""
        deferred = self._deferred
        if deferred is None:
            return
        try:
            self._user = await self._read([])
        except StoreUnavailable:
            self._read_soon()
            return
        self._deferred = None
        self._wait_for_release()
        for claims in deferred.claims:
            claimed = self._claimed_by(claims)
            self._user.apply(claimed, self._node.clock.now())  # published with the rest below
            if claimed.has_servers:
                self._node.claim(self._id, claims.servers or ())
        self._user = deferred.replay_onto(self._user)
        self._apply(TimePassed())
        await self._sync_subscriptions()

    def _read_soon(self) -> None:
        at = self._node.clock.now().mono + READ_AGAIN_AFTER
        self._node.timer.set(("read", self._id), at, lambda stalled: self._tell_read_again())

    def _tell_read_again(self) -> None:
        if not self._node.is_draining:
            self._node.users.tell_nowait(self._id, ReadAgain(), slot="read")
