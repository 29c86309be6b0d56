"""The actor of one user: a thin shell around `core.user`.

It reads the stored record before its first message, hands each message to
the rules and has the node carry out what they return. Once nobody of the user
is attached it is retired; the next message makes a new one.
"""

import attrs

from actors import Behaviour
from presence.core.events import (
    Claimed,
    Effect,
    Event,
    Expelled,
    Introduced,
    OverRate,
    TimePassed,
    TooManyDevices,
)
from presence.core.record import Record
from presence.core.restoration import new_user, restored_user, unreadable_user
from presence.core.snapshot import ServerSnapshot
from presence.core.types import UserId
from presence.core.user import User
from presence.errors import StoreUnavailable
from presence.live.claims import Claims
from presence.live.listener import EndReason, Listener, Welcome
from presence.live.messages import (
    Applied,
    Arrive,
    Command,
    Introduce,
    Limited,
    Look,
    Message,
    ReadAgain,
    Remove,
    Reseat,
)
from presence.live.node import Node
from presence.live.ports import Revocation, UnreadableRow

READ_AGAIN_AFTER = 1.0


class UserActor(Behaviour[Message]):
    """Holds one user's devices, status and last-ping times."""

    def __init__(self, user_id: UserId, node: Node) -> None:
        self._id = user_id
        self._node = node
        self._user: User
        self._ticket = 0

    async def started(self) -> None:
        """Restore the user: from its last record after a crash, else from the store."""
        self._user = await self._restore()
        if self._user.is_created:
            self._apply(TimePassed())

    async def stopped(self) -> None:
        self._node.records.pop(self._id, None)

    @property
    def is_idle(self) -> bool:
        return self._user.is_forgettable(self._node.clock.now().mono)

    async def receive(self, message: Message) -> None:
        match message:
            case Arrive():
                await self._arrive(message)
            case Command():
                await self._command(message)
            case Look(reply):
                reply.answer(self._user.self_view)
            case Reseat():
                await self._reseat(message)
            case Introduce(name, reply):
                self._apply(Introduced(name))
                reply.answer(self._ticket)
            case Remove(revoked_at, reply):
                reply.answer(self._remove(revoked_at))
            case ReadAgain():
                await self._read_again()
            case _:
                self._apply(message)

    # -- messages ----------------------------------------------------------------------------

    def _apply(self, event: Event) -> list[Effect]:
        effects = self._user.apply(event, self._node.clock.now())
        self._ticket = self._node.carry_out(self._id, effects) or self._ticket
        self._node.directory.note_states(self._id, self._user.attendance)
        return effects

    async def _arrive(self, message: Arrive) -> None:
        await self._accept(message.claims)
        effects = self._apply(message.connected)
        if any(isinstance(effect, TooManyDevices) for effect in effects):
            message.listener.end(EndReason.TOO_MANY_DEVICES)
        else:
            await self._welcome(message.listener)
        message.reply.answer(None)

    async def _welcome(self, listener: Listener) -> None:
        node = self._node
        servers = node.memberships.servers_of(self._id)

        def greet(snapshots: list[ServerSnapshot]) -> None:
            # Runs without a pause: nothing is lost between snapshot and subscription.
            latest = node.run.versions.latest
            if node.directory.welcome(listener):
                listener.welcome(Welcome(self._user.self_view, snapshots, latest))
                node.fanout.subscribe(listener, servers, since=latest)

        await node.roster.snapshots(servers, greet)

    async def _command(self, message: Command) -> None:
        await self._accept(message.claims)
        for effect in self._apply(message.commanded):
            if isinstance(effect, OverRate):
                message.reply.answer(Limited(effect.retry_after))
                return
        message.reply.answer(Applied(self._user.self_view, self._ticket))

    async def _accept(self, claims: Claims) -> None:
        """The claims of the user's token: others see them while the user is visible."""
        holds = claims.servers is not None and claims.issued_at >= self._user.claims_at
        self._apply(Claimed(claims.issued_at, claims.name, has_servers=holds))
        if not holds or claims.servers is None:
            return
        shift = self._node.claim(self._id, claims.servers)
        if self._user.public.is_visible:
            self._node.show_claims(self._user.public)
        if shift.joined or shift.left:
            await self._reseat(Reseat(shift.joined, shift.left))

    async def _reseat(self, message: Reseat) -> None:
        node = self._node
        for listener in node.directory.welcomed(self._id):
            for server_id in sorted(message.left):
                node.fanout.leave(listener, server_id)
                listener.remove_server(server_id)
        if not message.joined or not node.directory.welcomed(self._id):
            return

        def seat(snapshots: list[ServerSnapshot]) -> None:
            present = node.memberships.servers_of(self._id)
            for listener in node.directory.welcomed(self._id):
                for snapshot in snapshots:
                    if snapshot.id in present:
                        node.fanout.join(listener, snapshot.id, node.run.versions.latest)
                        listener.add_server(snapshot)

        await node.roster.snapshots(message.joined, seat)

    def _remove(self, revoked_at: float) -> int:
        """Gone, then forgotten; tokens issued until now are refused."""
        node = self._node
        self._apply(Expelled())
        last_version = self._user.public.version
        shift = node.memberships.remove_user(self._id)
        if self._user.is_shown:
            node.vanish(shift)
        revocation = Revocation(self._id, revoked_at, last_version)
        self._user = new_user(self._id, node.run)
        node.wake(self._id, None)
        node.records.pop(self._id, None)
        return node.forget_user(revocation, shift)

    # -- restoring ---------------------------------------------------------------------------

    async def _restore(self) -> User:
        node = self._node
        try:
            record = node.records.get(self._id) or await node.writer.read_user(self._id)
        except UnreadableRow:
            return await self._hidden()
        except StoreUnavailable:
            node.timer.set(("read", self._id), self._soon(), self._tell_read_again)
            return await self._hidden()
        if record is None:
            return new_user(self._id, node.run, is_sealed=node.is_everyone_sealed)
        return self._restored(record)

    def _restored(self, record: Record) -> User:
        node = self._node
        shown = node.roster.shown_now(self._id)
        if shown is not None and shown.version > record.view.version:
            record = attrs.evolve(record, view=shown, is_shown=True)
        live = node.directory.live(self._id)
        return restored_user(record, node.run, node.clock.now(), live)

    async def _hidden(self) -> User:
        """Fail closed: what cannot be read may say that the user is hidden."""
        node = self._node
        try:
            views = await node.roster.views([self._id])
        except StoreUnavailable:
            views = []
        return unreadable_user(self._id, views[0] if views else None, node.run)

    async def _read_again(self) -> None:
        if self._user.is_unreadable:
            self._user = await self._restore()
            self._apply(TimePassed())

    def _soon(self) -> float:
        return self._node.clock.now().mono + READ_AGAIN_AFTER

    def _tell_read_again(self, stalled: bool) -> None:
        self._node.users.tell_nowait(self._id, ReadAgain(), slot="read")
