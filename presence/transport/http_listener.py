"""The one HTTP port: every connection begins with a request, and may become a WebSocket."""

import socket as stdsocket
from contextlib import suppress
from functools import partial

from presence.transport.http.connection import HttpConnection
from presence.transport.sockets.options import detect_lost_peer, tune_socket
from presence.transport.sockets.stream import OutboxStream
from presence.transport.tcp_listener import TcpListener
from presence.transport.websocket.upgrade import serve_websocket

STOPPING = "stopping"

TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 10\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: 50\r\n\r\n"
    b'{"error":"too many connections from this address"}'
)


class HttpListener(TcpListener):
    """Serves HTTP and WebSockets."""

    def stop_accepting(self) -> None:
        """Close the listener and the idle connections; the others may finish their request."""
        super().stop_accepting()
        for stream in list(self._site.idle):
            stream.cut(STOPPING)

    async def _serve_connection(
        self, sock: stdsocket.socket, peer: str, held_client: str | None
    ) -> None:
        site = self._site
        try:
            with site.crash_barrier:
                stream = OutboxStream(sock, site.limits, self._poller)
                try:
                    try:
                        tune_socket(sock)
                        detect_lost_peer(sock, *site.limits.silence)
                        self._poller.add(sock)
                    except OSError:
                        return  # Gone already; some systems say so here.
                    stream.teardown_gate = site.teardown_gate
                    upgrade = await HttpConnection(stream, peer, site).serve()
                    if upgrade is None:
                        self._count_faults(stream)
                    else:
                        held_client = held_client or upgrade.held_client
                        note_end = partial(self._note_end, stream)
                        serving = serve_websocket(stream, upgrade, site.limits, note_end)
                        del upgrade  # it would stay as long as the connection
                        await serving
                finally:
                    self._leave_gates(stream)
                    stream.close()
        finally:
            self._let_go(held_client)

    def _note_end(self, stream: OutboxStream) -> None:
        """A session is over."""
        self._count_faults(stream)
        self._leave_gates(stream)

    def _reject(self, sock: stdsocket.socket) -> None:
        """Answer 429 without reading; a full send buffer is impossible here."""
        with sock, suppress(OSError):
            sock.setblocking(False)
            sock.send(TOO_MANY)
            sock.shutdown(stdsocket.SHUT_WR)
