"""Everything that is on its way out to one connection.

Whole frames are written synchronously and never block: `push` keeps order,
`offer` keeps the latest per key. Bytes that the kernel does not take at once wait in
a `Backlog`, drained by a task that exists only meanwhile.
"""

import math
import socket as stdsocket
import struct
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress

import attrs
import trio

from presence.transport.limits import NetLimits
from presence.transport.sockets.backlog import Backlog
from presence.transport.sockets.fd_table import LOST, FdTable
from presence.transport.sockets.frame_batch import FrameBatch
from presence.transport.websocket.frames import close_frame

RESET_ON_CLOSE = struct.pack("ii", 1, 0)

SLOW = "slow"
CANCELLED = "cancelled"


@attrs.frozen
class OutboxStatistics:
    """The bytes that wait for one reader, and how often a newer frame replaced an older one."""

    unsent_bytes: int
    waiting_keys: int
    replaced_count: int


def _never(key: Hashable) -> bool:
    return False


class Outbox:
    """The sending half of a connection; owns *sock*, a plain non-blocking socket.

    `cut_reason` says why the connection was ended from here, None while it was not;
    that it was may be on its way to the reader for a moment longer.
    `is_gone` tells whether what waits of a vanished key is to be forgotten.
    While it has a seat, whole frames are written past it, by `FdTable`, as long as
    the way is clear.
    """

    __slots__ = (
        "_backlog",
        "_fd_table",
        "_give_up_at",
        "_has_sent_close",
        "_is_closed",
        "_is_cut",
        "_is_draining",
        "_limits",
        "_nursery",
        "_replaced_count",
        "_sent_unkeyed",
        "_slot",
        "_socket",
        "_takes_frames",
        "_writing",
        "cut_reason",
        "is_gone",
    )

    def __init__(self, sock: stdsocket.socket, limits: NetLimits) -> None:
        self._socket = sock
        self._limits = limits
        self._nursery: trio.Nursery | None = None
        self._backlog: Backlog | None = None
        self._sent_unkeyed: trio.Event | None = None
        self._takes_frames = True
        self._has_sent_close = False
        self._is_draining = False
        self._is_cut = False
        self._is_closed = False
        self._give_up_at = math.inf
        self._writing: trio.CancelScope | None = None
        self._replaced_count = 0
        self.cut_reason: str | None = None
        self.is_gone: Callable[[Hashable], bool] = _never
        self._fd_table: FdTable | None = None
        self._slot = 0

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

    def join_fd_table(self, fd_table: FdTable, slot: int) -> None:
        """Be written to by *fd_table* while the way is clear."""
        self._fd_table, self._slot = fd_table, slot
        self._update_fd()

    def leave_fd_table(self) -> None:
        """Be written to by nobody else."""
        self._fd_table = None

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

    def cut(self, reason: str) -> None:
        """End the connection at once; the reader wakes and sees its end."""
        if self._is_cut or self._is_closed:
            return
        self._is_cut = True
        self.cut_reason = self.cut_reason or reason
        self._forget_unsent()
        with suppress(OSError):
            # Without this the kernel keeps, for minutes, what a dead reader never takes.
            self._socket.setsockopt(stdsocket.SOL_SOCKET, stdsocket.SO_LINGER, RESET_ON_CLOSE)
            self._socket.shutdown(stdsocket.SHUT_RDWR)

    def statistics(self) -> OutboxStatistics:
        waiting = self._backlog or Backlog()
        return OutboxStatistics(waiting.unsent_bytes, waiting.waiting_keys, self._replaced_count)

    def _send_nowait(self, data: bytes | memoryview) -> int:
        """Return how many bytes the kernel took, -1 if the connection is over."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.cut(LOST)
            return -1

    def _start_backlog(self, backlog: Backlog) -> Backlog:
        self._backlog = backlog
        self._update_fd()
        if self._nursery is not None and not self._is_draining:
            self._is_draining = True
            self._nursery.start_soon(self._drain)
        return backlog

    def _flush_nowait(self, backlog: Backlog) -> int:
        """Write until the kernel takes no more; return how much, -1 if the connection is over."""
        total = 0
        while not backlog.is_empty:
            data = backlog.next_bytes()
            sent = self._send_nowait(data)
            if sent < 0:
                return -1
            backlog.mark_sent(sent)
            total += sent
            if sent < len(data):
                break
        if not backlog.has_unkeyed:
            self._wake_senders()
        if backlog.is_empty:
            self._backlog = None
            self._update_fd()
        return total

    async def _drain(self) -> None:
        """Write the backlog as the socket takes it; the connection ends if it takes nothing."""
        try:
            await self._write_backlog()
        except trio.Cancelled:
            # The written bytes may end in the middle of a frame.
            self.cut(CANCELLED)
            raise
        except trio.ClosedResourceError:
            pass
        finally:
            self._is_draining = False
            self._writing = None

    async def _write_backlog(self) -> None:
        self._allow_time()
        while self._backlog is not None:
            with trio.CancelScope(deadline=self._give_up_at) as self._writing:
                await trio.lowlevel.wait_writable(self._socket)
            if self._backlog is None:
                return
            if self._writing.cancelled_caught:
                self._end_slow(self._backlog)
            elif self._flush_nowait(self._backlog) > 0:
                self._allow_time()

    def _allow_time(self) -> None:
        """Let the reader take something within its time, unless it had its last chance."""
        if self.cut_reason is None:
            blocked_after = self._limits.write_blocked_after or math.inf
            self._give_up_at = trio.current_time() + blocked_after

    def _end_slow(self, backlog: Backlog) -> None:
        """End the connection of a reader that does not keep up."""
        self.cut(SLOW)

    def _take_no_more(self) -> None:
        self._takes_frames = False
        self._update_fd()

    @property
    def _is_writable(self) -> bool:
        """Nothing waits to go first, and frames still go."""
        return self._takes_frames and self._backlog is None

    def _update_fd(self) -> None:
        """To be called wherever `_is_writable` may have changed."""
        if self._fd_table is not None:
            self._fd_table.set_fd(self._slot, self._socket.fileno() if self._is_writable else None)

    async def _wait_until_woken(self) -> None:
        """Wait for the next `_wake_senders`; several may."""
        if self._sent_unkeyed is None:
            self._sent_unkeyed = trio.Event()
        await self._sent_unkeyed.wait()

    def _wake_senders(self) -> None:
        if self._sent_unkeyed is not None:
            self._sent_unkeyed.set()
            self._sent_unkeyed = None

    def _forget_unsent(self) -> None:
        self._take_no_more()
        self._backlog = None
        self._wake_senders()

    async def _wait_unkeyed_sent(self) -> None:
        try:
            while self.cut_reason is None and self._backlog and self._backlog.has_unkeyed:
                if self._nursery is None:
                    await self._drain()
                else:
                    await self._wait_until_woken()
        except trio.Cancelled:
            self.cut(CANCELLED)
            raise
        if self.cut_reason is not None:
            raise trio.BrokenResourceError

    def close(self) -> None:
        """Close the socket; whoever waits for it gets `trio.ClosedResourceError`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._forget_unsent()
        # Its owner is freed at once: the collector hardly ever looks at the old.
        self.is_gone = _never
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()
