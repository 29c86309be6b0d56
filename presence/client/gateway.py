"""One connection to the gateway, from its handshake to its end."""

import ssl
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from presence.client.model import ProtocolError
from presence.client.protocol import HEARTBEAT

HEARTBEAT_EVERY: Final = 20.0
ANSWERED_WITHIN: Final = 15.0
"""Seconds after which a connection without an answer to a heartbeat is lost."""
CONNECTED_WITHIN: Final = 20.0
GOODBYE_WITHIN: Final = 2.0

SomeStream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class Gateway:
    """Hands each text of the server at *url* to *on_text*, for one connection at a time."""

    def __init__(
        self, url: str, ssl_context: ssl.SSLContext | None, on_text: Callable[[str], None]
    ) -> None:
        self._url = url
        self._ssl_context = ssl_context
        self._on_text = on_text
        self._socket: WebSocketConnection | None = None
        self._answered_at = 0.0

    async def run(self, resource: str) -> str:
        """Connect to *resource* and receive until the end; returns why it ended.

        Raises `ConnectionRejected`, `ConnectionClosed` and what else the library
        has, `ProtocolError`, `OSError` or `trio.TooSlowError`.
        """
        with trio.fail_after(CONNECTED_WITHIN):
            stream = await self._open_stream()
        return await self._converse(stream, resource)

    async def send(self, text: str) -> bool:
        """Send *text*; False where there is no connection."""
        if self._socket is None:
            return False
        try:
            await self._socket.send_message(text)
        except ConnectionClosed:
            return False
        return True

    async def say_goodbye(self) -> None:
        """Close with 1000, so that the device is gone at once."""
        if self._socket is not None:
            with trio.move_on_after(GOODBYE_WITHIN, shield=True):
                await self._socket.aclose()

    async def _open_stream(self) -> SomeStream:
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        if parts.scheme != "https":
            return await trio.open_tcp_stream(host, parts.port or 80)
        return await trio.open_ssl_over_tcp_stream(
            host, parts.port or 443, ssl_context=self._ssl_context
        )

    async def _converse(self, stream: SomeStream, resource: str) -> str:
        """Shake hands on *stream* and receive until the end; closes it whatever happens."""
        problem, ended = "the connection ended", list[Exception]()
        try:
            # The library itself leaves the stream open where its handshake is refused.
            async with stream, trio.open_nursery() as nursery:
                with trio.fail_after(CONNECTED_WITHIN):
                    host = urlsplit(self._url).netloc
                    socket = await wrap_client_stream(nursery, stream, host, resource)
                problem = await self._receive(socket)
                nursery.cancel_scope.cancel()
        except* (HandshakeError, ConnectionClosed, trio.TooSlowError, ProtocolError) as group:
            ended += _flatten(group)
        if ended:
            raise ended[0]
        return problem

    async def _receive(self, socket: WebSocketConnection) -> str:
        self._socket, self._answered_at = socket, trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat, socket, nursery.cancel_scope)
                while True:
                    text = await socket.get_message()
                    self._answered_at = trio.current_time()
                    if isinstance(text, str):
                        self._on_text(text)
        finally:
            self._socket = None
        return "the server fell silent"

    async def _beat(self, socket: WebSocketConnection, scope: trio.CancelScope) -> None:
        while True:
            await trio.sleep(HEARTBEAT_EVERY)
            await socket.send_message(HEARTBEAT)
            await trio.sleep(ANSWERED_WITHIN)
            if trio.current_time() - self._answered_at > HEARTBEAT_EVERY + ANSWERED_WITHIN:
                scope.cancel()


def _flatten(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The exceptions of *group* and of the groups in it."""
    found: list[Exception] = []
    for each in group.exceptions:
        found += _flatten(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found
