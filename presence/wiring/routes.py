"""Every address that is asked without an upgrade."""

from importlib.metadata import version

from presence.config import Config
from presence.frontends.admin.administration import AdministrationRest
from presence.frontends.admin.operations import Operations
from presence.frontends.authentication import Authentication
from presence.frontends.matrix.client_api import MatrixClientApi, Sign
from presence.frontends.matrix.draft import MatrixDraft
from presence.frontends.together.events import TogetherEvents
from presence.frontends.together.gateway import PATH as TOGETHER_PATH
from presence.frontends.together.routes import TogetherRest
from presence.frontends.user_limit import UserLimit
from presence.frontends.voiceping.gateway import PATH_END as VOICEPING_PATH
from presence.frontends.voiceping.routes import VoicePingRest
from presence.frontends.web.files import WebFiles
from presence.live.service import PresenceService
from presence.metrics import Counters
from presence.openapi import openapi_document
from presence.transport.http.router import Route
from presence.transport.sockets.fd_table import FdTable
from presence.transport.websocket.upgrade import require_upgrade
from presence.wiring.tokens import IssueToken

UPGRADE_ONLY = (
    Route("GET", TOGETHER_PATH, require_upgrade),
    Route("GET", VOICEPING_PATH, require_upgrade),
)


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
