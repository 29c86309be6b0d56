"""Writing to one socket without blocking.

Bytes that the kernel does not take at once wait in a `Backlog`, drained by a task that
exists only meanwhile.
"""

import math
import socket as stdsocket
import struct
from contextlib import suppress

import trio

from presence.transport.limits import NetLimits
from presence.transport.sockets.backlog import Backlog
from presence.transport.sockets.fd_table import LOST, FdTable

RESET_ON_CLOSE = struct.pack("ii", 1, 0)

SLOW = "slow"
CANCELLED = "cancelled"


class SocketWriter:
    """Owns *sock*, a plain non-blocking socket, and what waits for it.

    `cut_reason` says why the connection was ended from here, None while it was not;
    the end may be on its way to the reader for a moment longer. A peer that takes
    nothing for `write_blocked_after` is cut as slow. While the writer is registered in
    an `FdTable`, that writes whole frames past it, as long as nothing waits.
    """

    __slots__ = (
        "_backlog",
        "_fd_table",
        "_give_up_at",
        "_is_closed",
        "_is_cut",
        "_is_draining",
        "_limits",
        "_nursery",
        "_sent_unkeyed",
        "_slot",
        "_socket",
        "_takes_frames",
        "_writing",
        "cut_reason",
    )

    def __init__(self, sock: stdsocket.socket, limits: NetLimits) -> None:
        self._socket = sock
        self._limits = limits
        self._nursery: trio.Nursery | None = None
        self._backlog: Backlog | None = None
        self._sent_unkeyed: trio.Event | None = None
        self._takes_frames = True
        self._is_draining = False
        self._is_cut = False
        self._is_closed = False
        self._give_up_at = math.inf
        self._writing: trio.CancelScope | None = None
        self._fd_table: FdTable | None = None
        self._slot = 0
        self.cut_reason: str | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the connection was ended at once."""
        return self._is_cut

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

    def close(self) -> None:
        """Close the socket; a task that waits for it gets `trio.ClosedResourceError`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._forget_unsent()
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()

    def join_fd_table(self, fd_table: FdTable, slot: int) -> None:
        """Be written to by *fd_table* while the way is clear."""
        self._fd_table, self._slot = fd_table, slot
        self._update_fd()

    def leave_fd_table(self) -> None:
        """Be written to by nobody else."""
        self._fd_table = None

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
