"""Sends the answers of one connection, and decides whether another request may follow."""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import h11

from presence.transport.context import ServerContext
from presence.transport.http.request import CLOSE, Headers, Response
from presence.transport.http.request_reader import RequestReader
from presence.transport.sockets.ending import LINGER_BYTES, hold, linger
from presence.transport.sockets.stream import OutboxStream


class ResponseWriter:
    """Answers the request that *reader* has under way."""

    def __init__(self, stream: OutboxStream, reader: RequestReader, site: ServerContext) -> None:
        self._stream = stream
        self._reader = reader
        self._site = site
        self._is_last = False

    async def send(self, response: Response) -> bool:
        """Send a whole answer; return whether another request may follow, else linger."""
        length: Headers = ()
        if response.status >= 200 and response.status not in (204, 304):
            length = (("content-length", str(len(response.body))),)
        data = self._head(response, length)
        if response.body and self._reader.method != "HEAD":
            data += self._reader.parser.send(h11.Data(data=response.body)) or b""
        return await self._finish(data)

    async def begin(self, response: Response) -> None:
        """Send the head of an answer whose body comes over time."""
        await self._stream.send_all(self._head(response, ()))

    async def finish(self) -> bool:
        """End an answer that was begun; returns what `send` returns."""
        return await self._finish(b"")

    def _head(self, response: Response, length: Headers) -> bytes:
        headers = [*response.headers, ("date", _http_date(int(time.time()))), *length]
        self._is_last = CLOSE[0] in response.headers
        if not self._is_last and (self._site.is_stopping or self._is_unread):
            headers += CLOSE
        reason = _REASONS.get(response.status, "")
        start = h11.Response(status_code=response.status, headers=headers, reason=reason)
        return self._reader.parser.send(start) or b""

    async def _finish(self, data: bytes) -> bool:
        """Send *data* and the end of the answer.

        A body larger than what lingering reads is not read at all.
        """
        parser = self._reader.parser
        is_unread = self._is_unread
        await self._stream.send_all(data + (parser.send(h11.EndOfMessage()) or b""))
        if parser.our_state is h11.DONE and parser.their_state is h11.DONE:
            parser.start_next_cycle()
            return True
        if self._is_last or (is_unread and self._reader.declared_bytes > LINGER_BYTES):
            await hold(self._stream)
        else:
            await linger(self._stream)
        return False

    @property
    def _is_unread(self) -> bool:
        """Whether the body of the request, or what stands for a request, is not read."""
        return self._reader.parser.their_state in (h11.SEND_BODY, h11.ERROR)


_REASONS = {int(status): status.phrase for status in HTTPStatus}


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
