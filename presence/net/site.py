"""What the one port answers: all addresses, put together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import attrs

from presence.dialects.together.rest_in import DevToken
from presence.errors import Refused
from presence.live.administration import Administration
from presence.live.claims import Claims, Verify
from presence.live.node import Node
from presence.log import Count, Counters
from presence.net.admission import RequestRates, UserLimit
from presence.net.authentication import Authentication
from presence.net.gateway_together import PATH as TOGETHER_PATH
from presence.net.gateway_together import TogetherGateway
from presence.net.http import Site
from presence.net.limits import NetLimits
from presence.net.origin import OriginRules
from presence.net.request import HttpError, Request, Response, error_response, retry_after
from presence.net.rest.administration import AdministrationRest
from presence.net.rest.operations import Operations
from presence.net.rest.together import TogetherRest
from presence.net.rest.voiceping import VoicePingRest
from presence.net.router import Route, Router
from presence.net.session import Session, SocketTimes, Wishes
from presence.net.upgrade import Admitted, require_upgrade
from presence.net.voiceping.gateway import PATH_END as VOICEPING_PATH
from presence.net.voiceping.gateway import VoicePingGateway
from presence.net.voiceping.session import SessionPlan
from presence.net.websocket import WebSocket
from presence.net.wire.seats import Seats

TOO_MANY = "too many connections of this user"


@attrs.frozen
class SitePlan:
    """What the operator wants of the port. *issue_token* is None outside development mode."""

    limits: NetLimits
    times: SocketTimes
    max_connections_per_user: int
    max_requests_per_second: int
    verify: Verify
    issue_token: Callable[[DevToken], str] | None
    openapi: Mapping[str, object]
    on_crash: Callable[[BaseException], None]
    single_login: bool = False


@attrs.frozen
class Doors:
    """The site of the HTTP port, and what another door needs to let the same users in."""

    site: Site
    authentication: Authentication
    user_limit: UserLimit
    voiceping: SessionPlan


def build_doors(node: Node, plan: SitePlan, counters: Counters) -> Doors:
    """The routes of REST, administration and operations, and the gateways."""
    authentication = Authentication(
        plan.verify,
        node.is_revoked,
        RequestRates(plan.max_requests_per_second, 2 * plan.max_requests_per_second),
        node.clock,
        is_development=plan.limits.is_development,
        on_refused=lambda reason: counters.add(Count.TOKENS_REFUSED, reason),
    )
    user_limit = UserLimit(
        plan.max_connections_per_user,
        node.directory.count_of,
        lambda: counters.add(Count.CONNECTIONS_REFUSED, "user_limit"),
    )
    max_frames = plan.limits.max_frames_per_second
    seats = Seats()
    voiceping = SessionPlan(node, counters, max_frames, plan.single_login, seats)
    gateways: Sequence[Gateway] = (
        TogetherGateway(node, counters, plan.times, max_frames, seats),
        VoicePingGateway(voiceping, plan.times),
    )
    origins = OriginRules(plan.limits.origins, plan.limits.is_development)
    count_refused = authentication.count_refused
    router = Router(build_routes(node, plan, authentication, counters), origins, count_refused)

    async def answer(request: Request) -> Response:
        response = await router.answer(request)
        counters.add(Count.REQUESTS, str(response.status))
        return response

    site = Site(
        answer=answer,
        sockets=Gateways(node, authentication, user_limit, gateways),
        on_crash=plan.on_crash,
        count=lambda name: counters.add(Count.CONNECTIONS_REFUSED, name),
        count_refused=count_refused,
        limits=plan.limits,
    )
    return Doors(site, authentication, user_limit, voiceping)


def build_routes(
    node: Node, plan: SitePlan, authentication: Authentication, counters: Counters
) -> list[Route]:
    """Every address that is asked without an upgrade."""
    together = TogetherRest(node, authentication)
    administration = AdministrationRest(Administration(node), authentication, together.persisted)
    operations = Operations(node, authentication, counters.render, plan.openapi, plan.issue_token)
    voiceping = VoicePingRest(node, authentication)
    groups = (together, administration, operations, voiceping)
    return [
        *(route for group in groups for route in group.routes()),
        Route("GET", TOGETHER_PATH, require_upgrade),
        Route("GET", VOICEPING_PATH, require_upgrade),
    ]


class Gateway(Protocol):
    """How one dialect reads an upgrade, and the session that it gives to who is let in."""

    def takes(self, request: Request) -> bool:
        """Whether the upgrade is for this dialect."""

    def token_of(self, request: Request) -> str | None:
        """The token, if it is anywhere but in the Authorization header."""

    def subprotocol_of(self, request: Request) -> str | None:
        """The subprotocol to answer, one of those offered."""

    def wishes_of(self, request: Request, claims: Claims) -> Wishes:
        """What else the upgrade asks for; raises `Refused`."""

    def open_session(
        self, socket: WebSocket, claims: Claims, wishes: Wishes, subprotocol: str | None
    ) -> Session:
        """The session on *socket*, of which *subprotocol* was answered; not yet running."""


class Gateways:
    """The door to all dialects over WebSocket; the first gateway that takes an upgrade has it."""

    def __init__(
        self,
        node: Node,
        authentication: Authentication,
        user_limit: UserLimit,
        gateways: Sequence[Gateway],
    ) -> None:
        self._node = node
        self._authentication = authentication
        self._user_limit = user_limit
        self._gateways = gateways

    async def admit(self, request: Request) -> Response | Admitted:
        """Answer 404, 503, 401, 400 or 429, or admit."""
        gateway = next((each for each in self._gateways if each.takes(request)), None)
        if gateway is None:
            return error_response(404, "not found")
        if self._node.is_draining:
            return error_response(503, "the server is stopping", retry_after(1))
        try:
            claims = self._authentication.claims_of(request, gateway.token_of(request))
            wishes = gateway.wishes_of(request, claims)
        except HttpError as refusal:
            return error_response(refusal.status, refusal.problem, refusal.headers)
        except Refused as refusal:
            return error_response(400, str(refusal))
        # No await from here to the first step of the session, which counts it.
        if self._user_limit.has_enough(claims.user_id):
            return error_response(429, TOO_MANY, retry_after(10))
        chosen = gateway.subprotocol_of(request)

        def serve(socket: WebSocket) -> Awaitable[object]:
            return gateway.open_session(socket, claims, wishes, chosen).run()

        return Admitted(chosen, serve)
