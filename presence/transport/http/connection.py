"""HTTP/1.1 on one connection: h11 parses, a handler answers, an upgrade ends it."""

import math
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache, partial
from http import HTTPStatus

import h11
import trio

from presence.transport.context import ServerContext
from presence.transport.faults import Refusal
from presence.transport.http.cors import PUBLIC_CORS
from presence.transport.http.request import (
    CLOSE,
    NO_BODY,
    RETRY_LATER,
    Answer,
    HttpError,
    Request,
    Response,
    ask,
    error_response,
    render_json_error,
)
from presence.transport.http.request_body import RequestBody
from presence.transport.http.request_head import check_head, join_headers, parse_query, parse_target
from presence.transport.sockets.stream import LINGER_BYTES, OutboxStream
from presence.transport.websocket.upgrade import (
    Upgrade,
    asks_for_websocket,
    refuse_handshake,
)

RECEIVE_BYTES = 16 * 1024
BLANK = b"\r\n"


class HttpConnection:
    """One connection from its accept to its end or its upgrade. Does not own *stream*."""

    def __init__(self, stream: OutboxStream, peer: str, site: ServerContext) -> None:
        self._stream = stream
        self._peer = peer
        self._site = site
        self._limits = site.limits
        self._is_proxied = site.addresses.is_proxy(peer)
        self._is_first = True
        self._method = ""
        self._headers: dict[str, str] | None = None
        """Those of the request under way, once they are read."""
        self._h11 = self._new_parser()

    async def serve(self) -> Upgrade | None:
        """Answer requests in order; return the upgrade that ends them, if one does."""
        try:
            while True:
                outcome = await self._exchange()
                if isinstance(outcome, Upgrade):
                    return outcome
                if not outcome:
                    return None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None

    async def _exchange(self) -> Upgrade | bool:
        """Take one request; return whether another may follow."""
        try:
            head = await self._next_head()
            if head is None:
                return False
            request = self._read_head(head)
        except h11.RemoteProtocolError as error:
            return await self._respond(self._refuse(_malformed(error)))
        except HttpError as error:
            return await self._respond(self._refuse(error))
        answer = await self._answer(request)
        if isinstance(answer, Upgrade):
            return answer
        return await self._respond(answer)

    # -- Reading ---------------------------------------------------------------

    def _new_parser(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.max_head_bytes)

    async def _next_head(self) -> h11.Request | None:
        if not self._is_first and not self._h11.trailing_data[0] and not await self._wait_idle():
            return None
        self._is_first = False
        self._method = ""
        self._headers = None
        with trio.move_on_after(self._limits.handshake_after or math.inf):
            await self._skip_blank_lines()
            event = await self._next_event()
            return event if isinstance(event, h11.Request) else None
        self._site.count(Refusal.HEAD_TIMED_OUT)
        return None

    async def _wait_idle(self) -> bool:
        """Wait for the first bytes of another request; False if none come."""
        if self._site.is_stopping:
            return False
        self._site.idle.add(self._stream)
        try:
            with trio.move_on_after(self._limits.idle_after or math.inf):
                data = await self._stream.receive_some(RECEIVE_BYTES)
                self._h11.receive_data(data)
                return bool(data)
            return False
        finally:
            self._site.idle.discard(self._stream)

    async def _skip_blank_lines(self) -> None:
        """Pass over blank lines before a request; some clients send one behind a body.

        RFC 9112, 2.2. The time of a head bounds them.
        """
        waiting = self._h11.trailing_data[0]
        if waiting and waiting[0] not in BLANK:
            return
        if waiting:
            self._h11 = self._new_parser()
        while not (waiting := waiting.lstrip(BLANK)):
            waiting = await self._stream.receive_some(RECEIVE_BYTES)
            if not waiting:
                break
        self._h11.receive_data(waiting)

    async def _next_event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self._h11.send(go_on) or b"")
            self._h11.receive_data(await self._stream.receive_some(RECEIVE_BYTES))
        return event

    def _read_head(self, head: h11.Request) -> Request:
        self._method = head.method.decode("ascii")
        self._headers = headers = join_headers(head)
        target = parse_target(head)
        if target.host is not None:
            headers["host"] = target.host  # RFC 9112, 3.2.2: the header is ignored then
        check_head(head, headers, self._limits)
        has_body = "transfer-encoding" in headers or self._declared_bytes > 0
        if not has_body:
            self._h11.next_event()  # the end of the message, which is there already
        return Request(
            method=self._method,
            path=target.path,
            query=parse_query(target.query),
            headers=headers,
            body=RequestBody(headers, self._limits, self._next_event) if has_body else NO_BODY,
            peer=self._client_of(headers),
            is_http_1_0=head.http_version == b"1.0",
        )

    def _client_of(self, headers: dict[str, str]) -> str:
        return self._site.addresses.client_of(self._peer, headers.get("x-forwarded-for"))

    # -- Answering -------------------------------------------------------------

    def _refuse(self, error: HttpError) -> Response:
        """Answer a head that makes no sense. A page may read why, as far as its origin is known."""
        headers = self._headers
        self._site.count(Refusal.MALFORMED)
        try:
            self._site.count_refused(self._peer if headers is None else self._client_of(headers))
        except HttpError as over_rate:
            error = over_rate
        response = render_json_error(error)
        if headers is None:
            return response.with_headers(PUBLIC_CORS)
        return response.with_headers(self._site.origins.cors_headers(headers))

    async def _answer(self, request: Request) -> Response | Upgrade:
        if not self._is_proxied:
            return await self._answer_admitted(request, None)
        if not self._site.addresses.take(request.peer):
            self._site.count(Refusal.ADDRESS_LIMIT)
            return error_response(429, "too many connections from this address", RETRY_LATER)
        is_kept = False
        try:
            answer = await self._answer_admitted(request, request.peer)
            is_kept = isinstance(answer, Upgrade)
            return answer
        finally:
            if not is_kept:
                self._site.addresses.release(request.peer)

    async def _answer_admitted(self, request: Request, held: str | None) -> Response | Upgrade:
        if not asks_for_websocket(request):
            return await self._call(self._site.answer, request)
        answer = self._refuse_upgrade(request) or await self._admit(request, held)
        if isinstance(answer, Response):
            try:
                self._site.count_refused(request.peer)
            except HttpError as over_rate:
                return render_json_error(over_rate)
        return answer

    def _refuse_upgrade(self, request: Request) -> Response | None:
        refusal = refuse_handshake(request)
        if refusal is not None:
            return refusal
        problem = self._site.origins.refusal(request)
        if problem is None:
            return None
        self._site.count(Refusal.ORIGIN)
        return error_response(403, problem)

    async def _admit(self, request: Request, held: str | None) -> Response | Upgrade:
        handshake_gate = self._site.handshake_gate
        await handshake_gate.enter(self._stream)
        admitted = await self._call(self._site.sockets.admit, request)
        if isinstance(admitted, Response):
            handshake_gate.leave(self._stream)
            return admitted
        key = request.headers["sec-websocket-key"]
        arrived = partial(handshake_gate.leave, self._stream)
        return Upgrade(key, admitted, self._h11.trailing_data[0], held, arrived)

    async def _call(
        self, handler: Callable[[Request], Awaitable[Answer]], request: Request
    ) -> Answer | Response:
        """Ask a handler; named errors and crashes become answers."""
        with self._site.crash_barrier:
            return await ask(handler, request)
        return self._site.render_error(request, HttpError(500, "internal error"))

    async def _respond(self, response: Response) -> bool:
        """Send the answer; return whether another request may follow, else linger.

        A body larger than what lingering reads is not read at all.
        """
        is_unread = self._h11.their_state in (h11.SEND_BODY, h11.ERROR)
        headers = [*response.headers, ("date", _http_date(int(time.time())))]
        if response.status >= 200 and response.status not in (204, 304):
            headers.append(("content-length", str(len(response.body))))
        is_last = CLOSE[0] in response.headers
        if not is_last and (self._site.is_stopping or is_unread):
            headers += CLOSE
        reason = _REASONS.get(response.status, "")
        start = h11.Response(status_code=response.status, headers=headers, reason=reason)
        data = self._h11.send(start) or b""
        if response.body and self._method != "HEAD":
            data += self._h11.send(h11.Data(data=response.body)) or b""
        data += self._h11.send(h11.EndOfMessage()) or b""
        await self._stream.send_all(data)
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            return True
        if is_last or (is_unread and self._declared_bytes > LINGER_BYTES):
            await self._stream.hold()
        else:
            await self._stream.linger()
        return False

    @property
    def _declared_bytes(self) -> int:
        return int((self._headers or {}).get("content-length", 0))


_REASONS = {int(status): status.phrase for status in HTTPStatus}


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _malformed(error: h11.RemoteProtocolError) -> HttpError:
    if error.error_status_hint == 431:
        return HttpError(431, "request head too large")
    return HttpError(400, "malformed request")
