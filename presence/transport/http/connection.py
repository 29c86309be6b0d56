"""HTTP/1.1 on one connection: requests are answered in turn, an upgrade ends it."""

from collections.abc import Awaitable, Callable
from functools import partial

import h11
import trio

from presence.transport.context import ServerContext
from presence.transport.faults import Refusal
from presence.transport.http.client_watch import ClientWatch
from presence.transport.http.cors import PUBLIC_CORS
from presence.transport.http.request import (
    RETRY_LATER,
    Answer,
    HttpError,
    Request,
    Response,
    ask,
    error_response,
    render_json_error,
    retry_after,
)
from presence.transport.http.request_reader import RequestReader
from presence.transport.http.response_writer import ResponseWriter
from presence.transport.http.streaming import BodyStream, StreamingResponse
from presence.transport.sockets.stream import OutboxStream
from presence.transport.websocket.upgrade import (
    Upgrade,
    asks_for_websocket,
    refuse_handshake,
)


class HttpConnection:
    """One connection from its accept to its end or its upgrade. Does not own *stream*."""

    def __init__(self, stream: OutboxStream, peer: str, site: ServerContext) -> None:
        self._stream = stream
        self._site = site
        self._is_proxied = site.addresses.is_proxy(peer)
        self._reader = RequestReader(stream, peer, site)
        self._writer = ResponseWriter(stream, self._reader, site)
        # It knows the reader, and not the other way round: a cycle would outlive the connection.
        self._watch = ClientWatch(stream, site.stop, self._reader)

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
            head = await self._reader.next_head()
            if head is None:
                return False
            request = self._reader.read_head(head, self._watch.look)
        except h11.RemoteProtocolError as error:
            return await self._writer.send(self._refuse(_malformed(error)))
        except HttpError as error:
            return await self._writer.send(self._refuse(error))
        answer = await self._answer(request)
        return await self._writer.send(answer) if isinstance(answer, Response) else answer

    def _refuse(self, error: HttpError) -> Response:
        """Answer a head that makes no sense. A page may read why, as far as its origin is known."""
        self._site.count(Refusal.MALFORMED)
        try:
            self._site.count_refused(self._reader.client)
        except HttpError as over_rate:
            error = over_rate
        response = render_json_error(error)
        headers = self._reader.headers
        if headers is None:
            return response.with_headers(PUBLIC_CORS)
        return response.with_headers(self._site.origins.cors_headers(headers))

    # -- Answering -------------------------------------------------------------

    async def _answer(self, request: Request) -> Response | Upgrade | bool:
        """The answer to *request*; where it was sent already, whether another may follow."""
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

    async def _answer_admitted(
        self, request: Request, held: str | None
    ) -> Response | Upgrade | bool:
        if asks_for_websocket(request):
            return await self._answer_upgrade(request, held)
        answer = await self._ask_handler(request)
        if isinstance(answer, StreamingResponse):
            return await self._stream_body(answer)
        return answer

    async def _ask_handler(self, request: Request) -> Response:
        """Ask the handler, until its client has gone or the server stops.

        Raises `trio.BrokenResourceError` if the client has gone.
        """
        watch = self._watch
        with watch:
            if request.body.is_empty:
                watch.look()
            return await self._call(self._site.answer, request)
        if watch.is_gone:
            raise trio.BrokenResourceError("the client has gone")
        stopping = HttpError(503, "the server is stopping", retry_after(1))
        return self._site.render_error(request, stopping)

    async def _stream_body(self, response: StreamingResponse) -> bool:
        """Send an answer while it is produced; return whether another request may follow."""
        watch = self._watch
        await self._writer.begin(response)
        if self._reader.method == "HEAD":
            return await self._writer.finish()
        has_crashed = True
        with self._site.crash_barrier:
            with watch:
                await self._produce(response)
            has_crashed = False
        if has_crashed or watch.is_gone:
            return False
        return await self._writer.finish()

    async def _produce(self, response: StreamingResponse) -> None:
        """Let the handler push the body; a task drains what waits, while something does."""
        body = BodyStream(self._stream, self._reader.parser, self._watch)
        async with trio.open_nursery() as nursery:
            with self._stream.pushes_in(nursery):
                self._watch.look()
                await response.produce(body)
                await body.wait_sent()

    async def _call(
        self, handler: Callable[[Request], Awaitable[Answer]], request: Request
    ) -> Answer | Response:
        """Ask a handler; named errors and crashes become answers."""
        with self._site.crash_barrier:
            return await ask(handler, request)
        return self._site.render_error(request, HttpError(500, "internal error"))

    # -- Upgrades --------------------------------------------------------------

    async def _answer_upgrade(self, request: Request, held: str | None) -> Response | Upgrade:
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
        return Upgrade(key, admitted, self._reader.early, held, arrived)


def _malformed(error: h11.RemoteProtocolError) -> HttpError:
    if error.error_status_hint == 431:
        return HttpError(431, "request head too large")
    return HttpError(400, "malformed request")
