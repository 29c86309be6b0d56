"""Notices, while a handler works on a request, that its client has gone."""

from types import TracebackType
from typing import Protocol

import trio

from presence.transport.http.stop_signal import StopSignal
from presence.transport.sockets.stream import RECEIVE_BYTES, OutboxStream

HALF_CLOSED_AFTER = 0.1
"""Seconds from the EOF of a client to the end of the handler that works for it."""
KEPT_BYTES = 64 * 1024
"""The most bytes that a client may send ahead of an answer; more stay in the kernel."""


class EarlyBytes(Protocol):
    """Keeps what comes behind the request under way."""

    @property
    def early(self) -> bytes:
        """All that is kept."""

    def keep_early(self, data: bytes) -> None:
        """Keep *data* behind the rest."""


class ClientWatch:
    """Cancels a block, at most one at a time, whose client has gone, or whose time is up.

    A reset ends the block at once. An EOF ends it after `HALF_CLOSED_AFTER`: nearly
    all clients that send one have gone, and one that has only ended its half of the
    connection gets what is answered without a longer wait. A stop of the server ends
    it by `StopSignal`.

    Bytes that arrive meanwhile are kept in *reader*. A client that sends more than
    `KEPT_BYTES` ahead is not watched any longer.
    """

    def __init__(self, stream: OutboxStream, stop: StopSignal, reader: EarlyBytes) -> None:
        self._stream = stream
        self._stop = stop
        self._reader = reader
        self._scope = trio.CancelScope()
        self.is_gone = False
        """Whether the last block ended, or is about to end, because its client has gone."""

    def __enter__(self) -> None:
        self.is_gone = False
        self._scope = trio.CancelScope()
        self._stop.add(self._scope)
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._stream.unwatch()
        self._stop.discard(self._scope)
        return self._scope.__exit__(kind, error, traceback)

    def look(self) -> None:
        """Begin to watch. To be called in the block, once its request has come whole."""
        while len(self._reader.early) <= KEPT_BYTES:
            try:
                data = self._stream.take_nowait(RECEIVE_BYTES)
            except trio.BrokenResourceError:
                return self.note_gone()
            if data is None:
                return self._stream.watch(self.look)
            if not data:
                return self.note_gone(0 if self._stream.cut_reason else HALF_CLOSED_AFTER)
            self._reader.keep_early(data)
        return None

    def note_gone(self, after: float = 0.0) -> None:
        """End the block after so many seconds: its client takes no more."""
        self.is_gone = True
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + after)
