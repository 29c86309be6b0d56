"""Reads the requests of one connection, one after the other. h11 parses."""

import math
from collections.abc import Callable

import h11
import trio

from presence.transport.context import ServerContext
from presence.transport.faults import Refusal
from presence.transport.http.request import NO_BODY, Request
from presence.transport.http.request_body import RequestBody
from presence.transport.http.request_head import check_head, join_headers, parse_query, parse_target
from presence.transport.sockets.stream import RECEIVE_BYTES, OutboxStream

BLANK = b"\r\n"


class RequestReader:
    """Waits for a head, understands it, and reads the body when a handler asks for it.

    `method` and `headers` are those of the request under way; the headers are None
    until they are read. `parser` may be another one for each request.
    """

    def __init__(self, stream: OutboxStream, peer: str, site: ServerContext) -> None:
        self._stream = stream
        self._peer = peer
        self._site = site
        self._is_first = True
        self.method = ""
        self.headers: dict[str, str] | None = None
        self.parser = self._new_parser()

    @property
    def declared_bytes(self) -> int:
        """The length of the body by its head; 0 where none is declared."""
        return int((self.headers or {}).get("content-length", 0))

    @property
    def client(self) -> str:
        """The address of the client, as far as its request tells by now."""
        if self.headers is None:
            return self._peer
        return self._site.addresses.client_of(self._peer, self.headers.get("x-forwarded-for"))

    @property
    def early(self) -> bytes:
        """The bytes that came behind the request under way."""
        return self.parser.trailing_data[0]

    def keep_early(self, data: bytes) -> None:
        """Keep *data*, which came behind the request under way, for the next one."""
        self.parser.receive_data(data)

    async def next_head(self) -> h11.Request | None:
        """Wait for the next head; None if the connection ends, or its time is over."""
        if not self._is_first and not self.early and not await self._wait_idle():
            return None
        self._is_first = False
        self.method = ""
        self.headers = None
        with trio.move_on_after(self._site.limits.handshake_after or math.inf):
            await self._skip_blank_lines()
            event = await self._next_event()
            return event if isinstance(event, h11.Request) else None
        self._site.count(Refusal.HEAD_TIMED_OUT)
        return None

    def read_head(self, head: h11.Request, on_whole: Callable[[], None]) -> Request:
        """Understand *head*, or raise the `HttpError` that refuses it.

        Calls *on_whole* once a handler has read the body, if there is one.
        """
        limits = self._site.limits
        self.method = head.method.decode("ascii")
        self.headers = headers = join_headers(head)
        target = parse_target(head)
        if target.host is not None:
            headers["host"] = target.host  # RFC 9112, 3.2.2: the header is ignored then
        check_head(head, headers, limits)
        has_body = "transfer-encoding" in headers or self.declared_bytes > 0
        if not has_body:
            self.parser.next_event()  # the end of the message, which is there already
        return Request(
            method=self.method,
            path=target.path,
            query=parse_query(target.query),
            headers=headers,
            body=RequestBody(headers, limits, self._next_event, on_whole) if has_body else NO_BODY,
            peer=self.client,
            is_http_1_0=head.http_version == b"1.0",
            stopping=self._site.stop.event,
        )

    def _new_parser(self) -> h11.Connection:
        limit = self._site.limits.max_head_bytes
        return h11.Connection(h11.SERVER, max_incomplete_event_size=limit)

    async def _wait_idle(self) -> bool:
        """Wait for the first bytes of another request; False if none come."""
        if self._site.is_stopping:
            return False
        self._site.idle.add(self._stream)
        try:
            with trio.move_on_after(self._site.limits.idle_after or math.inf):
                data = await self._stream.receive_some(RECEIVE_BYTES)
                self.parser.receive_data(data)
                return bool(data)
            return False
        finally:
            self._site.idle.discard(self._stream)

    async def _skip_blank_lines(self) -> None:
        """Pass over blank lines before a request; some clients send one behind a body.

        RFC 9112, 2.2. The time of a head bounds them.
        """
        waiting = self.early
        if waiting and waiting[0] not in BLANK:
            return
        if waiting:
            self.parser = self._new_parser()
        while not (waiting := waiting.lstrip(BLANK)):
            waiting = await self._stream.receive_some(RECEIVE_BYTES)
            if not waiting:
                break
        self.parser.receive_data(waiting)

    async def _next_event(self) -> object:
        while (event := self.parser.next_event()) is h11.NEED_DATA:
            if self.parser.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self.parser.send(go_on) or b"")
            self.parser.receive_data(await self._stream.receive_some(RECEIVE_BYTES))
        return event
