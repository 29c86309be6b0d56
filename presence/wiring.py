"""Puts the parts of one server together, as the settings say: every part is whole when made."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from actors import (
    Broadcaster,
    ChildSpec,
    DynamicSupervisor,
    RestartBudget,
    RestartsExhausted,
    Timer,
)
from presence.adapters.issuer_keys import read_issuer_keys
from presence.adapters.secret_key import open_secret
from presence.adapters.store_memory import MemoryStore
from presence.adapters.store_sqlite.store import SqliteStore
from presence.adapters.tokens import ForeignIssuer, TokenVerifier, issue_token
from presence.app import CrashReport, Server
from presence.config import Config
from presence.core.memberships import Memberships
from presence.core.restore import Incarnation
from presence.core.types import DeviceId, ServerId, UserId
from presence.core.versions import Versions
from presence.demo.cast import SERVERS as DEMO_SERVERS
from presence.demo.running import Demo
from presence.dialects.together.rest import DevToken
from presence.errors import StoreUnavailable
from presence.frontends.admin.administration import AdministrationRest
from presence.frontends.admin.operations import Operations
from presence.frontends.authentication import Authentication
from presence.frontends.client_connection import ConnectParams
from presence.frontends.gateways import Gateway, Gateways
from presence.frontends.matrix.client_api import MatrixClientApi, Sign
from presence.frontends.matrix.draft import MatrixDraft
from presence.frontends.matrix.errors import render_matrix_error
from presence.frontends.together.events import TogetherEvents
from presence.frontends.together.gateway import PATH as TOGETHER_PATH
from presence.frontends.together.gateway import TogetherGateway
from presence.frontends.together.routes import TogetherRest
from presence.frontends.user_limit import UserLimit
from presence.frontends.voiceping.gateway import PATH_END as VOICEPING_PATH
from presence.frontends.voiceping.gateway import VoicePingGateway
from presence.frontends.voiceping.line_listener import LineListener, LineSettings
from presence.frontends.voiceping.line_socket import LineSocket
from presence.frontends.voiceping.routes import VoicePingRest
from presence.frontends.voiceping.session import SessionPlan
from presence.frontends.web.files import WebFiles
from presence.listeners import Listeners, ListeningPort
from presence.live.claims import Claims, Verify
from presence.live.clock import Clock
from presence.live.connections import ConnectionRegistry
from presence.live.fanout import Fanout
from presence.live.messages import Message
from presence.live.node import Node
from presence.live.persistence.writer import Writer
from presence.live.ports import StartupState, Store
from presence.live.service import PresenceService
from presence.live.subscriber import Announcement
from presence.live.user_actor import UserActor
from presence.live.views.public_views import PublicViews
from presence.log import LogEvent, get_log
from presence.metrics import Count, Counters, Gauge
from presence.openapi import openapi_document
from presence.transport.admission import RequestRates
from presence.transport.context import ServerContext
from presence.transport.faults import Fault, Refusal
from presence.transport.http.cors import OriginRules
from presence.transport.http.request import Handler, Request, Response
from presence.transport.http.router import Route, Router
from presence.transport.http_listener import HttpListener
from presence.transport.sockets.fd_table import FdTable
from presence.transport.websocket.upgrade import require_upgrade

DEVELOPMENT_TTL = 24 * 3600.0
DEMO_KEY_BYTES = 32
DEMO_BUDGET = RestartBudget(max_restarts=3, within=60.0, backoff=1.0)

USER_BUDGET = RestartBudget(max_restarts=3, within=60.0, backoff=0.05, backoff_limit=1.0)
QUARANTINES_BUDGET = RestartBudget(max_restarts=100, within=60.0)
QUARANTINE_AFTER = 60.0
MAILBOX_CAPACITY = 100

IssueToken = Callable[[DevToken], str]
UPGRADE_ONLY = (
    Route("GET", TOGETHER_PATH, require_upgrade),
    Route("GET", VOICEPING_PATH, require_upgrade),
)


@asynccontextmanager
async def open_server(config: Config) -> AsyncIterator[Server]:
    """Open secret, keys and store, and build the server on them; closes the store at the end.

    Raises `StartFailed`.
    """
    secret = open_secret(config.data)
    if secret.is_exposed:
        get_log().warning(LogEvent.SECRET_EXPOSED, file=str(secret.path))
    async with _open_server(config, secret.key, SqliteStore(config.data)) as server:
        yield server


@asynccontextmanager
async def open_demo(config: Config) -> AsyncIterator[Server]:
    """Build the server of a demonstration, which ends with all that it holds.

    Nothing is written to a disk. Development users belong to the servers of the
    demonstration. Raises `StartFailed`.
    """
    key = secrets.token_bytes(DEMO_KEY_BYTES)
    async with _open_server(config, key, MemoryStore(), is_demo=True) as server:
        yield server


@asynccontextmanager
async def _open_server(
    config: Config, key: bytes, store: Store, *, is_demo: bool = False
) -> AsyncIterator[Server]:
    """Build the server on *store*, with *key* to sign its tokens; closes the store at the end."""
    clock = Clock()
    verify = TokenVerifier(key, _read_foreign_issuer(config)).verify
    startup = await store.open(clock.now().wall)
    try:
        if startup.was_moved_aside:
            get_log().error(LogEvent.STORE_MOVED_ASIDE, directory=str(config.data))
        counters = Counters()
        on_crash = partial(_report_crash, counters)
        node = await open_node(config, clock, store, startup, on_crash)
        _show_gauges(counters, node)
        servers = tuple(DEMO_SERVERS) if is_demo else None
        issue = _issuer(key, clock, servers) if config.is_development else None
        sign = _signer(key, clock, config.matrix_token_after)
        service = PresenceService(node)
        listeners = build_listeners(config, service, counters, verify, issue, sign, servers)
        more = [ChildSpec("demo", Demo(service).run, budget=DEMO_BUDGET)] if is_demo else []
        yield Server(node, startup, listeners, counters, on_crash, more)
    finally:
        await store.aclose()


def _read_foreign_issuer(config: Config) -> ForeignIssuer | None:
    """The issuer whose keys are configured, if any are."""
    if config.token_audience is None:  # it is required with any key
        return None
    return ForeignIssuer(
        tuple(read_issuer_keys(config.token_public_key, config.token_jwks)),
        config.token_audience,
        config.token_issuer,
        config.token_admin_claim,
    )


def _issuer(key: bytes, clock: Clock, default_servers: tuple[ServerId, ...] | None) -> IssueToken:
    """Issues development tokens; one that names no servers claims the *default_servers*."""

    def issue(wanted: DevToken) -> str:
        servers = default_servers if wanted.servers is None else wanted.servers
        now = clock.now().wall
        return issue_token(key, wanted.user, now=now, ttl=DEVELOPMENT_TTL, servers=servers)

    return issue


def _signer(key: bytes, clock: Clock, ttl: float) -> Sign:
    """Signs access tokens of Matrix; what the login's token claimed holds on."""

    def sign(claims: Claims, device: DeviceId) -> str:
        return issue_token(
            key,
            claims.user_id,
            now=clock.now().wall,
            ttl=ttl,
            servers=claims.servers,
            device=device,
            name=claims.name,
        )

    return sign


