"""The ports, and how their connections are authenticated, limited and counted."""

from collections.abc import Awaitable, Sequence
from functools import partial

from presence.config import Config
from presence.core.types import ServerId
from presence.frontends.authentication import Authentication
from presence.frontends.client_connection import ConnectParams
from presence.frontends.gateways import Gateway, Gateways
from presence.frontends.matrix.client_api import Sign
from presence.frontends.matrix.errors import render_matrix_error
from presence.frontends.together.gateway import TogetherGateway
from presence.frontends.user_limit import UserLimit
from presence.frontends.voiceping.gateway import VoicePingGateway
from presence.frontends.voiceping.line_listener import LineListener, LineSettings
from presence.frontends.voiceping.line_socket import LineSocket
from presence.frontends.voiceping.session import SessionPlan
from presence.listeners import Listeners, ListeningPort
from presence.live.claims import Claims, Verify
from presence.live.service import PresenceService
from presence.metrics import Count, Counters
from presence.transport.admission import RequestRates
from presence.transport.context import ServerContext
from presence.transport.faults import Refusal
from presence.transport.http.cors import OriginRules
from presence.transport.http.router import Router
from presence.transport.http_listener import HttpListener
from presence.transport.sockets.fd_table import FdTable
from presence.wiring.reports import count_fault, count_requests, log_request_crash
from presence.wiring.routes import build_routes
from presence.wiring.tokens import IssueToken


def build_listeners(
    config: Config,
    service: PresenceService,
    counters: Counters,
    verify: Verify,
    issue: IssueToken | None,
    sign: Sign,
    development_servers: tuple[ServerId, ...] | None = None,
) -> Listeners:
    """The ports, and all that is answered there. *issue* is None outside development mode.

    Development users claim the *development_servers*, where given.
    """
    authentication = Authentication(
        verify,
        service.is_revoked,
        RequestRates(config.max_requests_per_second, 2 * config.max_requests_per_second),
        service.now,
        is_development=config.is_development,
        on_refused=lambda reason: counters.add(Count.TOKENS_REFUSED, reason),
        development_servers=development_servers,
    )
    user_limit = UserLimit(
        config.max_connections_per_user,
        config.max_devices_per_user,
        service.devices_of,
        lambda: count_fault(counters, Refusal.USER_LIMIT),
    )
    max_frames, times, fd_table = config.max_frames_per_second, config.times, FdTable()
    voiceping = SessionPlan(service, counters, max_frames, config.single_login, fd_table)
    gateways: Sequence[Gateway] = (
        TogetherGateway(service, counters, times, max_frames, fd_table),
        VoicePingGateway(voiceping, times),
    )
    router = Router(
        build_routes(config, service, authentication, counters, user_limit, fd_table, issue, sign),
        OriginRules(config.origins, config.is_development),
        authentication.count_refused,
        {"_matrix": render_matrix_error},
    )
    context = ServerContext(
        answer=count_requests(router.answer, counters),
        sockets=Gateways(service, authentication, user_limit, gateways),
        on_crash=log_request_crash,
        count=partial(count_fault, counters),
        count_refused=authentication.count_refused,
        render_error=router.render_error,
        limits=config.limits,
    )
    http = ListeningPort("http", config.host, config.port, partial(HttpListener, context))
    if not isinstance(config.pipe_port, int):
        return Listeners(http)
    lines = LineSettings(authentication, user_limit, times, partial(_serve_lines, voiceping))
    make_pipe = partial(LineListener, context, lines)
    return Listeners(http, ListeningPort("pipe", config.host, config.pipe_port, make_pipe))


def _serve_lines(voiceping: SessionPlan, claims: Claims, pipe: LineSocket) -> Awaitable[object]:
    # The kernel notices silence: a pipe has no pings of ours.
    params = ConnectParams(device=claims.device)
    return voiceping.session(pipe, claims, params, voiceping.lines, None).run()
