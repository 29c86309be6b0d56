"""The port for lines over plain TCP: one line to log in, then the session."""

import math
import socket as stdsocket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio

from presence.dialects.voiceping.inbound import claimed_user
from presence.errors import TokenRefused
from presence.frontends.authentication import Authentication
from presence.frontends.socket_times import SocketTimes
from presence.frontends.user_limit import UserLimit
from presence.frontends.voiceping.line_socket import LineSocket
from presence.frontends.voiceping.lines import LOGIN
from presence.live.claims import Claims
from presence.transport.context import ServerContext
from presence.transport.faults import Refusal
from presence.transport.sockets.ending import finish
from presence.transport.sockets.options import detect_lost_peer, tune_socket
from presence.transport.sockets.stream import SocketEnded
from presence.transport.tcp_listener import TcpListener

MOST_LOGINS = 500
"""The most connections that may be open without a login."""
TOKEN = LOGIN.decode()


@attrs.frozen
class LineSettings:
    """Admission to the line port, and the sessions of admitted clients.

    The connection lasts as long as the session. `times` are those of the
    kernel's own watch over silent clients.
    """

    authentication: Authentication
    user_limit: UserLimit
    times: SocketTimes
    serve_session: Callable[[Claims, LineSocket], Awaitable[object]]


class LineListener(TcpListener):
    """Serves lines over plain TCP; shares limits and gates of *site* with the HTTP port.

    A client is not told why its connection is closed: the protocol has no words for it.
    """

    def __init__(self, site: ServerContext, plan: LineSettings) -> None:
        super().__init__(site)
        self._plan = plan
        self._logins: set[stdsocket.socket] = set()

    def stop_accepting(self) -> None:
        """Close the listener and those not logged in; sessions are ended by whoever began them."""
        super().stop_accepting()
        for sock in self._logins:
            with suppress(OSError):
                sock.shutdown(stdsocket.SHUT_RDWR)

    def _admit_connection(self, sock: stdsocket.socket, peer: str) -> None:
        if len(self._logins) < MOST_LOGINS:
            self._logins.add(sock)
            super()._admit_connection(sock, peer)
        else:
            self._site.count(Refusal.LOGINS_CROWDED)
            sock.close()

    def _reject(self, sock: stdsocket.socket) -> None:
        self._logins.discard(sock)
        sock.close()

    async def _serve_connection(
        self, sock: stdsocket.socket, peer: str, held_client: str | None
    ) -> None:
        site = self._site
        try:
            with site.crash_barrier:
                pipe = LineSocket(sock, site, self._connections, self._poller)
                try:
                    serving = await self._log_in(sock, pipe)
                    if serving is not None:
                        await serving
                        self._leave_gates(pipe)
                        await finish(pipe)
                finally:
                    self._leave_gates(pipe)
                    self._count_faults(pipe)
                    pipe.close()
        finally:
            self._let_go(held_client)

    async def _log_in(self, sock: stdsocket.socket, pipe: LineSocket) -> Awaitable[object] | None:
        """Return the session of whoever may come in; None closes the connection.

        Nothing is to be awaited before the session: it is counted from its
        first step on.
        """
        line = await self._first_line(sock, pipe)
        if line is None:
            return None
        await self._site.handshake_gate.enter(pipe)
        pipe.handshake_gate = self._site.handshake_gate
        claims = self._claims_of(line)
        if claims is None or self._site.is_stopping:
            return None
        if self._plan.user_limit.refusal(claims.user_id, claims.device) is not None:
            return None
        if not line.startswith(TOKEN):
            pipe.unread(line)  # it says more than who is there
        pipe.teardown_gate = self._site.teardown_gate
        return self._plan.serve_session(claims, pipe)

    async def _first_line(self, sock: stdsocket.socket, pipe: LineSocket) -> str | None:
        """The first line, if it is complete in time."""
        try:
            tune_socket(sock)
            detect_lost_peer(sock, self._plan.times.ping_every, self._plan.times.lost_after)
            self._poller.add(sock)
            with trio.move_on_after(self._site.limits.handshake_after or math.inf):
                return await pipe.receive()
            self._site.count(Refusal.LOGIN_TIMED_OUT)
        except (OSError, SocketEnded):
            pass  # Gone already; some systems say so when a socket is tuned.
        finally:
            self._logins.discard(sock)
        return None

    def _claims_of(self, line: str) -> Claims | None:
        authentication = self._plan.authentication
        try:
            if line.startswith(TOKEN):
                return authentication.of_token(line.removeprefix(TOKEN))
            return authentication.of_named_user(claimed_user(line))
        except TokenRefused:
            return None
