"""The supervision tree, how it starts and in which order it stops.

    presence
    ├── services          one supervisor, permanent children
    │   ├── writer        the only task that writes to the store
    │   └── broadcaster   offers what users publish to the open connections
    ├── users             one actor per user, started by its first message
    └── edge              one supervisor, permanent children
        ├── timer         all deadlines: sweep, grace, leases, silence, expiries
        ├── door          the HTTP port; one nursery holds the connections
        └── pipe          the port for lines over TCP, likewise

Each layer stops before the one above it: first nobody new comes in and the
connections are told to come back, then time stands still, then users handle
what waits for them, then the last announcements and rows go out. A stop
publishes nothing, so who comes back soon was never away.
"""

import gc
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from actors import (
    ChildSpec,
    RestartBudget,
    RestartsExhausted,
    Supervisor,
    open_dynamic_supervisor,
    open_supervisor,
)
from actors.supervisor import Run as ChildRun
from presence.adapters.issuer_keys import read_issuer_keys
from presence.adapters.secret_key import Secret, open_secret
from presence.adapters.store_sqlite.store import SqliteStore
from presence.adapters.tokens import ForeignIssuer, TokenVerifier
from presence.announcement import check_ready_file, say_where, write_ready_file
from presence.config import Config
from presence.core.events import TimePassed
from presence.core.types import UserId
from presence.core.versions import Versions
from presence.errors import StartFailed, StoreUnavailable
from presence.gc_pacer import GcPacer
from presence.listeners import Listeners, Ports
from presence.live.claims import Verify
from presence.live.clock import Clock
from presence.live.node import Node
from presence.live.persistence.writer import Writer
from presence.live.ports import StartupState
from presence.live.subscriber import EndReason
from presence.live.user_actor import UserActor
from presence.log import LogEvent, get_log, is_for_people
from presence.metrics import Count, Counters, Gauge
from presence.wiring import build_frontends, build_node, http_settings_of

STARTING_TOLD_EVERY = 5.0
DRAIN_WITHIN = 5.0
ENDS_PER_TURN = 20
"""Connections that a stop ends in one turn of the event loop."""
STOP_WITHIN = 8.0
FAILED_FOR_GOOD = 70
ONLY_READ_AT_START = "SIGHUP reloads nothing yet: settings and keys are read at the start only"

SERVICE_BUDGET = RestartBudget(max_restarts=20, within=60.0, backoff=0.01, backoff_limit=0.5)
USER_BUDGET = RestartBudget(max_restarts=3, within=60.0, backoff=0.05, backoff_limit=1.0)
QUARANTINES_BUDGET = RestartBudget(max_restarts=100, within=60.0)
QUARANTINE_AFTER = 60.0
MAILBOX_CAPACITY = 100


async def serve(config: Config, *, ready_file: Path | None = None) -> int:
    """Run the server until SIGTERM or SIGINT; return the exit code.

    Writes *ready_file* once everything accepts. Raises `StartFailed` where it
    cannot start. A second signal ends the process at once; SIGHUP is noted in
    the log and ends nothing. A start that takes long is told in the log every
    `STARTING_TOLD_EVERY` seconds.
    """
    stop, ready = trio.Event(), trio.Event()
    failure: StartFailed | None = None
    exit_code = 0

    def note_ready(ports: Ports) -> None:
        ready.set()
        gc.freeze()  # what lives from now on is never looked at again
        gc.enable()
        nursery.start_soon(GcPacer().run)
        _tell_ready(config, ready_file, ports)

    if ready_file is not None:
        check_ready_file(ready_file)
    # What a start reads stays; to look through it takes nearly as long as to read it.
    gc.disable()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, stop)
        nursery.start_soon(_tell_of_start, config, ready)
        try:
            async with open_server(config) as server:
                await server.run(note_ready, stop)
        except StartFailed as error:  # raised again below, not wrapped by the nursery
            failure = error
        except RestartsExhausted as error:
            get_log().critical(LogEvent.RESTARTS_EXHAUSTED, reason=str(error))
            exit_code = FAILED_FOR_GOOD
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    get_log().info(LogEvent.STOPPED, exit_code=exit_code)
    return exit_code


