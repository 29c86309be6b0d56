"""One open connection of one user: it comes, is watched, and goes.

The living part sees it as a `Subscriber`; to the session its connection is a
`Socket`, whatever carries it. What a client may say, and how it is answered,
is the dialect's session, which builds on this.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any, Protocol, cast

import attrs

from actors import ActorCrashed, ActorStopped, AskTimedOut
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
from presence.core.user.patch import PresencePatch
from presence.frontends.lane import SocketLane
from presence.live.claims import Claims
from presence.live.messages import Arrive, Message
from presence.live.node import Node
from presence.live.subscriber import EndReason, Welcome
from presence.transport.sockets.outbox import Outbox
from presence.transport.sockets.stream import OutboxStream, SocketEnded

ARRIVE_TIMEOUT = 30.0
SLOT_HELD_AT_MOST = 0.5
SELF = ("self",)
"""The key of the self view that waits; no user id equals it."""

CLOSE_CODES = {
    EndReason.STOPPING: 1012,
    EndReason.TOO_MANY_DEVICES: 4008,
    EndReason.TOKEN: 4001,
    EndReason.DISCONNECTED: 4002,
    EndReason.REPLACED: 4003,
    EndReason.CRASHED: 1011,
}


class Socket(Protocol):
    """What a session needs of its connection. What goes out, goes through `stream`."""

    @property
    def stream(self) -> OutboxStream: ...

    @property
    def last_received_at(self) -> float:
        """Monotonic time of the last byte from the client."""

    def release_handshake_slot(self) -> None:
        """The client has what it came for, or waits for the disk: others may come in."""

    def set_text_callback(self, on_text: Callable[[str], None]) -> None:
        """Allow that texts are handed to *on_text* as they come, instead of by `receive`.

        It does not wait. The order of all messages is kept.
        """

    async def receive(self) -> str | bytes:
        """Return the next message; raises `SocketEnded`."""

    def ping_nowait(self, payload: bytes = b"") -> bool:
        """Ask the client for a sign of life, without waiting; False if the connection is over."""

    def close_soon(self, code: int, reason: str = "") -> None:
        """Say goodbye now and end soon, without waiting; what still comes is not received."""


@attrs.frozen
class SocketTimes:
    """Seconds between our pings, and of silence after which a socket is lost."""

    ping_every: float = 30.0
    lost_after: float = 45.0
    stall_grace_after: float = 45.0


@attrs.frozen
class ConnectParams:
    """What a connect request asks for; the intent only counts where no device is attached."""

    device: DeviceId | None = None
    state: State | None = None
    intent: Status | None = None


class Session(ABC):
    """The listener of one socket. `run` owns it from the first moment to the end.

    Without *times* nobody here watches for silence: the socket does it itself.
    """

    __slots__ = (
        "_claims",
        "_connection",
        "_device",
        "_ending",
        "_lane",
        "_node",
        "_params",
        "_ping_at",
        "_socket",
        "_times",
    )

    def __init__(
        self,
        node: Node,
        socket: Socket,
        lane: SocketLane[Any],
        claims: Claims,
        params: ConnectParams,
        times: SocketTimes | None,
    ) -> None:
        self._node = node
        self._socket = socket
        self._lane = lane
        self._claims = claims
        self._params = params
        self._times = times
        self._connection = node.connections.new_connection()
        # A device of its own; the number of the start tells it from those of earlier runs.
        own_name = f"~{node.incarnation.versions.epoch}.{self._connection}"
        self._device = params.device or DeviceId(own_name)
        self._ending: Ending | None = None
        self._ping_at = 0.0
        socket.stream.is_gone = self.is_gone

    @abstractmethod
    def on_message(self, message: str | bytes) -> None:
        """Act on what the client sent; must not wait."""

    # -- as the living part sees it ----------------------------------------------------------

    @abstractmethod
    def welcome(self, welcome: Welcome) -> None: ...

    @abstractmethod
    def show_self(self, view: SelfView) -> None: ...

    @abstractmethod
    def add_server(self, snapshot: ServerSnapshot) -> None: ...

    @abstractmethod
    def remove_server(self, server_id: ServerId) -> None: ...

    @property
    def lane(self) -> SocketLane[Any]:
        return self._lane

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

    def end(self, reason: EndReason) -> None:
        # Who is replaced has come back in another place: nobody is missed.
        ending = Ending.CLEAN if reason is EndReason.REPLACED else Ending.LOST
        self._close(CLOSE_CODES[reason], reason.value, ending)

    def is_gone(self, user_id: Hashable) -> bool:
        """A removal that ends visibility takes the user's waiting presence with it."""
        return not self._node.memberships.can_see(self.user_id, cast("UserId", user_id))

    def _close(self, code: int, reason: str, ending: Ending) -> None:
        """End the connection from here; that is no goodbye of the client's."""
        self._ending = self._ending or ending
        self._socket.close_soon(code, reason)

    # -- its life ----------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Come, listen until the socket ends, go; returns how it ended."""
        ending = Ending.LOST
        self._node.connections.add(self, self._params.state or State.ONLINE)
        try:
            self._watch_token()
            self._watch_silence()
            await self._arrive()
            self._socket.set_text_callback(self.on_message)
            while True:
                self.on_message(await self._socket.receive())
        except SocketEnded as ended:
            said = Ending.CLEAN if self._is_goodbye(ended) else Ending.LOST
            ending = self._ending or said
        except (ActorCrashed, ActorStopped, AskTimedOut):
            self.end(EndReason.CRASHED)
        finally:
            self._leave(ending)
        return ending

    def _is_goodbye(self, ended: SocketEnded) -> bool:
        """Say whether the client meant to leave."""
        return ended.is_clean

    async def _arrive(self) -> None:
        params, node = self._params, self._node
        # Whoever waits for a slow disk must not keep those out who need nothing from it.
        node.timer.set(
            ("place", self._connection),
            node.clock.now().mono + SLOT_HELD_AT_MOST,
            lambda stalled: self._socket.release_handshake_slot(),
        )
        connected = Connected(self._connection, self._device, params.state, params.intent)
        await node.users.ask(
            self.user_id,
            lambda reply: Arrive(connected, self._claims, self, reply),
            timeout=ARRIVE_TIMEOUT,
            slot=("arrive", self._connection),
        )
        node.timer.cancel(("place", self._connection))

    def _leave(self, ending: Ending) -> None:
        node = self._node
        node.connections.remove(self)
        node.fanout.unsubscribe(self)
        for what in ("silence", "token", "frames", "place"):
            node.timer.cancel((what, self._connection))
        if not node.is_draining:  # a stop of the server publishes nothing
            ended = Ended(self._connection, ending)
            node.users.tell_nowait(self.user_id, ended, slot=("ended", self._connection))

    def command(self, change: PresencePatch) -> None:
        """Have the user's actor make *change*; one command waits, newer ones merge with it."""
        commanded = Commanded(change, self._connection, may_wait=True)
        slot = ("command", self._connection)
        self._node.users.handle_inline(self.user_id, commanded, slot=slot, merge=merge_commands)

    # -- watching ----------------------------------------------------------------------------

    @property
    def ping_payload(self) -> bytes:
        """What our pings carry, at most 125 bytes."""
        return b""

    def _watch_token(self) -> None:
        if math.isfinite(self._claims.expires_at):
            ends_at = self._node.clock.now().mono_of(self._claims.expires_at)
            self._node.timer.set(
                ("token", self._connection), ends_at, lambda stalled: self.end(EndReason.TOKEN)
            )

    def _watch_silence(self, stalled: bool = False) -> None:
        """Ping in time; a socket from which nothing came for too long is lost."""
        times = self._times
        if times is None:
            return
        now = self._node.clock.now().mono
        lost_at = self._socket.last_received_at + times.lost_after
        if lost_at <= now and not stalled:
            self._socket.stream.cut("silent")
            return
        if lost_at <= now:  # we stood still, not the client: it gets one more chance
            lost_at = now + min(times.lost_after, times.stall_grace_after)
        if self._ping_at <= now:
            if self._ping_at:
                self._socket.ping_nowait(self.ping_payload)
            self._ping_at = now + times.ping_every
        next_at = min(self._ping_at, lost_at)
        self._node.timer.set(("silence", self._connection), next_at, self._watch_silence)


def merge_commands(older: Message, newer: Message) -> Message:
    """One command that does what two of the same connection would do."""
    if not (isinstance(older, Commanded) and isinstance(newer, Commanded)):
        return newer
    return attrs.evolve(newer, change=older.change.merged_with(newer.change))
