"""Upgrades to WebSocket: what is asked, how it is answered, and the life of the connection."""

import base64
import binascii
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from presence.transport.http.request import Headers, Request, Response, error_response
from presence.transport.limits import NetLimits
from presence.transport.sockets.ending import finish
from presence.transport.sockets.stream import OutboxStream
from presence.transport.websocket.connection import INTERNAL_ERROR, WebSocket
from presence.transport.websocket.frame_limiter import FrameLimiter
from presence.transport.websocket.library import ConnectionClosed, LibraryConnection, accept_token

SERVICE_RESTART = 1012
UPGRADE_HEADERS: Headers = (("upgrade", "websocket"), ("connection", "upgrade"))


@attrs.frozen
class Admitted:
    """An admitted upgrade: the subprotocol to answer, and the session that owns the socket.

    The connection lasts as long as *serve*; if it returns, the socket is closed with 1000.
    """

    subprotocol: str | None
    serve: Callable[[WebSocket], Awaitable[object]]


class WebSocketRoute(Protocol):
    """Decides about upgrades, before they are answered."""

    async def admit(self, request: Request) -> Response | Admitted:
        """Refuse with a plain answer (401, 403, 404, 429, 503), or admit.

        Its errors are answered like those of a handler.
        """


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
    """Say whether this is an upgrade.

    RFC 9110, 7.8: Upgrade is ignored without its Connection option, and over HTTP/1.0.
    """
    return (
        request.method == "GET"
        and not request.is_http_1_0
        and "websocket" in _tokens(request, "upgrade")
        and "upgrade" in _tokens(request, "connection")
    )


def refuse_handshake(request: Request) -> Response | None:
    """Answer an upgrade that the library could not complete; None if it can."""
    if request.headers.get("sec-websocket-version") != "13":
        headers = (*UPGRADE_HEADERS, ("sec-websocket-version", "13"))
        return error_response(426, "only WebSocket version 13 is spoken here", headers)
    if not _is_key(request.headers.get("sec-websocket-key", "")):
        return error_response(400, "sec-websocket-key is not 16 bytes in base64")
    offered = request.headers.get("sec-websocket-protocol", "")
    if not request.body.is_empty or not (offered.isascii() and offered.isprintable()):
        return error_response(400, "malformed upgrade")
    return None


async def require_upgrade(request: Request) -> Response:
    """Answer a plain request at the address of a gateway."""
    return error_response(426, "this address takes WebSockets only", UPGRADE_HEADERS)


def _tokens(request: Request, name: str) -> list[str]:
    return [token.strip() for token in request.headers.get(name, "").lower().split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


async def serve_websocket(
    stream: OutboxStream, upgrade: Upgrade, limits: NetLimits, note_end: Callable[[], None]
) -> None:
    """Answer the upgrade, run its session, end the connection. Owns *stream*.

    Calls *note_end* when the session is over, before it waits for the client to
    read what was sent last, at most three seconds, also when cancelled.
    """
    meter = FrameLimiter(limits)
    try:
        async with trio.open_nursery() as nursery:
            stream.begin_frames(nursery, meter, upgrade.early)
            if not stream.push(_accepting_head(upgrade)):
                return  # the peer is gone already
            connection = LibraryConnection(stream, limits.max_frame_bytes)
            connection.start_reader(nursery)
            socket = WebSocket(connection, stream, meter, nursery, upgrade.arrived)
            try:
                # No await before serve: it may watch control frames from the first one on.
                session = upgrade.admitted.serve(socket)
                del upgrade  # it would stay as long as the connection
                await session
                await socket.close()
            finally:
                await _end(socket, note_end)
            nursery.cancel_scope.cancel()
        if socket.failure is not None:
            raise socket.failure
    except* ConnectionClosed:
        # The peer vanished while the library's reader answered it.
        pass
    finally:
        stream.close()


def _accepting_head(upgrade: Upgrade) -> bytes:
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-accept: {accept_token(upgrade.key)}\r\n"
    )
    subprotocol = upgrade.admitted.subprotocol
    if subprotocol is not None:
        head += f"sec-websocket-protocol: {subprotocol}\r\n"
    return f"{head}\r\n".encode("ascii")


async def _end(socket: WebSocket, note_end: Callable[[], None]) -> None:
    """End the connection after its session, also if that was cancelled or crashed."""
    socket.release_handshake_slot()
    socket.clear_callbacks()
    _send_close(socket)
    note_end()
    # Our close frame may be on its way, and unread input would make the kernel
    # reset the connection: the client would not see why it ended.
    with trio.CancelScope(shield=True):
        await finish(socket.stream)


def _send_close(socket: WebSocket) -> None:
    """Send the close frame that goes out only if the session was cancelled or crashed."""
    is_cancelled = trio.current_effective_deadline() == -math.inf
    socket.stream.push_close(SERVICE_RESTART if is_cancelled else INTERNAL_ERROR)
