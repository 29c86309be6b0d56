"""The draft's operations over REST, and its event stream, as a stream and as a poll."""

import math
from collections.abc import Awaitable, Callable, Sequence

import orjson

from presence.core.events import REST_DEVICE
from presence.core.ids import parse_device_id, parse_user_id
from presence.core.types import DeviceId, PublicView, SelfView, UserId
from presence.core.user.patch import PresencePatch
from presence.dialects.framing import Framing
from presence.dialects.matrix import outbound, rest
from presence.dialects.matrix.encoder import DraftRenderer, MatrixEncoder, StreamRenderer
from presence.dialects.matrix.inbound import EventsQuery, parse_events
from presence.dialects.matrix.positions import parse_position, parse_version
from presence.errors import InvalidInput
from presence.frontends.authentication import Authentication
from presence.frontends.client_connection import ConnectParams
from presence.frontends.event_streams import EventStreams, StreamLanes
from presence.frontends.matrix.draft_stream import DraftStream
from presence.frontends.matrix.last_active import LastActive
from presence.frontends.matrix.poll import PollLane
from presence.frontends.matrix.polling import Polling
from presence.frontends.user_limit import UserLimit
from presence.live.claims import Claims
from presence.live.service import Applied, Limited, NoRoom, PresenceService, Unattached
from presence.metrics import ConnectionKind, Counters
from presence.transport.http.request import (
    JSON,
    Headers,
    HttpError,
    Request,
    Response,
    retry_after,
)
from presence.transport.http.router import Route
from presence.transport.http.streaming import BodyStream
from presence.transport.sockets.fd_table import FdTable

Persisted = Callable[[int], Awaitable[Headers]]


