"""The WebSocket library, trio-websocket on wsproto, and all that we use of its inside.

Its reader joins fragments, answers pings and close frames, and checks framing and
UTF-8. We answer the upgrade ourselves and start the reader behind it, for which it
has no public way. Nothing else in the project imports the library.
"""

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection
from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.handshake import H11Handshake
from wsproto.utilities import generate_accept_token

__all__ = ["ConnectionClosed", "LibraryConnection", "accept_token"]

MESSAGE_QUEUE_SIZE = 16
UNBOUNDED_BYTES = 1 << 31
NORMAL = 1000
NO_CODE = 1005
"""The code that the library reports for a close frame without one; no client can send it as one."""
GOODBYES = (NORMAL, NO_CODE)
"""A browser's `close()` sends no code; one that navigates away sends 1001."""
BROKEN_FRAMING = (1002, 1007)
SPENT_HANDSHAKE = H11Handshake(ConnectionType.SERVER)
"""Stands for the handshake of every connection that is open; none has any use for it."""


class OpenProtocol(WSConnection):
    """The library's protocol in the state after the upgrade was answered."""

    def __init__(self) -> None:
        self.client = False
        self.handshake = SPENT_HANDSHAKE
        self.connection = Connection(ConnectionType.SERVER)


class LibraryConnection(WebSocketConnection):
    """The library's end of *stream*, from the first byte after the upgrade on.

    Its own handshake would parse once more what was parsed, and take four turns
    of the event loop: a quarter of all that it costs to let a client in.

    A message longer than *max_message_bytes* ends the connection; 0 is no limit.
    The library closes *stream* once it gives up or has answered a close frame.
    """

    def __init__(self, stream: trio.abc.Stream, max_message_bytes: int) -> None:
        super().__init__(
            stream,
            OpenProtocol(),
            message_queue_size=MESSAGE_QUEUE_SIZE,
            max_message_size=max_message_bytes or UNBOUNDED_BYTES,
        )

    def start_reader(self, nursery: trio.Nursery) -> None:
        """Read in a task of *nursery* until the end; it may raise `ConnectionClosed`."""
        nursery.start_soon(self._reader_task)

    async def next_message(self) -> str | bytes:
        """Return the next message; raises `ConnectionClosed` after the last one."""
        message: str | bytes = await self.get_message()
        return message


def is_goodbye(closed: ConnectionClosed) -> bool:
    """Say whether the client closed the connection itself, with 1000 or without a code."""
    return closed.reason is not None and closed.reason.code in GOODBYES


def broken_framing_code(closed: ConnectionClosed) -> int | None:
    """The code that says why the library gave up on the client's frames; None if it did not.

    The library sends no close frame then. Where the client itself closed with such a
    code, that was answered already.
    """
    if closed.reason is None or closed.reason.code not in BROKEN_FRAMING:
        return None
    return int(closed.reason.code)


def accept_token(key: str) -> str:
    """The value of `sec-websocket-accept` that answers `sec-websocket-key`."""
    return generate_accept_token(key.encode("ascii")).decode("ascii")
