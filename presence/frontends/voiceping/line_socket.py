"""One TCP connection that speaks in lines, as its session sees it."""

import socket as stdsocket
from collections.abc import Callable

import trio

from presence.frontends.voiceping.lines import LineReader
from presence.transport.concurrency_gate import ConcurrencyGate
from presence.transport.context import ServerContext
from presence.transport.sockets.fd_table import LOST
from presence.transport.sockets.poller import Poller
from presence.transport.sockets.stream import OutboxStream, SocketEnded

RECEIVE_BYTES = 4096
LINES_PER_TURN = 50
"""After so many lines of one client others have their turn."""

NO_LINES: list[str] = []
"""The empty list that nearly all connections share; never to be changed."""


class LineSocket(OutboxStream):
    """One open pipe, made of *sock*, which it owns. It is its own stream.

    There is one task per connection, the door's, which waits in `receive`;
    another one, in *nursery*, only while the client is slow to read.

    `handshake_gate` is the turnstile in which the connection has a place until it has
    arrived, if it has one. At its end it takes a place in `teardown_gate`.
    """

    __slots__ = ("_crash_barrier", "_is_closing", "_lines", "_reader", "handshake_gate")

    def __init__(
        self, sock: stdsocket.socket, site: ServerContext, nursery: trio.Nursery, watch: Poller
    ) -> None:
        super().__init__(sock, site.limits, watch)
        self._nursery = nursery
        self._crash_barrier = site.crash_barrier
        self._reader = LineReader(site.limits)
        self._lines = NO_LINES  # the next one last
        self._is_closing = False
        self.handshake_gate: ConcurrencyGate | None = None

    @property
    def stream(self) -> OutboxStream:
        """Itself: there are no layers between."""
        return self

    def release_handshake_slot(self) -> None:
        """The client has what it came for, or waits for the disk: others may come in."""
        if self.handshake_gate is not None:
            self.handshake_gate.leave(self)
            self.handshake_gate = None

    def set_text_callback(self, on_text: Callable[[str], None]) -> None:
        """Do nothing: no library stands between the bytes and `receive`."""

    def ping_nowait(self, payload: bytes = b"") -> bool:
        """Do nothing: the kernel asks for signs of life."""
        return self.takes_frames

    async def receive(self) -> str:
        """Return the next line; raises `SocketEnded`, which is never clean.

        If the client breaks a limit, its lines before that come first. A line
        that was not ended is none. If cancelled, nothing is lost.
        """
        self.release_handshake_slot()
        # Connections spend their lives in here: another function to wait in would be
        # memory, and to wait inside an `except` would keep the exception as long.
        others_had_a_turn = False
        while not self._is_closing:
            if self._lines:
                if others_had_a_turn or len(self._lines) % LINES_PER_TURN:
                    return self._take_line()
                await trio.lowlevel.checkpoint()
                others_had_a_turn = True
                continue
            data = self._take_data()
            if data is None:
                others_had_a_turn = True
                try:
                    await self._poller.wait_readable(self._socket)
                except trio.ClosedResourceError:
                    continue  # woken by `close_soon`
            elif data:
                self._lines = self._reader.feed(data, self.last_received_at)[::-1] or NO_LINES
                if not others_had_a_turn:
                    await trio.lowlevel.checkpoint()
                others_had_a_turn = False
            else:
                break
        if self.teardown_gate is not None:
            await self.teardown_gate.enter(self)
        raise SocketEnded(is_clean=False)

    def unread(self, line: str) -> None:
        """Have *line* come again, before all others."""
        self._lines = [*self._lines, line]

    def close_soon(self, code: int, reason: str = "") -> None:
        """Take nothing more, in either direction; `receive` says so to whoever waits in it.

        Waiting lines are still sent if the owner calls `ending.finish`. A pipe has no
        words for *code* and *reason*.
        """
        if not self._is_closing:
            self._is_closing = True
            self.release_handshake_slot()
            self._take_no_more()
            self._poller.wake(self._socket)

    def _take_data(self) -> bytes | None:
        """Take from the socket; b"" at its end, None while there is nothing."""
        self._violation = self._reader.violation
        if self._violation is not None:
            return b""
        try:
            return self.take_nowait(RECEIVE_BYTES)
        except trio.BrokenResourceError:
            self.cut(LOST)
            return b""

    def _take_line(self) -> str:
        line = self._lines.pop()
        if not self._lines:
            self._lines = NO_LINES
        return line

    async def _drain(self) -> None:
        """A crash in here must not end the others of the nursery, and ends this connection."""
        with self._crash_barrier:
            await super()._drain()
        if self._backlog is not None:
            self.cut(LOST)