class MatrixDraft:
    """Sets states of devices, statuses and the flag, and streams events."""

    def __init__(
        self,
        service: PresenceService,
        authentication: Authentication,
        counters: Counters,
        user_limit: UserLimit,
        fd_table: FdTable,
        persisted: Persisted,
        ping_every: float,
    ) -> None:
        self._service = service
        self._authentication = authentication
        self._persisted = persisted
        self._ping_every = ping_every
        self._last_active = LastActive(service)
        ago = self._last_active.of

        def latest_version() -> int:
            return service.latest_version

        def stream_encoder(framing: Framing) -> MatrixEncoder[StreamRenderer]:
            return MatrixEncoder(StreamRenderer(ago, latest_version, framing))

        self._streams = EventStreams(service, counters, user_limit, ConnectionKind.EVENT_STREAM)
        self._stream_lanes = StreamLanes(stream_encoder, fd_table)
        poll_lane = PollLane(MatrixEncoder(DraftRenderer(ago, latest_version)))
        self._polling = Polling(service, user_limit, poll_lane, _own_event)

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/presence/{user}", self.get_user),
            Route("PUT", "/presence/{user}/status", self.put_status),
            Route("PUT", "/presence/{user}/appear_offline", self.put_appear_offline),
            Route("PUT", "/presence/{user}/devices/{device}", self.put_device),
            Route("DELETE", "/presence/{user}/devices/{device}", self.delete_device),
            Route("GET", "/events", self.get_events),
        ]

    # -- operations --------------------------------------------------------------------------

    async def put_status(self, request: Request) -> Response:
        claims = await self._owner(request)
        return await self._change(claims, rest.parse_status_put(await request.body.read()))

    async def put_appear_offline(self, request: Request) -> Response:
        claims = await self._owner(request)
        return await self._change(claims, rest.parse_appear_offline_put(await request.body.read()))

    async def put_device(self, request: Request) -> Response:
        claims = await self._owner(request)
        device = self._device_of(request, claims)
        change = rest.parse_device_put(await request.body.read())
        return await self._change(claims, change, device)

    async def delete_device(self, request: Request) -> Response:
        claims = await self._owner(request)
        device = self._device_of(request, claims)
        ticket = await self._service.remove_device(claims.user_id, device)
        return Response(204, headers=await self._persisted(ticket))

    async def get_user(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        user_id = _user_of(request)
        views = [] if user_id is None else await self._service.views(claims, [user_id])
        is_own = user_id == claims.user_id
        if user_id is None or not (views or is_own):
            raise HttpError(404, "not found")
        view = views[0] if views else PublicView(user_id, user_id)
        public = outbound.draft_object(view, self._last_active.of(view))
        if not (is_own or claims.is_admin):
            return Response(200, orjson.dumps(public), JSON)
        own = await self._service.look(user_id)
        return Response(200, outbound.draft_self_json(own.self_view, own.devices, public), JSON)

    async def _owner(self, request: Request) -> Claims:
        """The claims to act by: the caller's own, or those of the user that an admin names.

        Raises 403 for another user's presence, and 404 where an administrator
        names a user that does not exist: only its own token creates a user.
        """
        claims = self._authentication.of_request(request)
        user_id = _user_of(request)
        if user_id == claims.user_id:
            return claims
        if not claims.is_admin:
            raise HttpError(403, "only one's own presence can be changed")
        if user_id is None or not await self._service.views(claims, [user_id]):
            raise HttpError(404, "not found")
        return Claims(user_id, expires_at=math.inf, issued_at=self._service.now().wall)

    def _device_of(self, request: Request, claims: Claims) -> DeviceId:
        """The device in the path; a token that names one is good for that device only."""
        device = parse_device_id(request.parameters["device"])
        if claims.device not in (None, device):
            raise HttpError(403, "the token is for another device")
        return device

    async def _change(
        self, claims: Claims, change: PresencePatch, device: DeviceId = REST_DEVICE
    ) -> Response:
        match await self._service.change(claims, change, device):
            case Limited(seconds):
                raise HttpError(429, "too many changes of presence", retry_after(seconds))
            case NoRoom():
                raise HttpError(429, "too many devices", retry_after(10))
            case Applied(ticket=ticket):
                return Response(204, headers=await self._persisted(ticket))
            case Unattached():
                raise HttpError(409, "no device of the user is attached")

    # -- the event stream --------------------------------------------------------------------

    async def get_events(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        query = parse_events(request.query, request.headers)
        params = ConnectParams(claims.device or query.device, query.state)
        if query.timeout is not None:
            return await self._poll(claims, params, query, query.timeout)
        return await self._stream(claims, params, query)

    async def _poll(
        self, claims: Claims, params: ConnectParams, query: EventsQuery, timeout: float
    ) -> Response:
        answer = await self._polling.poll(claims, params, parse_position(query.since), timeout)
        events = answer.events if answer.own is None else [answer.own, *answer.events]
        body = outbound.draft_poll_json(
            str(answer.position), events, is_snapshot=answer.is_snapshot
        )
        return Response(200, body, JSON)

    async def _stream(self, claims: Claims, params: ConnectParams, query: EventsQuery) -> Response:
        since = parse_version(query.since)
        gone = await self._gone_since(claims.user_id, since)

        def open_stream(body: BodyStream) -> DraftStream:
            return DraftStream(
                self._service,
                claims,
                params,
                self._stream_lanes.lane_of(body),
                body,
                self._ping_every,
                since=since,
                gone=gone,
            )

        return self._streams.admit(claims, params, open_stream)

    async def _gone_since(self, user_id: UserId, since: int | None) -> Sequence[PublicView]:
        """Users that are offline, for a client whose position is too old for single changes."""
        if since is None or since > self._service.latest_version:
            return ()
        if self._service.remembered_changes(user_id, since) is not None:
            return ()
        return await self._service.offline_since(user_id, since)


def _own_event(view: SelfView) -> bytes:
    return orjson.dumps(outbound.draft_self_object(view))


def _user_of(request: Request) -> UserId | None:
    """The user in the path; None for what cannot be an id, which is answered like a stranger."""
    try:
        return parse_user_id(request.parameters["user"])
    except InvalidInput:
        return None
