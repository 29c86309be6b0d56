"""The stream of one connection: what the HTTP parser and the WebSocket library drive.

To them it is an ordinary Trio stream. Others write whole frames in between,
see `presence.transport.sockets.outbox`; what comes in is judged first, see `frame_limiter`.
"""

import socket as stdsocket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trio

from presence.transport.concurrency_gate import ConcurrencyGate
from presence.transport.limits import NetLimits
from presence.transport.sockets.backlog import Backlog
from presence.transport.sockets.fd_table import LOST
from presence.transport.sockets.outbox import Outbox
from presence.transport.sockets.poller import PLAIN_POLLER, Poller
from presence.transport.sockets.socket_writer import SLOW
from presence.transport.websocket.frame_limiter import OVER_A_LIMIT, FrameLimiter, Violation
from presence.transport.websocket.frames import CLOSE, close_frame

LAST_CHANCE_AFTER = 2.0
"""A slow reader is cut if it has not taken its close frame by then."""
NOT_READ = "not read to the end"
RECEIVE_BYTES = 16 * 1024


class SocketEnded(Exception):
    """No more messages come. *is_clean*: the client said goodbye itself."""

    def __init__(self, *, is_clean: bool) -> None:
        super().__init__("clean" if is_clean else "lost")
        self.is_clean = is_clean


