"""The client-server API, as far as Matrix clients need it for presence."""

import secrets
from collections.abc import Callable, Collection
from typing import Any, Final

from presence.core.types import DeviceId, SelfView, UserId
from presence.dialects.matrix import inbound, outbound
from presence.dialects.matrix.encoder import MatrixEncoder, SyncRenderer
from presence.dialects.matrix.ids import matrix_user_id, parse_login_user, parse_matrix_user_id
from presence.dialects.matrix.positions import parse_position
from presence.errors import InvalidInput, TokenRefused
from presence.frontends.authentication import Authentication
from presence.frontends.client_connection import ConnectParams
from presence.frontends.matrix.errors import render_matrix_error
from presence.frontends.matrix.last_active import LastActive
from presence.frontends.matrix.poll import PollLane
from presence.frontends.matrix.polling import Polling
from presence.frontends.user_limit import UserLimit
from presence.live.claims import Claims
from presence.live.service import Applied, Limited, NoRoom, PresenceService, Unattached
from presence.transport.http.request import (
    JSON,
    Handler,
    HttpError,
    Request,
    Response,
    json_response,
    retry_after,
)
from presence.transport.http.router import Route

PREFIX: Final = "/_matrix/client"
VERSIONS: Final = ("r0.6.1", "v1.1", "v1.5", "v1.11")
DEFAULT_DEVICE: Final = DeviceId("matrix")
"""The device of a token that names none."""
MOST_BUSY_DEVICES: Final = 100_000
FORBIDDEN: Final = "you may not see or change the presence of this user"


Sign = Callable[[Claims, DeviceId], str]
"""Makes the access token for a user and its device."""


class BusyDevices:
    """The devices whose clients know the presence `busy`, because they have used it.

    Only the *most* latest are remembered; a client that is forgotten sees `unavailable`.
    """

    def __init__(self, most: int = MOST_BUSY_DEVICES) -> None:
        self._most = most
        self._latest: dict[tuple[UserId, DeviceId], None] = {}

    def note(self, user_id: UserId, device: DeviceId) -> None:
        self._latest.pop((user_id, device), None)
        self._latest[user_id, device] = None
        if len(self._latest) > self._most:
            del self._latest[next(iter(self._latest))]

    def has(self, user_id: UserId, device: DeviceId) -> bool:
        return (user_id, device) in self._latest


