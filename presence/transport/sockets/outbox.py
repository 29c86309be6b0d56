"""Everything that is on its way out to one connection, as whole frames.

Frames are written synchronously and never block: `push` keeps order, `offer` keeps
the latest per key.
"""

import socket as stdsocket
from collections.abc import Callable, Hashable, Sequence

import attrs

from presence.transport.limits import NetLimits
from presence.transport.sockets.backlog import Backlog
from presence.transport.sockets.frame_batch import FrameBatch
from presence.transport.sockets.socket_writer import SocketWriter
from presence.transport.websocket.frames import close_frame


@attrs.frozen
class OutboxStatistics:
    """The bytes that wait for one reader, and how often a newer frame replaced an older one."""

    unsent_bytes: int
    waiting_keys: int
    replaced_count: int


def _never(key: Hashable) -> bool:
    return False


class Outbox(SocketWriter):
    """The sending half of a connection; owns *sock*, a plain non-blocking socket.

    `is_gone` tells whether what waits of a vanished key is to be forgotten.
    """

    __slots__ = ("_has_sent_close", "_replaced_count", "is_gone")

    def __init__(self, sock: stdsocket.socket, limits: NetLimits) -> None:
        super().__init__(sock, limits)
        self._has_sent_close = False
        self._replaced_count = 0
        self.is_gone: Callable[[Hashable], bool] = _never

    @property
    def takes_frames(self) -> bool:
        """False once a close frame went out or the connection ended."""
        return self._takes_frames

    def push(self, frame: bytes) -> bool:
        """Send a whole frame in order of the calls, or queue it; False if it never goes out.

        Above `max_unsent_bytes` of such frames the connection is ended as slow.
        """
        if not self._takes_frames:
            return False
        backlog = self._backlog
        if backlog is None:
            sent = self._send_nowait(frame)
            if sent == len(frame):
                return True
            if sent < 0:
                return False
            backlog = self._start_backlog(Backlog())
            backlog.push(frame[sent:], is_begun=sent > 0)
        else:
            backlog.push(frame)
        if backlog.pushed_bytes > self._limits.max_unsent_bytes:
            self._end_slow(backlog)
            return False
        return True

    def push_snapshot(self, chunks: Sequence[bytes]) -> bool:
        """Send one large frame given in parts, which may be shared with other connections.

        It is fed as the socket takes it and does not count against
        `max_unsent_bytes`, unless something pushed is waiting already. Frames
        of keys go after it: drop those that it makes obsolete.
        """
        if not self._takes_frames:
            return False
        if self._backlog is not None and self._backlog.has_unkeyed:
            return self.push(b"".join(chunks))
        backlog = self._backlog or Backlog()
        backlog.push_snapshot(chunks)
        if self._flush_nowait(backlog) < 0:
            return False
        if self._backlog is None and not backlog.is_empty:
            self._start_backlog(backlog)
        return True

    def offer(self, key: Hashable, frame: bytes) -> bool:
        """Send a whole frame at once, or let it wait as the latest of *key*.

        A waiting frame of the same key is forgotten and the new one waits last.
        False if the connection is over.
        """
        self.offer_batch(FrameBatch({key: frame}))
        return self._takes_frames

    def offer_batch(self, packet: FrameBatch) -> None:
        """Offer the frames of a packet in one write."""
        sent = self._send_nowait(packet.joined) if self._is_writable else 0
        if 0 <= sent != packet.size:
            self.keep(packet, sent)

    def keep(self, packet: FrameBatch, sent: int) -> None:
        """Let wait what the kernel did not take of *packet*."""
        if not self._takes_frames:
            return
        backlog = self._backlog or self._start_backlog(Backlog())
        for key in packet.vanished:
            if self.is_gone(key):
                backlog.drop(key)
        for key, frame in packet.frames.items():
            self._replaced_count += backlog.offer(key, frame)
        backlog.mark_sent(sent)

    def drop(self, key: Hashable) -> None:
        """Forget the waiting frame of *key*, unless part of it went out already."""
        if self._backlog is not None:
            self._backlog.drop(key)

    def push_close(self, code: int, reason: str = "") -> bool:
        """Send a close frame; nothing follows it, waiting frames of keys are forgotten."""
        if self._backlog is not None:
            self._backlog.drop_all_keys()
        was_sent = self.push(close_frame(code, reason))
        self._take_no_more()
        self._has_sent_close = self._has_sent_close or was_sent
        return was_sent

    def statistics(self) -> OutboxStatistics:
        waiting = self._backlog or Backlog()
        return OutboxStatistics(waiting.unsent_bytes, waiting.waiting_keys, self._replaced_count)

    def close(self) -> None:
        """Close the socket; a task that waits for it gets `trio.ClosedResourceError`."""
        # Its owner is free at once: the collector hardly ever looks at old objects.
        self.is_gone = _never
        super().close()