# -- the living part ---------------------------------------------------------------------------


async def open_node(
    config: Config, clock: Clock, store: Store, startup: StartupState, on_crash: CrashReport
) -> Node:
    """The tables and services that the actors share, filled from the store.

    *on_crash* is called with every crash of a user's actor.
    """
    versions = Versions(startup.epoch)
    versions.latest = max(versions.latest, await store.read_latest_version())
    writer = Writer(
        store, wall=clock.wall, on_failure=_log_write_failure, on_recovery=_log_recovery
    )
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

    def note_crash(user_id: UserId, error: Exception, restart_in: float | None) -> None:
        on_crash(f"user {user_id}", error, restart_in)
        if restart_in is not None:
            node.rebuild(user_id, is_quarantined=isinstance(error, RestartsExhausted))

    users: DynamicSupervisor[UserId, Message] = DynamicSupervisor(
        "users",
        lambda user_id: UserActor(user_id, node),
        mailbox_capacity=MAILBOX_CAPACITY,
        child_budget=USER_BUDGET,
        budget=QUARANTINES_BUDGET,
        quarantine_after=QUARANTINE_AFTER,
        on_crash=note_crash,
    )
    node = Node(
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
        users=users,
        revocations={each.user_id: each for each in startup.revocations},
        hides_unknown_users=startup.was_moved_aside,
    )
    return node


