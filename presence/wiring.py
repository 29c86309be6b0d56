"""Puts the parts of one server together, as the settings say."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from importlib.metadata import version

import attrs

from actors import Broadcaster, Timer
from presence.adapters.secret_key import Secret
from presence.adapters.tokens import issue_token
from presence.config import Config
from presence.core.memberships import Memberships
from presence.core.restore import Incarnation
from presence.core.types import ServerId
from presence.core.versions import Versions
from presence.dialects.together.rest import DevToken
from presence.frontends.admin.administration import AdministrationRest
from presence.frontends.admin.operations import Operations
from presence.frontends.authentication import Authentication
from presence.frontends.gateways import Gateway, Gateways
from presence.frontends.socket_times import SocketTimes
from presence.frontends.together.gateway import PATH as TOGETHER_PATH
from presence.frontends.together.gateway import TogetherGateway
from presence.frontends.together.routes import TogetherRest
from presence.frontends.user_limit import UserLimit
from presence.frontends.voiceping.gateway import PATH_END as VOICEPING_PATH
from presence.frontends.voiceping.gateway import VoicePingGateway
from presence.frontends.voiceping.routes import VoicePingRest
from presence.frontends.voiceping.session import SessionPlan
from presence.live.administration import Administration
from presence.live.claims import Verify
from presence.live.clock import Clock
from presence.live.connections import ConnectionRegistry
from presence.live.fanout import Fanout
from presence.live.node import Node
from presence.live.persistence.writer import Writer
from presence.live.ports import StartupState
from presence.live.subscriber import Announcement
from presence.live.views.public_views import PublicViews
from presence.log import LogEvent, get_log
from presence.metrics import Count, Counters
from presence.openapi import openapi_document
from presence.transport.admission import RequestRates
from presence.transport.context import ServerContext
from presence.transport.faults import Fault, Refusal
from presence.transport.http.cors import OriginRules
from presence.transport.http.request import (
    Request,
    Response,
)
from presence.transport.http.router import Route, Router
from presence.transport.limits import NetLimits
from presence.transport.sockets.fd_table import FdTable
from presence.transport.websocket.upgrade import require_upgrade

DEVELOPMENT_TTL = 24 * 3600.0


def build_node(
    config: Config, clock: Clock, startup: StartupState, versions: Versions, writer: Writer
) -> Node:
    """The tables and services that the actors share, filled from the store."""
    memberships = Memberships(
        startup.servers, startup.memberships, has_everyone=config.everyone_server
    )
    public_views = PublicViews(
        writer,
        memberships,
        announced_count=startup.announced_count,
        large_threshold=config.large_threshold,
    )
    for view in startup.leased.values():
        if view.is_visible:
            public_views.put(view, is_first=False)
    connections = ConnectionRegistry()
    broadcaster: Broadcaster[ServerId, Announcement] = Broadcaster(
        _log_dropped, merge=Announcement.merged_with
    )
    return Node(
        clock=clock,
        incarnation=Incarnation(
            versions=versions,
            rules=config.rules,
            settled_epoch=startup.settled_epoch,
            restart_grace_ends_at=clock.now().mono + config.restart_grace_after,
        ),
        memberships=memberships,
        public_views=public_views,
        connections=connections,
        fanout=Fanout(broadcaster, connections, versions),
        writer=writer,
        timer=Timer(),
        revocations={each.user_id: each for each in startup.revocations},
        hides_unknown_users=startup.was_moved_aside,
    )


@attrs.frozen
class HttpSettings:
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
class Frontends:
    """The site of the HTTP port, and what another door needs to let the same users in."""

    site: ServerContext
    authentication: Authentication
    user_limit: UserLimit
    voiceping: SessionPlan


def build_frontends(node: Node, plan: HttpSettings, counters: Counters) -> Frontends:
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
        node.incarnation.rules.max_devices_per_user,
        node.connections.devices_of,
        lambda: count_fault(counters, Refusal.USER_LIMIT),
    )
    max_frames = plan.limits.max_frames_per_second
    fd_table = FdTable()
    voiceping = SessionPlan(node, counters, max_frames, plan.single_login, fd_table)
    gateways: Sequence[Gateway] = (
        TogetherGateway(node, counters, plan.times, max_frames, fd_table),
        VoicePingGateway(voiceping, plan.times),
    )
    origins = OriginRules(plan.limits.origins, plan.limits.is_development)
    count_refused = authentication.count_refused
    router = Router(build_routes(node, plan, authentication, counters), origins, count_refused)

    async def answer(request: Request) -> Response:
        response = await router.answer(request)
        counters.add(Count.REQUESTS, str(response.status))
        return response

    site = ServerContext(
        answer=answer,
        sockets=Gateways(node, authentication, user_limit, gateways),
        on_crash=plan.on_crash,
        count=partial(count_fault, counters),
        count_refused=count_refused,
        render_error=router.render_error,
        limits=plan.limits,
    )
    return Frontends(site, authentication, user_limit, voiceping)


def count_fault(counters: Counters, fault: Fault) -> None:
    """Count a refusal and the end of an open connection in different metrics."""
    is_refusal = isinstance(fault, Refusal)
    count = Count.CONNECTIONS_REFUSED if is_refusal else Count.CONNECTIONS_CUT
    counters.add(count, fault.value)


def build_routes(
    node: Node, plan: HttpSettings, authentication: Authentication, counters: Counters
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


def http_settings_of(
    config: Config,
    verify: Verify,
    secret: Secret,
    clock: Clock,
    on_crash: Callable[[BaseException], None],
) -> HttpSettings:
    """What the one port is to answer, and with which limits."""
    return HttpSettings(
        limits=config.limits,
        times=config.times,
        max_connections_per_user=config.max_connections_per_user,
        max_requests_per_second=config.max_requests_per_second,
        verify=verify,
        issue_token=_issuer(secret, clock) if config.is_development else None,
        openapi=openapi_document(version("presence-server")),
        on_crash=on_crash,
        single_login=config.single_login,
    )


def _log_dropped(key: Hashable, announcement: Announcement) -> None:
    get_log().error(LogEvent.UPDATE_DROPPED, key=str(key), version=announcement.version)


def _issuer(secret: Secret, clock: Clock) -> Callable[[DevToken], str]:
    def issue(wanted: DevToken) -> str:
        return issue_token(
            secret.key,
            wanted.user,
            now=clock.now().wall,
            ttl=DEVELOPMENT_TTL,
            servers=wanted.servers,
        )

    return issue
