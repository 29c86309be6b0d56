"""A listening port: binds, accepts, and gives every connection its task."""

import errno
import socket as stdsocket
from abc import ABC, abstractmethod

import trio

from presence.errors import AddressUnavailable, PortTaken
from presence.transport.admission import parse_address
from presence.transport.context import ServerContext
from presence.transport.faults import CutOff, Refusal
from presence.transport.sockets.poller import open_poller
from presence.transport.sockets.stream import OutboxStream

BACKLOG = 4096
ACCEPTS_PER_TURN = 8
CROWD = 64
"""With more waiting handshakes connections are accepted one in each turn of the event loop."""
BACK_OFF_AFTER = 0.1
OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class TcpListener(ABC):
    """Accepts the connections of one port; a subclass knows their protocol.

    All ports share the limits of *site*: a client is counted over all of them.
    """

    _connections: trio.Nursery

    def __init__(self, site: ServerContext) -> None:
        self._site = site
        self._poller = open_poller()
        self._accepting = trio.CancelScope()
        self._ending = trio.CancelScope()
        self._connection_count = 0

    @abstractmethod
    async def _serve_connection(
        self, sock: stdsocket.socket, peer: str, held_client: str | None
    ) -> None:
        """Own *sock* until its end; then `_let_go` the client that is held for it, if any."""

    @abstractmethod
    def _reject(self, sock: stdsocket.socket) -> None:
        """Close the newcomer whose address has enough, without a task and without waiting."""

    @property
    def connection_count(self) -> int:
        """Connections that have a task now, of any kind."""
        return self._connection_count

    async def serve(
        self, host: str, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Accept until `stop_accepting`, then return when the last connection has ended.

        Reports the port once it listens; port 0 picks a free one. Raises
        `AddressUnavailable`, or `PortTaken` which is one.
        """
        listener = await open_listener(host, port)
        with self._ending:
            async with trio.open_nursery() as around:
                around.start_soon(self._poller.run)
                async with trio.open_nursery() as self._connections:
                    with listener, self._accepting:
                        task_status.started(listener.getsockname()[1])
                        await self._accept_all(listener)
                around.cancel_scope.cancel()

    def stop_accepting(self) -> None:
        """Close the listener, and the connections on which nothing is under way."""
        self._site.stop.begin()
        self._accepting.cancel()

    def end_connections(self, within: float) -> None:
        """Cancel what is left after *within* seconds."""
        self._ending.deadline = min(self._ending.deadline, trio.current_time() + within)

    async def _accept_all(self, listener: stdsocket.socket) -> None:
        accepted = 0
        while True:
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                await trio.lowlevel.wait_readable(listener)
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    self._site.count(Refusal.OUT_OF_FILES)
                    await trio.sleep(BACK_OFF_AFTER)
                # Else the peer was gone before it was accepted: ECONNABORTED and its kin.
            else:
                self._admit_connection(sock, str(address[0]))
                accepted += 1
                if accepted % ACCEPTS_PER_TURN == 0 or self._site.handshake_gate.waiting >= CROWD:
                    await trio.lowlevel.checkpoint()

    def _admit_connection(self, sock: stdsocket.socket, peer: str) -> None:
        if ":" in peer:
            peer = str(parse_address(peer) or peer)
        is_counted = not self._site.addresses.is_proxy(peer)
        if is_counted and not self._site.addresses.take(peer):
            self._site.count(Refusal.ADDRESS_LIMIT)
            self._reject(sock)
            return
        self._connection_count += 1
        self._connections.start_soon(
            self._serve_connection, sock, peer, peer if is_counted else None, name="connection"
        )

    def _leave_gates(self, stream: OutboxStream) -> None:
        """Whatever comes next waits for the peer, or is the end."""
        self._site.handshake_gate.leave(stream)
        self._site.teardown_gate.leave(stream)

    def _let_go(self, held_client: str | None) -> None:
        """A connection is over."""
        self._connection_count -= 1
        if held_client is not None:
            self._site.addresses.release(held_client)

    def _count_faults(self, stream: OutboxStream) -> None:
        if stream.violation is not None:
            self._site.count(CutOff.FRAME_LIMIT)
        if stream.cut_reason == "slow":
            self._site.count(CutOff.SLOW)


async def open_listener(host: str, port: int) -> stdsocket.socket:
    """Bind the first address of *host*; `::` takes IPv4 as well."""
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=stdsocket.SOCK_STREAM, flags=stdsocket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = stdsocket.socket(family, kind, protocol)
    except OSError as error:
        raise _unavailable(host, port, str(error.strerror)) from error
    except UnicodeError as error:  # no name that could be looked up
        raise _unavailable(host, port, "that is no name of a host") from error
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
        raise _unavailable(host, port, str(error.strerror)) from error
    return listener


def _unavailable(host: str, port: int, why: str) -> AddressUnavailable:
    return AddressUnavailable(
        f"cannot listen on {host}:{port}: {why}; host must be an address of this"
        " machine, or a name of one, and the port one that this user may open"
    )