@asynccontextmanager
async def open_server(config: Config) -> AsyncIterator["Server"]:
    """Open secret, keys and store, and put the parts together around what they hold."""
    clock = Clock()
    secret = open_secret(config.data)
    if secret.is_exposed:
        get_log().warning(LogEvent.SECRET_EXPOSED, file=str(secret.path))
    verify = TokenVerifier(secret.key, _read_foreign_issuer(config)).verify
    store = SqliteStore(config.data)
    startup = await store.open(clock.now().wall)
    try:
        if startup.was_moved_aside:
            get_log().error(LogEvent.STORE_MOVED_ASIDE, directory=str(config.data))
        versions = Versions(startup.epoch)
        versions.latest = max(versions.latest, await store.read_latest_version())
        writer = Writer(
            store, wall=clock.wall, on_failure=_log_write_failure, on_recovery=_log_recovery
        )
        server = Server(config, startup, build_node(config, clock, startup, versions, writer))
        server.open_listeners(verify, secret)
        yield server
    finally:
        await store.aclose()


def _read_foreign_issuer(config: Config) -> ForeignIssuer | None:
    """The issuer whose keys are configured, if any are."""
    if config.token_audience is None:  # which goes with any key
        return None
    return ForeignIssuer(
        tuple(read_issuer_keys(config.token_public_key, config.token_jwks)),
        config.token_audience,
        config.token_issuer,
        config.token_admin_claim,
    )


class Server:
    """One server, put together; `run` is its life."""

    def __init__(self, config: Config, startup: StartupState, node: Node) -> None:
        self.node = node
        self._config = config
        self._startup = startup
        self._counters = Counters()
        self._counters.show(Gauge.OPEN_CONNECTIONS, lambda: len(node.connections))
        self._counters.show(Gauge.UNSAVED_RECORDS, lambda: node.writer.statistics().waiting)
        self._counters.show(Gauge.STORE_FAILURES, lambda: node.writer.statistics().failures)
        self._counters.show(Gauge.VISIBLE_USERS, lambda: node.public_views.visible_count)
        self._counters.show(Gauge.OFFERS, lambda: node.fanout.broadcaster.statistics().offers)
        self._counters.show(Gauge.LIVE_ACTORS, lambda: len(node.users))

    async def run(self, on_ready: Callable[[Ports], None], stop: trio.Event) -> None:
        """Start from the inside out, serve until *stop*, and end in the reverse order.

        Calls *on_ready* with the ports once everything accepts.
        """
        node, on_crash = self.node, self._note_crash
        writer, broadcaster = node.writer, node.fanout.broadcaster
        async with open_supervisor("services", on_crash=on_crash) as services:
            await services.start(_service("writer", writer.run, writer.close))
            await services.start(_service("broadcaster", broadcaster.run, broadcaster.close))
            async with open_dynamic_supervisor(
                "users",
                lambda user_id: UserActor(user_id, node),
                mailbox_capacity=MAILBOX_CAPACITY,
                child_budget=USER_BUDGET,
                budget=QUARANTINES_BUDGET,
                quarantine_after=QUARANTINE_AFTER,
                on_crash=self._note_user_crash,
            ) as users:
                node.open_users(users)
                async with open_supervisor("edge", on_crash=on_crash) as edge:
                    await edge.start(_service("timer", node.timer.run, node.timer.close))
                    self._set_stored_deadlines()
                    on_ready(await self._open_listeners(edge))
                    await stop.wait()
                    get_log().info(LogEvent.DRAINING, connections=len(node.connections))
                    await self._drain()

    # -- the doors ---------------------------------------------------------------------------

    def open_listeners(self, verify: Verify, secret: Secret) -> None:
        """Put together what the doors answer."""
        plan = http_settings_of(
            self._config, verify, secret, self.node.clock, self._note_request_crash
        )
        self._listeners = Listeners(self._config, build_frontends(self.node, plan, self._counters))

    async def _open_listeners(self, edge: Supervisor) -> Ports:
        """Let people in; each door is opened again after a crash, at the same port."""
        entrance = self._listeners
        await edge.start(_service("http", entrance.keep_http, self._close_listeners))
        if entrance.has_pipe:
            await edge.start(_service("pipe", entrance.keep_pipe, self._close_listeners))
        return entrance.ports

    def _stop_listening(self) -> None:
        """Accept no more connections, and give those that are open a deadline."""
        self.node.is_draining = True
        self._listeners.stop_accepting()
        self._listeners.end_connections(DRAIN_WITHIN)

    def _close_listeners(self) -> None:
        """Stop listening and end all connections at once, where no drain came before."""
        self._stop_listening()
        for subscriber in list(self.node.connections):
            subscriber.end(EndReason.STOPPING)  # does nothing where a drain did it

    async def _drain(self) -> None:
        """Stop listening, and tell every client to come back to the next process.

        A few connections in each turn of the event loop: thousands at once would
        stop the others for as long as all of them take.
        """
        self._stop_listening()
        for number, subscriber in enumerate(list(self.node.connections), 1):
            subscriber.end(EndReason.STOPPING)
            if number % ENDS_PER_TURN == 0:
                await trio.lowlevel.checkpoint()

    # -- deadlines from before ---------------------------------------------------------------

    def _set_stored_deadlines(self) -> None:
        """Wake users whose public text ends, and settle the start when its grace is over.

        Those whom a lease holds live again at once, and see to all their deadlines themselves.
        """
        node, now = self.node, self.node.clock.now()
        for user_id, wall in self._startup.text_ends.items():
            node.wake(user_id, now.mono_of(wall))
        for user_id in self._startup.leased:
            node.wake(user_id, now.mono)
        node.timer.set(
            "settled",
            node.incarnation.restart_grace_ends_at,
            lambda stalled: node.settle(),
        )

    # -- crashes -----------------------------------------------------------------------------

    def _note_crash(self, name: str, error: Exception, restart_in: float | None) -> None:
        self._counters.add(Count.ACTOR_RESTARTS)
        get_log().error(LogEvent.ACTOR_CRASHED, actor=name, restart_in=restart_in, exc_info=error)

    def _note_user_crash(self, user_id: UserId, error: Exception, restart_in: float | None) -> None:
        """Log it, and have the user rebuilt even if nobody else has a message for it.

        One that is put aside is shown offline meanwhile, so that hiding never waits.
        """
        self._note_crash(f"user {user_id}", error, restart_in)
        if restart_in is not None and not self.node.is_draining:
            if isinstance(error, RestartsExhausted):
                self.node.quarantine(user_id)
            self.node.users.tell_nowait(user_id, TimePassed(), slot="time")

    def _note_request_crash(self, error: BaseException) -> None:
        get_log().error(LogEvent.REQUEST_CRASHED, exc_info=error)


