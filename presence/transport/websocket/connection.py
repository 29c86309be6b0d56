"""One WebSocket connection as its session sees it."""

from collections.abc import Callable

import trio

from presence.transport.sockets.stream import OutboxStream, SocketEnded
from presence.transport.websocket.frame_limiter import FrameLimiter
from presence.transport.websocket.frames import ping_frame
from presence.transport.websocket.library import (
    NORMAL,
    ConnectionClosed,
    LibraryConnection,
    broken_framing_code,
    is_goodbye,
)

CLOSE_AFTER = 2.0
INTERNAL_ERROR = 1011
NO_ANSWER = "no answer to close"


class WebSocket:
    """One open WebSocket. Frames to the client go through `stream`."""

    __slots__ = (
        "_connection",
        "_is_closing",
        "_limiter",
        "_nursery",
        "_on_arrival",
        "_on_control",
        "_on_text",
        "failure",
        "stream",
    )

    def __init__(
        self,
        connection: LibraryConnection,
        stream: OutboxStream,
        meter: FrameLimiter,
        nursery: trio.Nursery,
        on_arrival: Callable[[], None],
    ) -> None:
        self.stream = stream
        self._connection = connection
        self._limiter = meter
        self._nursery = nursery
        self._is_closing = False
        self._on_arrival: Callable[[], None] | None = on_arrival
        self._on_text: Callable[[str], None] | None = None
        self._on_control: Callable[[int, bytes], None] | None = None
        self.failure: BaseException | None = None
        """The error that a callback raised; the library's reader may lose it when cancelled."""

    def release_handshake_slot(self) -> None:
        """The client has what it came for, or waits for the disk: others may come in.

        A session that begins to wait for messages, or to close, need not call this.
        """
        if self._on_arrival is not None:
            self._on_arrival()
            self._on_arrival = None  # not kept as long as the connection

    @property
    def last_received_at(self) -> float:
        """Monotonic time of the last byte from the client."""
        return self.stream.last_received_at

    def watch_control(self, on_control: Callable[[int, bytes], None]) -> None:
        """Have the opcode (9 ping, 10 pong) and payload of each control frame reported.

        Called in the reader's task, before the library answers; it must not
        wait. To miss none, call this before the first await of the session.
        """
        self._on_control = on_control
        self._limiter.on_control = self._deliver_control

    def set_text_callback(self, on_text: Callable[[str], None]) -> None:
        """Have texts handed to *on_text*, in the reader's task, as they come.

        It must not wait. Others, such as those in fragments, are still to be
        asked for with `receive`; the order of all is kept.
        """
        self._on_text = on_text
        self.stream.on_text = self._deliver_text

    def _deliver_text(self, text: str) -> None:
        if self._on_text is not None and not self._is_closing:
            self._invoke(self._on_text, text)

    def _deliver_control(self, opcode: int, payload: bytes) -> None:
        if self._on_control is not None and not self._is_closing:
            self._invoke(self._on_control, opcode, payload)

    def _invoke(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except BaseException as error:
            self.failure = error
            self.stream.push_close(INTERNAL_ERROR)
            raise

    def clear_callbacks(self) -> None:
        """Drop the callbacks, so that their owners are free as soon as they have ended."""
        self._on_text = self._on_control = None
        self._limiter.on_control = None

    async def receive(self) -> str | bytes:
        """Return the next message; it must be asked for always, or pings stay unanswered.

        Raises `SocketEnded`.
        """
        self.release_handshake_slot()
        while True:
            try:
                message = await self._connection.next_message()
            except ConnectionClosed as closed:
                self._refuse_broken_framing(closed)
                raise SocketEnded(is_clean=self._is_clean(closed)) from None
            self.stream.pending_in_library -= 1
            if not self._is_closing:
                return message

    def ping_nowait(self, payload: bytes = b"") -> bool:
        """Send a ping of at most 125 bytes, without waiting; False if the connection is over."""
        return self.stream.push(ping_frame(payload))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send a close frame and wait for the client's, at most two seconds, then cut.

        Later messages of the client are discarded. Closing twice is harmless.
        """
        self._begin_close(code, reason)
        await self._finish_close()

    def close_soon(self, code: int, reason: str = "") -> None:
        """Send a close frame now; the wait of `close` happens in a task of the connection."""
        if not self._is_closing:
            self._begin_close(code, reason)
            self._nursery.start_soon(self._finish_close)

    def _begin_close(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.release_handshake_slot()
            self.stream.push_close(code, reason)

    async def _finish_close(self) -> None:
        # The library's own close is not used: a ping that arrives during it
        # would raise in the library's reader.
        with trio.move_on_after(CLOSE_AFTER):
            try:
                while True:
                    await self._connection.next_message()
            except ConnectionClosed:
                return
        self.stream.cut(NO_ANSWER)

    def _refuse_broken_framing(self, closed: ConnectionClosed) -> None:
        """Say why the library gave up; without this the client could read a normal end."""
        code = broken_framing_code(closed)
        if code is not None:
            self.stream.push_close(code)

    def _is_clean(self, closed: ConnectionClosed) -> bool:
        return is_goodbye(closed) and not self._is_closing