def _show_gauges(counters: Counters, node: Node) -> None:
    writer, broadcaster = node.writer, node.fanout.broadcaster
    counters.show(Gauge.OPEN_CONNECTIONS, lambda: len(node.connections))
    counters.show(Gauge.UNSAVED_RECORDS, lambda: writer.statistics().waiting)
    counters.show(Gauge.STORE_FAILURES, lambda: writer.statistics().failures)
    counters.show(Gauge.VISIBLE_USERS, lambda: node.public_views.visible_count)
    counters.show(Gauge.OFFERS, lambda: broadcaster.statistics().offers)
    counters.show(Gauge.LIVE_ACTORS, lambda: len(node.users))


# -- the frontends -----------------------------------------------------------------------------


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
        lambda: _count_fault(counters, Refusal.USER_LIMIT),
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
        answer=_counted(router.answer, counters),
        sockets=Gateways(service, authentication, user_limit, gateways),
        on_crash=_log_request_crash,
        count=partial(_count_fault, counters),
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


def build_routes(
    config: Config,
    service: PresenceService,
    authentication: Authentication,
    counters: Counters,
    user_limit: UserLimit,
    fd_table: FdTable,
    issue: IssueToken | None,
    sign: Sign,
) -> list[Route]:
    """Every address that is asked without an upgrade."""
    openapi = openapi_document(version("presence-server"))
    together = TogetherRest(service, authentication)
    persisted = together.persisted
    ping_every = config.times.ping_every
    draft = MatrixDraft(
        service, authentication, counters, user_limit, fd_table, persisted, ping_every
    )
    matrix = MatrixClientApi(
        service,
        authentication,
        user_limit,
        sign,
        config.matrix_server_name,
        is_development=config.is_development,
    )
    groups = (
        together,
        TogetherEvents(service, authentication, counters, user_limit, fd_table, ping_every),
        AdministrationRest(service, authentication, persisted),
        Operations(service, authentication, counters.render, openapi, issue),
        VoicePingRest(service, authentication),
        draft,
        matrix,
        WebFiles(
            is_development=config.is_development,
            pipe_port=config.pipe_port if isinstance(config.pipe_port, int) else None,
        ),
    )
    return [*(route for group in groups for route in group.routes()), *UPGRADE_ONLY]


def _counted(answer: Handler, counters: Counters) -> Handler:
    async def handle(request: Request) -> Response:
        response = await answer(request)
        counters.add(Count.REQUESTS, HTTPStatus(response.status))
        return response

    return handle


def _serve_lines(voiceping: SessionPlan, claims: Claims, pipe: LineSocket) -> Awaitable[object]:
    # The kernel notices silence: a pipe has no pings of ours.
    params = ConnectParams(device=claims.device)
    return voiceping.session(pipe, claims, params, voiceping.lines, None).run()


# -- what is counted and logged ----------------------------------------------------------------


def _count_fault(counters: Counters, fault: Fault) -> None:
    """Count a refusal and the end of an open connection in different metrics."""
    is_refusal = isinstance(fault, Refusal)
    count = Count.CONNECTIONS_REFUSED if is_refusal else Count.CONNECTIONS_CUT
    counters.add(count, fault)


def _report_crash(
    counters: Counters, name: str, error: Exception, restart_in: float | None
) -> None:
    counters.add(Count.ACTOR_RESTARTS)
    get_log().error(LogEvent.ACTOR_CRASHED, actor=name, restart_in=restart_in, exc_info=error)


def _log_request_crash(error: BaseException) -> None:
    get_log().error(LogEvent.REQUEST_CRASHED, exc_info=error)


def _log_dropped(key: Hashable, announcement: Announcement) -> None:
    get_log().error(LogEvent.UPDATE_DROPPED, key=str(key), version=announcement.version)


def _log_write_failure(error: StoreUnavailable, waiting: int) -> None:
    get_log().error(LogEvent.STORE_WRITE_FAILED, reason=str(error), waiting=waiting)


def _log_recovery(failures: int, seconds: float) -> None:
    get_log().info(LogEvent.STORE_RECOVERED, failures=failures, seconds=round(seconds, 3))