def _service(name: str, run: ChildRun, close: Callable[[], None]) -> ChildSpec:
    return ChildSpec(name, run, close, stop_after=STOP_WITHIN, budget=SERVICE_BUDGET)


async def _watch_signals(
    stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:  # a reload is asked for, or the terminal closed
                get_log().warning(LogEvent.NOT_RELOADED, reason=ONLY_READ_AT_START)
            elif stop.is_set():
                get_log().warning(LogEvent.STOP_FORCED)
                os._exit(128 + number)  # what is stored is whole at any moment
            else:
                stop.set()


async def _tell_of_start(config: Config, ready: trio.Event) -> None:
    """Say every few seconds, until *ready*, that the server still starts.

    A database of millions, or one that an older version wrote, takes a while to open.
    """
    began_at = trio.current_time()
    while not ready.is_set():
        with trio.move_on_after(STARTING_TOLD_EVERY):
            await ready.wait()
            return
        seconds = round(trio.current_time() - began_at)
        get_log().info(LogEvent.STARTING, directory=str(config.data), seconds=seconds)


def _tell_ready(config: Config, ready_file: Path | None, ports: Ports) -> None:
    """Say where the server listens: to people on standard output, to programs in the log."""
    if not is_for_people(config.log_format):
        get_log().info(LogEvent.LISTENING, host=config.host, port=ports.http, pipe_port=ports.pipe)
    say_where(config.host, ports.http, ports.pipe, is_development=config.is_development)
    if ready_file is not None:
        told = {"http": ports.http, "pipe": ports.pipe, "pid": os.getpid()}
        write_ready_file(ready_file, told)


def _log_write_failure(error: StoreUnavailable, waiting: int) -> None:
    get_log().error(LogEvent.STORE_WRITE_FAILED, reason=str(error), waiting=waiting)


def _log_recovery(failures: int, seconds: float) -> None:
    get_log().info(LogEvent.STORE_RECOVERED, failures=failures, seconds=round(seconds, 3))