class OutboxStream(Outbox, trio.abc.Stream):
    """Owns *sock*, a plain non-blocking socket.

    `last_received_at` is the monotonic time of the last received bytes. At the end of
    its input a connection with `on_text` takes a slot of `teardown_gate`, if it has
    one; the task that ends the connection releases it.

    A text that comes whole and alone, as nearly all do, goes to `on_text`, if
    there is one, and not to the library: that saves a quarter of the time from
    a user's change to its first subscriber. Not while `pending_in_library` messages
    are with the library, so that the order of all is kept.
    """

    __slots__ = (
        "_is_done",
        "_limiter",
        "_may_have_more",
        "_poller",
        "_unread",
        "_violation",
        "last_received_at",
        "on_text",
        "pending_in_library",
        "teardown_gate",
    )

    def __init__(
        self, sock: stdsocket.socket, limits: NetLimits, watch: Poller = PLAIN_POLLER
    ) -> None:
        super().__init__(sock, limits)
        self._poller = watch
        self._is_done = False
        self._limiter: FrameLimiter | None = None
        self._violation: Violation | None = None
        self._unread = b""
        self._may_have_more = False
        """The last time there was more in the socket than was asked for, perhaps."""
        self.last_received_at = trio.current_time()
        self.teardown_gate: ConcurrencyGate | None = None
        self.on_text: Callable[[str], None] | None = None
        self.pending_in_library = 0

    @property
    def is_framed(self) -> bool:
        """Whether the client speaks WebSocket."""
        return self._limiter is not None

    @property
    def violation(self) -> Violation | None:
        """The limit that the client broke, if that ended the connection."""
        return self._violation

    def begin_frames(self, nursery: trio.Nursery, meter: FrameLimiter, early: bytes) -> None:
        """The client speaks WebSocket from now on: let its frames through *meter*, *early* first.

        A backlog is drained by a task in *nursery*, the connection's.
        """
        self._nursery = nursery
        self._limiter = meter
        self._unread = early

    def _end_slow(self, backlog: Backlog) -> None:
        """Send 4008 behind the frame under way, and cut when the last chance is over.

        Nothing is received any more. Where no close frame can be sent, cut at once.
        """
        if self._limiter is None or self._has_sent_close or self.cut_reason is not None:
            self.cut(SLOW)
            return
        self.cut_reason = SLOW
        backlog.forget_unbegun()
        backlog.push(close_frame(OVER_A_LIMIT, SLOW))
        self._has_sent_close = True
        self._take_no_more()
        self._wake_senders()
        self._give_up_at = trio.current_time() + LAST_CHANCE_AFTER
        if self._writing is not None:
            self._writing.deadline = self._give_up_at
        self._poller.wake(self._socket)

    async def _write_backlog(self) -> None:
        """Go on where the watch woke the writer together with the reader."""
        while True:
            try:
                return await super()._write_backlog()
            except trio.ClosedResourceError:
                if self._is_closed:
                    raise

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send as one uninterrupted piece, after what was pushed and before what was offered.

        After a close frame everything is silently dropped. If cancelled in the
        middle, the connection is cut: nobody could tell where a frame begins.
        """
        await trio.lowlevel.checkpoint()
        if self._is_closed or self._is_done:
            raise trio.ClosedResourceError
        if self._has_sent_close or not data:
            return
        is_close = self._limiter is not None and data[0] == CLOSE
        if is_close and self._backlog is not None:
            self._backlog.drop_all_keys()
        # Before the upgrade only one sender exists, and it waits: no bound is needed.
        is_http = self._nursery is None
        if not (self.push_snapshot([bytes(data)]) if is_http else self.push(bytes(data))):
            raise trio.BrokenResourceError
        if is_close:
            self._take_no_more()
            self._has_sent_close = True
        await self._wait_unkeyed_sent()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        await self._wait_unkeyed_sent()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive bytes; nothing of a frame that breaks a limit is ever returned.

        If cancelled, nothing has been received.
        """
        # Connections spend their lives in here: a frame less is memory less, and
        # to wait inside an `except` would keep the exception as long.
        await trio.lowlevel.checkpoint_if_cancelled()
        has_waited = False
        try:
            while (data := self._receive_nowait(max_bytes or RECEIVE_BYTES)) is None:
                if self._may_have_more:
                    await trio.lowlevel.checkpoint()
                else:
                    await self._poller.wait_readable(self._socket)
                has_waited = True
        except trio.BrokenResourceError:
            await self._enter_teardown_gate()
            self.cut(LOST)
            raise
        except trio.ClosedResourceError:
            if self._is_closed or self._is_done:
                raise
            data = b""  # woken because the connection was ended from here
        if not data:
            await self._enter_teardown_gate()
        if not has_waited:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return data

    def watch(self, on_readable: Callable[[], None]) -> None:
        """Call *on_readable* once when `take_nowait` has something; see `Poller.watch`."""
        self._poller.watch(self._socket, on_readable)

    def unwatch(self) -> None:
        """Call nothing any more."""
        self._poller.unwatch(self._socket)

    @contextmanager
    def pushes_in(self, nursery: trio.Nursery) -> Iterator[None]:
        """Allow `push` before the upgrade: a task in *nursery* drains what has to wait."""
        self._nursery = nursery
        try:
            yield
        finally:
            self._nursery = None

    async def _enter_teardown_gate(self) -> None:
        """Where thousands are lost at once, their ends come a few at a time.

        A session that does not listen yet may wait for the disk: it takes no place.
        """
        listens = self.on_text is not None and self._violation is None
        if listens and self.teardown_gate is not None:
            await self.teardown_gate.enter(self)

    def _receive_nowait(self, max_bytes: int) -> bytes | None:
        """The judged bytes; b"" at the end, None while there is nothing for the library."""
        if self._violation is None:
            data: bytes | None
            data, self._unread = self._unread, b""
            data = data or self.take_nowait(max_bytes)
            meter = self._limiter
            if not data or meter is None:
                return data
            if self.on_text is not None and not self.pending_in_library:
                text = meter.take_text(data, self.last_received_at)
                if text is not None:
                    self.on_text(text)
                    return None
            count = meter.message_count
            self._violation = meter.feed(data, self.last_received_at)
            if self._violation is None:
                self.pending_in_library += meter.message_count - count
                return data
            # Frames that came before are handled first; the next call ends it.
            if data := data[: self._violation.accepted_bytes]:
                return data
        self.push_close(self._violation.close_code, self._violation.sentence)
        return b""

    def take_nowait(self, max_bytes: int) -> bytes | None:
        """Receive what is there, not judged; b"" at the end, None while there is nothing.

        Raises `trio.BrokenResourceError` if the peer reset the connection.
        """
        if self._is_done:
            raise trio.ClosedResourceError
        return b"" if self.cut_reason is not None else self._take_any_nowait(max_bytes)

    def _take_any_nowait(self, max_bytes: int) -> bytes | None:
        """Take from the socket; b"" at its end, None while there is nothing."""
        if self._is_closed:
            raise trio.ClosedResourceError
        try:
            data = self._socket.recv(max_bytes)
        except BlockingIOError:
            return None
        except OSError as error:
            raise trio.BrokenResourceError from error
        self._may_have_more = len(data) == max_bytes
        if data:
            self.last_received_at = trio.current_time()
        return data

    async def flush(self) -> None:
        """Send what waits, and cut a client that does not take it within `LAST_CHANCE_AFTER`.

        Nothing is received any more, and nothing can be pushed.
        """
        self._take_no_more()
        self._is_done = True
        self._poller.wake(self._socket)
        with trio.move_on_after(LAST_CHANCE_AFTER) as flushing:
            while self._backlog is not None:
                await self._wait_until_woken()
        if flushing.cancelled_caught:
            self.cut(NOT_READ)

    def send_eof_nowait(self) -> None:
        """Send EOF, and forget what waits. To be called once nobody receives."""
        self._forget_unsent()
        with suppress(OSError):
            self._socket.shutdown(stdsocket.SHUT_WR)

    async def discard_some(self) -> int:
        """Wait for bytes and throw them away; return how many there were, 0 at the end.

        To be called once nobody receives. Raises as `receive_some` does.
        """
        while (data := self._take_any_nowait(RECEIVE_BYTES)) is None:
            await self._poller.wait_readable(self._socket)
        await trio.lowlevel.checkpoint()
        return len(data)

    def close(self) -> None:
        """Close the socket, and receive nothing more."""
        self.on_text = None
        if self.cut_reason is not None and self._backlog is not None:
            self.cut(SLOW)  # what a slow reader left is not the kernel's to keep
        if not self._is_closed:
            self._poller.wake(self._socket)
        super().close()

    async def aclose(self) -> None:
        """End the library's use of the stream; the owner ends the connection.

        The library calls this when it gives up or has answered a close frame. Frames
        can still be pushed, such as the close frame that says why; see `ending`.
        """
        self._is_done = True
        if not self._is_closed:
            self._poller.wake(self._socket)
        await trio.lowlevel.checkpoint()
