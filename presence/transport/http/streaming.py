"""Answers whose body is produced over time."""

from collections.abc import Awaitable, Callable

import attrs
import h11
import trio

from presence.transport.http.client_watch import ClientWatch
from presence.transport.http.request import Response
from presence.transport.sockets.stream import OutboxStream

CHUNK_TAIL = b"\r\n"


class BodyStream:
    """The body of an answer while a handler produces it.

    Bytes that the kernel does not take wait, at most `max_unsent_bytes`. A client is cut as
    slow above that, and where the kernel took nothing for `write_blocked_after`.
    Once the client is cut or has gone, the handler is cancelled.
    """

    def __init__(self, stream: OutboxStream, parser: h11.Connection, watch: ClientWatch) -> None:
        self._stream = stream
        self._parser = parser
        self._watch = watch

    @property
    def outbox(self) -> OutboxStream:
        """The connection, for bodies that are shared by many answers.

        Where `is_chunked`, what is written there must be chunks; see `frame`.
        """
        return self._stream

    @property
    def is_chunked(self) -> bool:
        """Whether a frame of the outbox must be a chunk of HTTP/1.1."""
        return self._parser.their_http_version != b"1.0"

    def frame(self, data: bytes) -> bytes:
        """*data* as it must be written to the outbox."""
        return chunk_head(len(data)) + data + CHUNK_TAIL if self.is_chunked else data

    def push(self, data: bytes) -> bool:
        """Send *data* in order of the calls, or let it wait; False if it never goes out."""
        framed = self._parser.send(h11.Data(data=data))
        is_sent = not framed or self._stream.push(framed)
        if not is_sent:
            self._watch.note_gone()
        return is_sent

    async def wait_sent(self) -> None:
        """Wait until the kernel has taken all; for producers faster than their clients."""
        try:
            await self._stream.wait_send_all_might_not_block()
        except trio.BrokenResourceError:
            self._watch.note_gone()
            await trio.sleep_forever()  # which is cancelled now


def chunk_head(size: int) -> bytes:
    """The bytes before a chunk of *size* in a body over HTTP/1.1; `CHUNK_TAIL` goes behind it."""
    return b"%x\r\n" % size


@attrs.frozen
class StreamingResponse(Response):
    """An answer whose body *produce* pushes; the answer ends when it returns.

    It is sent in chunks over HTTP/1.1, and up to the end of the connection over
    HTTP/1.0. *produce* is not called for HEAD. It should return soon when
    `Request.stopping` is set; after `ANSWER_WITHIN` it is cancelled and the body ended.
    If it raises, the body breaks off, so that the client does not take it for whole.
    """

    produce: Callable[[BodyStream], Awaitable[object]] = attrs.field(kw_only=True)
