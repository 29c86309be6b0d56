"""`GET /users/@me/events`: what the gateway sends, over plain HTTP."""

from presence.dialects.framing import Framing
from presence.dialects.server_sent_events import DATA_LINES
from presence.dialects.together.encoder import TogetherEncoder
from presence.frontends.authentication import Authentication
from presence.frontends.event_streams import EventStreams, StreamLanes
from presence.frontends.together.frame_stream import FrameStream
from presence.frontends.together.gateway import parse_connect_params
from presence.frontends.user_limit import UserLimit
from presence.live.service import PresenceService
from presence.metrics import ConnectionKind, Counters
from presence.transport.http.request import Request, Response
from presence.transport.http.router import Route
from presence.transport.http.streaming import BodyStream
from presence.transport.sockets.fd_table import FdTable


class TogetherEvents:
    """Lets users in that cannot open a WebSocket; the parameters are those of `/ws`."""

    def __init__(
        self,
        service: PresenceService,
        authentication: Authentication,
        counters: Counters,
        user_limit: UserLimit,
        fd_table: FdTable,
        ping_every: float,
    ) -> None:
        self._service = service
        self._authentication = authentication
        self._ping_every = ping_every
        self._streams = EventStreams(service, counters, user_limit, ConnectionKind.TOGETHER_EVENTS)
        self._lanes = StreamLanes(_make_encoder, fd_table)

    def routes(self) -> list[Route]:
        return [Route("GET", "/users/@me/events", self.get_events)]

    async def get_events(self, request: Request) -> Response:
        # A page's `EventSource` can send no header.
        claims = self._authentication.of_request(request, request.query.get("token"))
        params = parse_connect_params(request.query, claims)

        def open_stream(body: BodyStream) -> FrameStream:
            lane = self._lanes.lane_of(body)
            return FrameStream(self._service, claims, params, lane, body, self._ping_every)

        return self._streams.admit(claims, params, open_stream)


def _make_encoder(framing: Framing) -> TogetherEncoder:
    return TogetherEncoder(DATA_LINES.within(framing))
