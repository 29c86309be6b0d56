"""A client connection that is a socket: pings, close codes, and the frames that come in.

The messages of a client, and their answers, belong to the dialect's session, which
builds on this.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from presence.core.events import Ending
from presence.dialects.close_codes import CloseCode
from presence.errors import UserCrashed, UserUnavailable
from presence.frontends.client_connection import ConnectParams, ending_for
from presence.frontends.lane import SocketLane
from presence.frontends.outbox_connection import OutboxConnection
from presence.frontends.socket_times import SocketTimes
from presence.live.claims import Claims
from presence.live.service import ConnectionTimer, PresenceService
from presence.live.subscriber import EndReason
from presence.transport.sockets.outbox import Outbox
from presence.transport.sockets.stream import OutboxStream, SocketEnded

SLOT_HELD_AT_MOST = 0.5
"""Seconds for which a connection that waits for the store holds its handshake slot."""

CLOSE_CODES = {
    EndReason.STOPPING: CloseCode.STOPPING,
    EndReason.TOO_MANY_DEVICES: CloseCode.TOO_MANY_DEVICES,
    EndReason.TOKEN: CloseCode.TOKEN,
    EndReason.DISCONNECTED: CloseCode.DISCONNECTED,
    EndReason.REPLACED: CloseCode.REPLACED,
    EndReason.CRASHED: CloseCode.CRASHED,
}


class Socket(Protocol):
    """The socket, as a session needs it. Frames to the client go through `stream`."""

    @property
    def stream(self) -> OutboxStream: ...

    @property
    def last_received_at(self) -> float:
        """Monotonic time of the last byte from the client."""

    def release_handshake_slot(self) -> None:
        """Release this connection's handshake slot: it has its snapshot, or waits for the disk."""

    def set_text_callback(self, on_text: Callable[[str], None]) -> None:
        """Allow that texts are handed to *on_text* as they come, instead of by `receive`.

        It must not wait. The order of all messages is kept.
        """

    async def receive(self) -> str | bytes:
        """Return the next message; raises `SocketEnded`."""

    def ping_nowait(self, payload: bytes = b"") -> bool:
        """Send a ping without waiting; False if the connection is over."""

    def close_soon(self, code: int, reason: str = "") -> None:
        """Send a close frame now and end soon, without waiting; what still comes is discarded."""


class SocketSession(OutboxConnection):
    """The connection of one socket. `run` owns it from the first moment to the end.

    Without *times* nothing here watches for silence: the socket does it itself.
    """

    __slots__ = ("_ping_at", "_socket", "_times")

    def __init__(
        self,
        service: PresenceService,
        socket: Socket,
        lane: SocketLane[Any],
        claims: Claims,
        params: ConnectParams,
        times: SocketTimes | None,
    ) -> None:
        super().__init__(service, claims, params, lane)
        self._socket = socket
        self._times = times
        self._ping_at = 0.0
        socket.stream.is_gone = self.is_gone

    @abstractmethod
    def on_message(self, message: str | bytes) -> None:
        """Act on what the client sent; must not wait."""

    # -- as the living part sees it ----------------------------------------------------------

    @property
    def outbox(self) -> Outbox:
        return self._socket.stream

    def end(self, reason: EndReason) -> None:
        self._close(CLOSE_CODES[reason], reason.value, ending_for(reason))

    def _close(self, code: int, reason: str, ending: Ending) -> None:
        """Close the connection from here, which is not a goodbye of the client."""
        self._ending = self._ending or ending
        self._socket.close_soon(code, reason)

    # -- its life ----------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Arrive, receive until the socket ends, leave; returns how it ended."""
        ending = Ending.LOST
        self.register()
        try:
            self._watch_silence()
            await self.arrive()
            self._socket.set_text_callback(self.on_message)
            while True:
                self.on_message(await self._socket.receive())
        except SocketEnded as ended:
            meant = Ending.CLEAN if self._is_goodbye(ended) else Ending.LOST
            ending = self._ending or meant
        except (UserCrashed, UserUnavailable):
            self.end(EndReason.CRASHED)
        finally:
            self.leave(ending)
        return ending

    def _is_goodbye(self, ended: SocketEnded) -> bool:
        """Say whether the client meant to leave."""
        return ended.is_clean

    async def arrive(self) -> None:
        """As `ClientConnection.arrive`; a slow store does not hold the handshake slot for long."""
        service, timer = self._service, ConnectionTimer.HANDSHAKE
        release_at = service.now().mono + SLOT_HELD_AT_MOST
        service.set_timer(
            self, timer, release_at, lambda stalled: self._socket.release_handshake_slot()
        )
        await super().arrive()
        service.cancel_timer(self, timer)

    # -- watching ----------------------------------------------------------------------------

    @property
    def ping_payload(self) -> bytes:
        """The payload of our pings, at most 125 bytes."""
        return b""

    def _watch_silence(self, stalled: bool = False) -> None:
        """Ping in time; a socket from which nothing came for too long is lost."""
        times = self._times
        if times is None:
            return
        now = self._service.now().mono
        lost_at = self._socket.last_received_at + times.lost_after
        if lost_at <= now and not stalled:
            self._socket.stream.cut("silent")
            return
        if lost_at <= now:  # this process stood still, not the client: it gets another chance
            lost_at = now + min(times.lost_after, times.stall_grace_after)
        if self._ping_at <= now:
            if self._ping_at:
                self._socket.ping_nowait(self.ping_payload)
            self._ping_at = now + times.ping_every
        next_at = min(self._ping_at, lost_at)
        self._service.set_timer(self, ConnectionTimer.SILENCE, next_at, self._watch_silence)