class MatrixClientApi:
    """Logs clients in, takes their presence, and tells them of others."""

    def __init__(
        self,
        service: PresenceService,
        authentication: Authentication,
        user_limit: UserLimit,
        sign: Sign,
        server_name: str,
        *,
        is_development: bool,
    ) -> None:
        self._service = service
        self._authentication = authentication
        self._sign = sign
        self._server_name = server_name
        self._is_development = is_development
        self._last_active = LastActive(service)
        self._busy_devices = BusyDevices()

        def polling(*, knows_busy: bool) -> Polling[SyncRenderer]:
            ago = self._last_active.of
            renderer = SyncRenderer(server_name, ago, knows_busy=knows_busy)

            def own_event(view: SelfView) -> bytes:
                return outbound.self_event(view, server_name, knows_busy=knows_busy)

            lane = PollLane(MatrixEncoder(renderer))
            return Polling(service, user_limit, lane, own_event)

        self._polling = {each: polling(knows_busy=each) for each in (False, True)}

    def routes(self) -> list[Route]:
        handlers: list[tuple[str, str, Handler]] = [
            ("GET", "/versions", self.get_versions),
            ("GET", "/v3/login", self.get_login),
            ("POST", "/v3/login", self.login),
            ("GET", "/v3/account/whoami", self.whoami),
            ("GET", "/v3/sync", self.sync),
            ("GET", "/v3/presence/{user}/status", self.get_presence),
            ("PUT", "/v3/presence/{user}/status", self.put_presence),
            ("GET", "/v3/pushrules", self.get_push_rules),
            ("GET", "/v3/pushrules/", self.get_push_rules),
            ("POST", "/v3/user/{user}/filter", self.post_filter),
            ("GET", "/v3/user/{user}/filter/{filter}", self.get_filter),
        ]
        return [
            Route(
                method,
                PREFIX + pattern,
                handle,
                is_public=True,
                render_error=render_matrix_error,
            )
            for method, pattern, handle in handlers
        ]

    # -- without a user ----------------------------------------------------------------------

    async def get_versions(self, request: Request) -> Response:
        features = {outbound.UNSTABLE_BUSY + "_presence": True}
        return json_response(200, {"versions": VERSIONS, "unstable_features": features})

    async def get_login(self, request: Request) -> Response:
        return json_response(200, {"flows": [{"type": kind} for kind in self._flows]})

    @property
    def _flows(self) -> Collection[str]:
        passwords = (inbound.PASSWORD_LOGIN,) if self._is_development else ()
        return (inbound.TOKEN_LOGIN, *passwords)

    async def login(self, request: Request) -> Response:
        """Exchange a token of ours, or in development mode a user's name, for an access token."""
        self._authentication.count_refused(request.peer)  # a guess costs as much as a hit
        login = inbound.parse_login(await request.body.read())
        claims = self._claims_of(login)
        device = login.device or claims.device or DeviceId(secrets.token_hex(5).upper())
        if claims.device is not None and device != claims.device:
            raise HttpError(403, "the token is for another device")
        return json_response(
            200,
            {
                "user_id": matrix_user_id(claims.user_id, self._server_name),
                "device_id": device,
                "access_token": self._sign(claims, device),
                "home_server": self._server_name,
            },
        )

    def _claims_of(self, login: inbound.Login) -> Claims:
        if login.kind not in self._flows:
            raise InvalidInput("type", f"must be one of {', '.join(self._flows)}")
        try:
            if login.kind == inbound.TOKEN_LOGIN:
                if login.token is None:
                    raise InvalidInput("token", "is missing")
                return self._authentication.of_token(login.token)
            if login.user is None:
                raise InvalidInput("user", "is missing")
            user_id = parse_login_user(login.user, self._server_name)
            return self._authentication.of_named_user(user_id)
        except TokenRefused as refusal:
            raise HttpError(403, str(refusal)) from refusal

    # -- the user itself ---------------------------------------------------------------------

    def _user_of(self, request: Request) -> tuple[Claims, DeviceId]:
        """The user of the access token, in the header or, as older clients do, in the query."""
        claims = self._authentication.of_request(request, request.query.get("access_token"))
        return claims, claims.device or DEFAULT_DEVICE

    def _own(self, request: Request) -> tuple[Claims, DeviceId]:
        """As `_user_of`; raises 403 where the path names another user."""
        claims, device = self._user_of(request)
        if self._named_user(request) != claims.user_id:
            raise HttpError(403, FORBIDDEN)
        return claims, device

    def _named_user(self, request: Request) -> UserId | None:
        """The user in the path; None for what cannot be one, which is answered like a stranger."""
        try:
            return parse_matrix_user_id(request.parameters["user"], self._server_name)
        except InvalidInput:
            return None

    async def whoami(self, request: Request) -> Response:
        claims, device = self._user_of(request)
        user_id = matrix_user_id(claims.user_id, self._server_name)
        return json_response(200, {"user_id": user_id, "device_id": device, "is_guest": False})

    async def put_presence(self, request: Request) -> Response:
        claims, device = self._own(request)
        knows_busy = self._busy_devices.has(claims.user_id, device)
        put = inbound.parse_presence_put(await request.body.read(), knows_busy=knows_busy)
        match await self._service.change(claims, put.change, device):
            case Limited(seconds):
                raise HttpError(429, "too many changes of presence", retry_after(seconds))
            case NoRoom():
                raise HttpError(429, "too many devices", retry_after(10))
            case Applied() | Unattached():  # never unattached: a state makes a lease
                if put.is_busy:
                    self._busy_devices.note(claims.user_id, device)
                return json_response(200, {})

    async def get_presence(self, request: Request) -> Response:
        claims, device = self._user_of(request)
        user_id = self._named_user(request)
        knows_busy = self._busy_devices.has(claims.user_id, device)
        if user_id == claims.user_id:
            own = (await self._service.look(user_id)).self_view
            content = outbound.presence_content(
                own.status, own.custom_status, None, knows_busy=knows_busy
            )
            return json_response(200, content)
        views = [] if user_id is None else await self._service.views(claims, [user_id])
        if not views:
            raise HttpError(403, FORBIDDEN)
        [view] = views
        ago = self._last_active.of(view)
        content = outbound.presence_content(
            view.status, view.custom_status, ago, knows_busy=knows_busy
        )
        return json_response(200, content)

    # -- syncing -----------------------------------------------------------------------------

    async def sync(self, request: Request) -> Response:
        claims, device = self._user_of(request)
        query = inbound.parse_sync(request.query)
        if query.is_busy:
            self._busy_devices.note(claims.user_id, device)
        params = ConnectParams(device, query.state)
        polling = self._polling[self._busy_devices.has(claims.user_id, device)]
        answer = await polling.poll(claims, params, parse_position(query.since), query.timeout)
        events = answer.events if answer.own is None else [answer.own, *answer.events]
        body = outbound.sync_json(str(answer.position), events if query.wants_presence else ())
        return Response(200, body, JSON)

    async def get_push_rules(self, request: Request) -> Response:
        self._user_of(request)
        return json_response(200, {"global": {}})

    async def post_filter(self, request: Request) -> Response:
        self._own(request)
        return json_response(200, {"filter_id": inbound.parse_filter(await request.body.read())})

    async def get_filter(self, request: Request) -> Response:
        self._own(request)
        wants_presence = inbound.FILTERS.get(request.parameters["filter"])
        if wants_presence is None:
            raise HttpError(404, "the filter is not known")
        without: dict[str, Any] = {"presence": {"not_types": ["m.presence"]}}
        found = {} if wants_presence else without
        return json_response(200, found)
