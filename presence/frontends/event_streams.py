"""Lets event streams in: the limits before the answer, and the lanes of one kind of stream."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from presence.dialects.framing import Framing
from presence.frontends.client_connection import ConnectParams
from presence.frontends.event_stream import EventStream
from presence.frontends.lane import SocketLane
from presence.frontends.user_limit import UserLimit
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.live.subscriber import Encoder
from presence.metrics import ConnectionKind, Count, Counters
from presence.transport.http.request import Headers, HttpError, retry_after
from presence.transport.http.streaming import (
    CHUNK_TAIL,
    BodyStream,
    StreamingResponse,
    chunk_head,
)
from presence.transport.sockets.fd_table import FdTable

EVENT_STREAM: Headers = (("content-type", "text/event-stream"), ("x-accel-buffering", "no"))
"""The second one keeps nginx from holding events back."""

CHUNKS: Final = Framing(chunk_head, CHUNK_TAIL)
UNFRAMED: Final = Framing(lambda size: b"")

E = TypeVar("E", bound=Encoder)


class StreamLanes(Generic[E]):
    """Two lanes of streams with the same events: over HTTP/1.1 these are chunks."""

    def __init__(self, make_encoder: Callable[[Framing], E], fd_table: FdTable) -> None:
        self._chunked = SocketLane(make_encoder(CHUNKS), fd_table)
        self._plain = SocketLane(make_encoder(UNFRAMED), fd_table)

    def lane_of(self, body: BodyStream) -> SocketLane[E]:
        return self._chunked if body.is_chunked else self._plain


class EventStreams:
    """Admits the streams of one kind, as gateways admit WebSockets."""

    def __init__(
        self,
        service: PresenceService,
        counters: Counters,
        user_limit: UserLimit,
        kind: ConnectionKind,
    ) -> None:
        self._service = service
        self._counters = counters
        self._user_limit = user_limit
        self._kind = kind

    def admit(
        self,
        claims: Claims,
        params: ConnectParams,
        open_stream: Callable[[BodyStream], EventStream],
    ) -> StreamingResponse:
        """The answer that runs the stream of *open_stream*; raises 503 or 429."""
        if self._service.is_draining:
            raise HttpError(503, "the server is stopping", retry_after(1))
        problem = self._user_limit.refusal(claims.user_id, params.device)
        if problem is not None:
            raise HttpError(429, problem, retry_after(10))

        async def produce(body: BodyStream) -> None:
            # Again: others may have come while the head was sent. No await before it registers.
            if self._user_limit.refusal(claims.user_id, params.device) is None:
                self._counters.add(Count.CONNECTIONS, self._kind)
                await open_stream(body).run()

        return StreamingResponse(200, headers=EVENT_STREAM, produce=produce)
