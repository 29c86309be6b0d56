"""How a connection ends, so that its client can read what was sent last.

To close a socket with unread input would make the kernel reset the connection, and
the peer's kernel throw away what it has not read yet.
"""

import random
from contextlib import suppress

import trio

from presence.transport.sockets.stream import OutboxStream

LINGER_AFTER = 1.0
LINGER_BYTES = 256 * 1024
LINGER_FRAME_BYTES = 4 * 1024 * 1024
"""A client that speaks WebSocket may be far into a message when it is refused."""


async def finish(stream: OutboxStream) -> None:
    """Send what waits, up to our last frame, then `linger`. At most three seconds."""
    await stream.flush()
    if not stream.is_cut:
        await linger(stream)


async def linger(stream: OutboxStream) -> None:
    """Send EOF and discard input, until the client's end or for `LINGER_AFTER`."""
    stream.send_eof_nowait()
    left = LINGER_FRAME_BYTES if stream.is_framed else LINGER_BYTES
    ended = (trio.BrokenResourceError, trio.ClosedResourceError)
    with trio.move_on_after(LINGER_AFTER), suppress(*ended):
        while left > 0 and (count := await stream.discard_some()):
            left -= count


async def hold(stream: OutboxStream) -> None:
    """Send EOF and keep the connection for a moment, reading nothing.

    A client that is refused too often can thus come back only once a moment
    for each connection that its address may have. The jitter keeps many such
    connections from coming back together.
    """
    stream.send_eof_nowait()
    await trio.sleep(LINGER_AFTER * random.uniform(0.5, 1.5))
