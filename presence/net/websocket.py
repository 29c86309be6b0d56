"""WebSockets: the handshake, and one connection as its session sees it."""

import base64
import binascii
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection
from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.handshake import H11Handshake
from wsproto.utilities import generate_accept_token

from presence.net.limits import NetLimits
from presence.net.request import Request, Response, error_response
from presence.net.session import SocketEnded
from presence.net.stream import OutboxStream
from presence.net.wire.frame_meter import FrameMeter
from presence.net.wire.frames import ping_frame

CLOSE_AFTER = 2.0
MESSAGE_QUEUE_SIZE = 16
NORMAL = 1000
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
BROKEN_FRAMING = (1002, 1007)
NO_ANSWER = "no answer to close"
UNBOUNDED_BYTES = 1 << 31
SPENT_HANDSHAKE = H11Handshake(ConnectionType.SERVER)
"""Stands for the handshake of every connection that is open; none has any use for it."""


class OpenConnection(WSConnection):
    """The library's protocol as it is when the upgrade was answered."""

    def __init__(self) -> None:
        self.client = False
        self.handshake = SPENT_HANDSHAKE
        self.connection = Connection(ConnectionType.SERVER)


class WebSocket:
    """One open WebSocket. Frames to the client go through `stream`."""

    __slots__ = (
        "_connection",
        "_is_closing",
        "_meter",
        "_nursery",
        "_on_arrival",
        "_on_control",
        "_on_text",
        "failure",
        "stream",
    )

    def __init__(
        self,
        connection: WebSocketConnection,
        stream: OutboxStream,
        meter: FrameMeter,
        nursery: trio.Nursery,
        on_arrival: Callable[[], None],
    ) -> None:
        self.stream = stream
        self._connection = connection
        self._meter = meter
        self._nursery = nursery
        self._is_closing = False
        self._on_arrival: Callable[[], None] | None = on_arrival
        self._on_text: Callable[[str], None] | None = None
        self._on_control: Callable[[int, bytes], None] | None = None
        self.failure: BaseException | None = None
        """What the hearer raised: the library's reader may lose it to its own cancellation."""

    def note_arrival(self) -> None:
        """The client has what it came for, or waits for the disk: others may come in.

        Whoever begins to wait for messages, or to close, need not call this.
        """
        if self._on_arrival is not None:
            self._on_arrival()
            self._on_arrival = None  # not kept as long as the connection

    @property
    def heard_at(self) -> float:
        """Monotonic time of the last byte from the client."""
        return self.stream.heard_at

    def watch_control(self, on_control: Callable[[int, bytes], None]) -> None:
        """Have the opcode (9 ping, 10 pong) and payload of each control frame reported.

        Called in the reader's task, before the library answers; it must not
        wait. To miss none, call this before the first await of the session.
        """
        self._on_control = on_control
        self._meter.on_control = self._hear_control

    def hear_directly(self, on_text: Callable[[str], None]) -> None:
        """Have texts handed to *on_text*, in the reader's task, as they come.

        It must not wait. Others, such as those in fragments, are still to be
        asked for with `receive`; the order of all is kept.
        """
        self._on_text = on_text
        self.stream.on_text = self._hear

    def _hear(self, text: str) -> None:
        if self._on_text is not None and not self._is_closing:
            self._tell(self._on_text, text)

    def _hear_control(self, opcode: int, payload: bytes) -> None:
        if self._on_control is not None and not self._is_closing:
            self._tell(self._on_control, opcode, payload)

    def _tell(self, hearer: Callable[..., None], *heard: object) -> None:
        try:
            hearer(*heard)
        except BaseException as error:
            self.failure = error
            self.stream.push_close(INTERNAL_ERROR)
            raise

    def hear_no_more(self) -> None:
        """Let go of the hearers, which are thus free as soon as they have ended."""
        self._on_text = self._on_control = None
        self._meter.on_control = None

    async def receive(self) -> str | bytes:
        """Return the next message; it must be asked for always, or pings stay unanswered.

        Raises `SocketEnded`.
        """
        self.note_arrival()
        while True:
            try:
                message: str | bytes = await self._connection.get_message()
            except ConnectionClosed as closed:
                self._refuse_broken_framing(closed)
                raise SocketEnded(is_clean=self._is_clean(closed)) from None
            self.stream.unheard -= 1
            if not self._is_closing:
                return message

    def ping_nowait(self, payload: bytes = b"") -> bool:
        """Send a ping of at most 125 bytes, without waiting; False if the connection is over."""
        return self.stream.push(ping_frame(payload))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send a close frame and wait for the client's, at most two seconds, then cut.

        What the client still sends is discarded. Closing twice is harmless.
        """
        self._begin_close(code, reason)
        await self._finish_close()

    def close_soon(self, code: int, reason: str = "") -> None:
        """Send a close frame now; the wait of `close` happens in a task of the connection."""
        if not self._is_closing:
            self._begin_close(code, reason)
            self._nursery.start_soon(self._finish_close)

    def _begin_close(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.note_arrival()
            self.stream.push_close(code, reason)

    async def _finish_close(self) -> None:
        # The library's own close is not used: a ping that arrives during it
        # would raise in the library's reader.
        with trio.move_on_after(CLOSE_AFTER):
            try:
                while True:
                    await self._connection.get_message()
            except ConnectionClosed:
                return
        self.stream.cut(NO_ANSWER)

    def _refuse_broken_framing(self, closed: ConnectionClosed) -> None:
        """Say why the library gave up; without this the client could read a normal end.

        Where the client itself closed with such a code, it was answered already.
        """
        if closed.reason is not None and closed.reason.code in BROKEN_FRAMING:
            self.stream.push_close(closed.reason.code)

    def _is_clean(self, closed: ConnectionClosed) -> bool:
        return closed.reason is not None and closed.reason.code == NORMAL and not self._is_closing


@attrs.frozen
class Admitted:
    """Who may come in: the subprotocol to answer, and the session that owns the socket.

    The connection lasts as long as *serve*; if it returns, the socket is closed with 1000.
    """

    subprotocol: str | None
    serve: Callable[[WebSocket], Awaitable[object]]


class WebSocketRoute(Protocol):
    """Decides about upgrades, before they are answered."""

    async def admit(self, request: Request) -> Response | Admitted:
        """Refuse with a plain answer (401, 403, 404, 429, 503), or admit."""


def _nothing_to_do() -> None:
    pass


@attrs.frozen
class Upgrade:
    """An upgrade that was admitted and not answered yet; keeps nothing of the request but the key.

    `early` are bytes that came behind the request. `held_client` is the address
    to release in the end, None if the connection itself was counted. `arrived`
    is called when the client has what it came for, and others may come in.
    """

    key: str
    admitted: Admitted
    early: bytes = b""
    held_client: str | None = None
    arrived: Callable[[], None] = _nothing_to_do


def asks_for_websocket(request: Request) -> bool:
    """Say whether this is an upgrade; RFC 9110 ignores Upgrade without its Connection option."""
    return (
        request.method == "GET"
        and "websocket" in _tokens(request, "upgrade")
        and "upgrade" in _tokens(request, "connection")
    )


def refuse_handshake(request: Request) -> Response | None:
    """Answer an upgrade that the library could not complete; None if it can."""
    if request.headers.get("sec-websocket-version") != "13":
        headers = (("sec-websocket-version", "13"),)
        return error_response(426, "only WebSocket version 13 is spoken here", headers)
    if not _is_key(request.headers.get("sec-websocket-key", "")):
        return error_response(400, "sec-websocket-key is not 16 bytes in base64")
    offered = request.headers.get("sec-websocket-protocol", "")
    if request.body or not (offered.isascii() and offered.isprintable()):
        return error_response(400, "malformed upgrade")
    return None


def _tokens(request: Request, name: str) -> list[str]:
    return [token.strip() for token in request.headers.get(name, "").lower().split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


async def serve_websocket(stream: OutboxStream, upgrade: Upgrade, limits: NetLimits) -> None:
    """Answer the upgrade, run its session, end the connection. Owns *stream*."""
    meter = FrameMeter(limits)
    try:
        async with trio.open_nursery() as nursery:
            stream.begin_frames(nursery, meter, upgrade.early)
            if not stream.push(_accepting_head(upgrade)):
                return  # the peer is gone already
            connection = _read_on(nursery, stream, limits)
            socket = WebSocket(connection, stream, meter, nursery, upgrade.arrived)
            try:
                # No await before serve: it may watch control frames from the first one on.
                session = upgrade.admitted.serve(socket)
                del upgrade  # it would stay as long as the connection
                await session
                await socket.close()
            finally:
                socket.note_arrival()
                socket.hear_no_more()
                _say_end(socket)
            if stream.violation is not None:
                await stream.linger()
            stream.close()
            nursery.cancel_scope.cancel()
        if socket.failure is not None:
            raise socket.failure
    except* ConnectionClosed:
        # The peer vanished while the library's reader answered it.
        pass
    finally:
        stream.close()


def _read_on(nursery: trio.Nursery, stream: OutboxStream, limits: NetLimits) -> WebSocketConnection:
    """Have the library read what comes after the upgrade.

    Its own handshake would parse once more what was parsed, and take four turns
    of the event loop: a quarter of all that it costs to let somebody in.
    """
    connection = WebSocketConnection(
        stream,
        OpenConnection(),
        message_queue_size=MESSAGE_QUEUE_SIZE,
        max_message_size=limits.max_frame_bytes or UNBOUNDED_BYTES,
    )
    nursery.start_soon(connection._reader_task)
    return connection


def _accepting_head(upgrade: Upgrade) -> bytes:
    accept = generate_accept_token(upgrade.key.encode("ascii")).decode("ascii")
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-accept: {accept}\r\n"
    )
    subprotocol = upgrade.admitted.subprotocol
    if subprotocol is not None:
        head += f"sec-websocket-protocol: {subprotocol}\r\n"
    return f"{head}\r\n".encode("ascii")


def _say_end(socket: WebSocket) -> None:
    """Send the close frame that goes out only if the session was cancelled or crashed."""
    is_cancelled = trio.current_effective_deadline() == -math.inf
    socket.stream.push_close(SERVICE_RESTART if is_cancelled else INTERNAL_ERROR)
