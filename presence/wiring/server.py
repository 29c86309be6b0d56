"""One server from its settings: store, keys, living part and ports, in one phase."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from actors import ChildSpec, RestartBudget
from presence.adapters.issuer_keys import read_issuer_keys
from presence.adapters.secret_key import open_secret
from presence.adapters.store_memory import MemoryStore
from presence.adapters.store_sqlite.store import SqliteStore
from presence.adapters.tokens import ForeignIssuer, TokenVerifier
from presence.app import Server
from presence.config import Config
from presence.demo.cast import SERVERS as DEMO_SERVERS
from presence.demo.running import Demo
from presence.live.clock import Clock
from presence.live.ports import Store
from presence.live.service import PresenceService
from presence.log import LogEvent, get_log
from presence.metrics import Counters
from presence.wiring.listeners import build_listeners
from presence.wiring.node import open_node, show_gauges
from presence.wiring.reports import report_crash
from presence.wiring.tokens import build_issuer, build_signer

DEMO_KEY_BYTES = 32
DEMO_BUDGET = RestartBudget(max_restarts=3, within=60.0, backoff=1.0)


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
        on_crash = partial(report_crash, counters)
        node = await open_node(config, clock, store, startup, on_crash)
        show_gauges(counters, node)
        servers = tuple(DEMO_SERVERS) if is_demo else None
        issue = build_issuer(key, clock, servers) if config.is_development else None
        sign = build_signer(key, clock, config.matrix_token_after)
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
