"""One open WebSocket of one user: it comes, is watched, and goes.

The living part sees it as a `Listener`; a `Speech` says how things are put on
the wire. What a client may say is the dialect's session, which builds on this.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Protocol, cast

import attrs

from actors import ActorCrashed, ActorStopped, AskTimedOut
from presence.core.changes import Change
from presence.core.events import Commanded, Connected, Ended, Ending
from presence.core.snapshot import ServerSnapshot
from presence.core.types import (
    ConnectionId,
    DeviceId,
    SelfView,
    ServerId,
    State,
    Status,
    UserId,
)
from presence.live.claims import Claims
from presence.live.listener import Announcement, Dialect, EndReason, MemberRemoved, Welcome
from presence.live.messages import Arrive, Message
from presence.live.node import Node
from presence.net.websocket import SocketEnded, WebSocket
from presence.net.wire.outbox import Outbox
from presence.net.wire.packet import Packet

ARRIVE_TIMEOUT = 30.0
PLACE_HELD_AT_MOST = 0.5
SELF = ("self",)
"""The key of the self view that waits; no user id equals it."""

CLOSE_CODES = {
    EndReason.STOPPING: 1012,
    EndReason.SLOW: 4008,
    EndReason.TOO_MANY_DEVICES: 4008,
    EndReason.TOKEN: 4001,
    EndReason.DISCONNECTED: 4002,
    EndReason.REPLACED: 4003,
    EndReason.CRASHED: 1011,
}


class Speech(Dialect, Protocol):
    """How a dialect puts on the wire what is for one connection alone."""

    def welcome(self, welcome: Welcome) -> list[bytes]:
        """The snapshot: whole frames, in parts that may be shared."""

    def show_self(self, view: SelfView) -> bytes | None:
        """The self view changed; None where the dialect has no such event."""

    def add_server(self, snapshot: ServerSnapshot) -> list[bytes]:
        """The user joined a server."""

    def remove_server(self, server_id: ServerId) -> bytes | None:
        """The user left a server."""


def pack(dialect: Dialect, values: Sequence[tuple[Hashable, Announcement]]) -> Packet | None:
    """The frames of some announcements for one dialect, each encoded once; None if it has none."""
    framed = [(key, value, frame) for key, value in values if (frame := value.frame(dialect))]
    if not framed:
        return None
    return Packet(
        {key: frame for key, _, frame in framed},
        tuple(
            value.news.user_id for _, value, _ in framed if isinstance(value.news, MemberRemoved)
        ),
    )


@attrs.frozen
class SocketTimes:
    """Seconds between our pings, and of silence after which a socket is lost."""

    ping_every: float = 30.0
    lost_after: float = 45.0
    stall_grace_after: float = 45.0


@attrs.frozen
class Wishes:
    """What a connect request asks for; the intent only counts where no device is attached."""

    device: DeviceId | None = None
    state: State | None = None
    intent: Status | None = None


class Session(ABC):
    """The listener of one WebSocket. `run` owns it from the upgrade to the end."""

    __slots__ = (
        "_claims",
        "_connection",
        "_device",
        "_is_over",
        "_node",
        "_ping_at",
        "_socket",
        "_speech",
        "_times",
        "_wishes",
        "write",
    )

    def __init__(
        self,
        node: Node,
        socket: WebSocket,
        speech: Speech,
        claims: Claims,
        wishes: Wishes,
        times: SocketTimes,
    ) -> None:
        self._node = node
        self._socket = socket
        self._speech = speech
        self._claims = claims
        self._wishes = wishes
        self._times = times
        self._connection = node.directory.new_connection()
        # A device of its own; the number of the start tells it from those of earlier runs.
        own_name = f"~{node.run.versions.start_number}.{self._connection}"
        self._device = wishes.device or DeviceId(own_name)
        self._is_over = False
        self._ping_at = 0.0
        self.write = socket.stream.write
        socket.stream.shortcut = self
        socket.stream.is_gone = self._is_gone

    @abstractmethod
    def hear(self, message: str | bytes) -> None:
        """Act on what the client sent; must not wait."""

    # -- as the living part sees it ----------------------------------------------------------

    @property
    def lane(self) -> Speech:
        return self._speech

    @property
    def connection(self) -> ConnectionId:
        return self._connection

    @property
    def user_id(self) -> UserId:
        return self._claims.user_id

    @property
    def device(self) -> DeviceId:
        return self._device

    @property
    def issued_at(self) -> float:
        return self._claims.issued_at

    @property
    def outbox(self) -> Outbox:
        return self._socket.stream

    def offer(self, packet: Packet) -> None:
        self._socket.stream.offer_packet(packet)

    def welcome(self, welcome: Welcome) -> None:
        self._socket.stream.push_snapshot(self._speech.welcome(welcome))

    def show_self(self, view: SelfView) -> None:
        frame = self._speech.show_self(view)
        if frame is not None:
            self._socket.stream.offer(SELF, frame)

    def add_server(self, snapshot: ServerSnapshot) -> None:
        for member in snapshot.members:  # the snapshot is newer than what waits of them
            self._socket.stream.drop(member.user_id)
        self._socket.stream.push_snapshot(self._speech.add_server(snapshot))

    def remove_server(self, server_id: ServerId) -> None:
        frame = self._speech.remove_server(server_id)
        if frame is not None:
            self._socket.stream.push(frame)

    def end(self, reason: EndReason) -> None:
        self._is_over = True
        self._socket.close_soon(CLOSE_CODES[reason], reason.value)

    def _is_gone(self, user_id: Hashable) -> bool:
        """A removal that ends visibility takes the user's waiting presence with it."""
        return not self._node.memberships.can_see(self.user_id, cast("UserId", user_id))

    # -- its life ----------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Come, listen until the socket ends, go; returns how it ended."""
        ending = Ending.LOST
        self._node.directory.add(self, self._wishes.state or State.ONLINE)
        try:
            self._watch_token()
            self._watch_silence()
            await self._arrive()
            self._socket.hear_directly(self.hear)
            while True:
                self.hear(await self._socket.receive())
        except SocketEnded as ended:
            if ended.is_clean and not self._is_over:
                ending = Ending.CLEAN
        except (ActorCrashed, ActorStopped, AskTimedOut):
            self.end(EndReason.CRASHED)
        finally:
            self._leave(ending)
        return ending

    async def _arrive(self) -> None:
        wishes, node = self._wishes, self._node
        # Whoever waits for a slow disk must not keep those out who need nothing from it.
        node.timer.set(
            ("place", self._connection),
            node.clock.now().mono + PLACE_HELD_AT_MOST,
            lambda stalled: self._socket.note_arrival(),
        )
        connected = Connected(self._connection, self._device, wishes.state, wishes.intent)
        await node.users.ask(
            self.user_id,
            lambda reply: Arrive(connected, self._claims, self, reply),
            timeout=ARRIVE_TIMEOUT,
            slot=("arrive", self._connection),
        )
        node.timer.cancel(("place", self._connection))

    def _leave(self, ending: Ending) -> None:
        node = self._node
        node.directory.remove(self)
        node.fanout.unsubscribe(self)
        for what in ("silence", "token", "frames", "place"):
            node.timer.cancel((what, self._connection))
        if not node.is_draining:  # a stop of the server publishes nothing
            ended = Ended(self._connection, ending)
            node.users.tell_nowait(self.user_id, ended, slot=("ended", self._connection))

    def command(self, change: Change) -> None:
        """Have the user's actor make *change*; one command waits, newer ones merge with it."""
        commanded = Commanded(change, self._connection, may_wait=True)
        slot = ("command", self._connection)
        self._node.users.hand_over(self.user_id, commanded, slot=slot, merge=merge_commands)

    # -- watching ----------------------------------------------------------------------------

    def _watch_token(self) -> None:
        if math.isfinite(self._claims.expires_at):
            ends_at = self._node.clock.now().mono_of(self._claims.expires_at)
            self._node.timer.set(
                ("token", self._connection), ends_at, lambda stalled: self.end(EndReason.TOKEN)
            )

    def _watch_silence(self, stalled: bool = False) -> None:
        """Ping in time; a socket from which nothing came for too long is lost."""
        now = self._node.clock.now().mono
        lost_at = self._socket.heard_at + self._times.lost_after
        if lost_at <= now and not stalled:
            self._socket.stream.cut("silent")
            return
        if lost_at <= now:  # we stood still, not the client: it gets one more chance
            lost_at = now + min(self._times.lost_after, self._times.stall_grace_after)
        if self._ping_at <= now:
            if self._ping_at:
                self._socket.ping_nowait()
            self._ping_at = now + self._times.ping_every
        next_at = min(self._ping_at, lost_at)
        self._node.timer.set(("silence", self._connection), next_at, self._watch_silence)


def merge_commands(older: Message, newer: Message) -> Message:
    """One command that does what two of the same connection would do."""
    if not (isinstance(older, Commanded) and isinstance(newer, Commanded)):
        return newer
    return attrs.evolve(newer, change=older.change.merged_with(newer.change))
