"""The one HTTP port: binds, accepts, and gives every connection its task."""

import errno
import socket as stdsocket
from contextlib import suppress

import trio

from presence.errors import PortTaken, StartFailed
from presence.net.admission import parse_address
from presence.net.http import HttpConnection, Site
from presence.net.stream import OutboxStream, tune_socket
from presence.net.websocket import serve_websocket

BACKLOG = 4096
ACCEPTS_PER_TURN = 8
CROWD = 64
"""So many wait for a place where newcomers are accepted one by one, the rest by the kernel."""
BACK_OFF_AFTER = 0.1
OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
STOPPING = "stopping"

TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 10\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: 50\r\n\r\n"
    b'{"error":"too many connections from this address"}'
)


class FrontDoor:
    """Serves one listener.

    Counted under these names: `addresses_refused`, `accepts_put_off`,
    `heads_timed_out`, `requests_malformed`, `origins_refused`, `frames_refused`,
    `slow_cut`.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._accepting = trio.CancelScope()
        self._ending = trio.CancelScope()
        self._connection_count = 0

    @property
    def connection_count(self) -> int:
        """Connections that have a task now, of any kind."""
        return self._connection_count

    async def serve(
        self, host: str, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Accept until `stop_accepting`, then return when the last connection has ended.

        Reports the port once it listens; port 0 picks a free one. Raises
        `PortTaken` or `StartFailed`.
        """
        listener = await open_listener(host, port)
        with self._ending:
            async with trio.open_nursery() as connections:
                with listener, self._accepting:
                    task_status.started(listener.getsockname()[1])
                    await self._accept_all(listener, connections)

    def stop_accepting(self) -> None:
        """Close the listener and the idle connections; the others may finish their request."""
        self._site.is_stopping = True
        self._accepting.cancel()
        for stream in list(self._site.idle):
            stream.cut(STOPPING)

    def end_connections(self, within: float) -> None:
        """Cancel what is left after *within* seconds."""
        self._ending.deadline = min(self._ending.deadline, trio.current_time() + within)

    async def _accept_all(self, listener: stdsocket.socket, connections: trio.Nursery) -> None:
        accepted = 0
        while True:
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                await trio.lowlevel.wait_readable(listener)
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    self._site.count("accepts_put_off")
                    await trio.sleep(BACK_OFF_AFTER)
                # Else the peer was gone before it was accepted: ECONNABORTED and its kin.
            else:
                self._welcome(sock, str(address[0]), connections)
                accepted += 1
                if accepted % ACCEPTS_PER_TURN == 0 or self._site.way_in.waiting >= CROWD:
                    await trio.lowlevel.checkpoint()

    def _welcome(self, sock: stdsocket.socket, peer: str, connections: trio.Nursery) -> None:
        if ":" in peer:
            peer = str(parse_address(peer) or peer)
        is_counted = not self._site.addresses.is_proxy(peer)
        if is_counted and not self._site.addresses.take(peer):
            self._site.count("addresses_refused")
            _turn_away(sock)
            return
        self._connection_count += 1
        connections.start_soon(self._serve_connection, sock, peer, is_counted, name="connection")

    async def _serve_connection(self, sock: stdsocket.socket, peer: str, is_counted: bool) -> None:
        site = self._site
        held_client = peer if is_counted else None
        try:
            with site.crash_barrier:
                stream = OutboxStream(sock, site.limits)
                try:
                    try:
                        tune_socket(sock)
                    except OSError:
                        return  # Gone already; some systems say so here.
                    stream.way_out = site.way_out
                    upgrade = await HttpConnection(stream, peer, site).serve()
                    if upgrade is not None:
                        held_client = held_client or upgrade.held_client
                        serving = serve_websocket(stream, upgrade, site.limits)
                        del upgrade  # it would stay as long as the connection
                        try:
                            await serving
                        finally:
                            self._count_faults(stream)
                finally:
                    site.way_in.leave(stream)
                    site.way_out.leave(stream)
                    stream.close()
        finally:
            self._connection_count -= 1
            if held_client is not None:
                site.addresses.release(held_client)

    def _count_faults(self, stream: OutboxStream) -> None:
        if stream.violation is not None:
            self._site.count("frames_refused")
        if stream.cut_reason == "slow":
            self._site.count("slow_cut")


def _turn_away(sock: stdsocket.socket) -> None:
    """Answer 429 without a task and without reading; a full send buffer is impossible here."""
    with sock, suppress(OSError):
        sock.setblocking(False)
        sock.send(TOO_MANY)
        sock.shutdown(stdsocket.SHUT_WR)


async def open_listener(host: str, port: int) -> stdsocket.socket:
    """Bind the first address of *host*; `::` takes IPv4 as well."""
    where = f"{host}:{port}"
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=stdsocket.SOCK_STREAM, flags=stdsocket.AI_PASSIVE
        )
    except OSError as error:
        raise StartFailed(f"cannot listen on {where}: {error.strerror}") from error
    family, kind, protocol, _, address = found[0]
    listener = stdsocket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)
        listener.setsockopt(stdsocket.SOL_SOCKET, stdsocket.SO_REUSEADDR, 1)
        if family == stdsocket.AF_INET6:
            listener.setsockopt(stdsocket.IPPROTO_IPV6, stdsocket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {port} on {host} is in use by another program") from error
        raise StartFailed(f"cannot listen on {where}: {error.strerror}") from error
    return listener
