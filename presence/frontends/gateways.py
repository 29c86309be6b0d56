"""Upgrades to WebSockets: the gateway of each protocol, and the checks before a session."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from presence.frontends.authentication import Authentication
from presence.frontends.client_connection import ConnectParams
from presence.frontends.socket_session import SocketSession
from presence.frontends.user_limit import UserLimit
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.transport.http.request import (
    Request,
    Response,
    error_response,
    retry_after,
)
from presence.transport.websocket.connection import WebSocket
from presence.transport.websocket.upgrade import Admitted


class Gateway(Protocol):
    """How one dialect reads an upgrade, and makes the session of an admitted client."""

    def takes(self, request: Request) -> bool:
        """Whether the upgrade is for this dialect."""

    def token_of(self, request: Request) -> str | None:
        """The token, if it is anywhere but in the Authorization header."""

    def subprotocol_of(self, request: Request) -> str | None:
        """The subprotocol to answer, one of those offered."""

    def connect_params_of(self, request: Request, claims: Claims) -> ConnectParams:
        """The other parameters of the upgrade; raises `InvalidInput`."""

    def open_session(
        self, socket: WebSocket, claims: Claims, params: ConnectParams, subprotocol: str | None
    ) -> SocketSession:
        """The session on *socket*, of which *subprotocol* was answered; not yet running."""


class Gateways:
    """Admits WebSockets of all dialects, by the first gateway that takes the upgrade."""

    def __init__(
        self,
        service: PresenceService,
        authentication: Authentication,
        user_limit: UserLimit,
        gateways: Sequence[Gateway],
    ) -> None:
        self._service = service
        self._authentication = authentication
        self._user_limit = user_limit
        self._gateways = gateways

    async def admit(self, request: Request) -> Response | Admitted:
        """Answer 404, 503 or 429, or admit; raises the `HttpError` or `InvalidInput` to answer."""
        gateway = next((each for each in self._gateways if each.takes(request)), None)
        if gateway is None:
            return error_response(404, "not found")
        if self._service.is_draining:
            return error_response(503, "the server is stopping", retry_after(1))
        claims = self._authentication.claims_of(request, gateway.token_of(request))
        params = gateway.connect_params_of(request, claims)
        # No await from here to the first step of the session, which registers the connection.
        problem = self._user_limit.refusal(claims.user_id, params.device)
        if problem is not None:
            return error_response(429, problem, retry_after(10))
        chosen = gateway.subprotocol_of(request)

        def serve(socket: WebSocket) -> Awaitable[object]:
            return gateway.open_session(socket, claims, params, chosen).run()

        return Admitted(chosen, serve)
