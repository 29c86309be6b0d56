"""The supervision tree, how it starts and in which order it stops.

    presence
    ├── services          one supervisor, permanent children
    │   ├── writer        the only task that writes to the store
    │   └── broadcaster   sends updates to the open connections
    ├── users             one actor per user, started by its first message
    └── edge              one supervisor, permanent children
        ├── timer         all deadlines: sweep, grace, leases, silence, expiries
        ├── http          the HTTP port; one nursery holds its connections
        ├── pipe          the port for lines over TCP, likewise
        └── demo          only with --demo: its made-up users act

Each layer stops before the one above it: first the ports close and clients are
told to reconnect, then no deadline comes any more, then users handle the
messages that wait for them, then the last announcements and rows go out. A stop
publishes nothing, so users who reconnect soon were never seen away.
"""

from collections.abc import Callable, Iterable

import trio

from actors import ChildSpec, RestartBudget, open_supervisor
from actors.supervisor import Run as ChildRun
from presence.listeners import Listeners, Ports
from presence.live.node import Node
from presence.live.ports import StartupState
from presence.live.subscriber import EndReason
from presence.log import LogEvent, get_log
from presence.metrics import Counters

DRAIN_WITHIN = 5.0
ENDS_PER_TURN = 20
"""Connections that a stop ends in one turn of the event loop."""
STOP_WITHIN = 8.0

SERVICE_BUDGET = RestartBudget(max_restarts=20, within=60.0, backoff=0.01, backoff_limit=0.5)

CrashReport = Callable[[str, Exception, float | None], None]
"""Takes an actor's name, its error, and after how many seconds it is restarted, if it is."""


class Server:
    """One server, put together by `presence.wiring`; `run` is its life.

    *more* are children of the edge that start behind the ports and end before them.
    """

    def __init__(
        self,
        node: Node,
        startup: StartupState,
        listeners: Listeners,
        counters: Counters,
        on_crash: CrashReport,
        more: Iterable[ChildSpec] = (),
    ) -> None:
        self.node = node
        self.listeners = listeners
        self.counters = counters
        self._startup = startup
        self._on_crash = on_crash
        self._more = tuple(more)

    async def run(self, on_ready: Callable[[Ports], None], stop: trio.Event) -> None:
        """Start from the inside out, serve until *stop*, and end in the reverse order.

        Calls *on_ready* with the ports once all of them accept and all else runs.
        """
        node, on_crash = self.node, self._on_crash
        writer, broadcaster = node.writer, node.fanout.broadcaster
        async with open_supervisor("services", on_crash=on_crash) as services:
            await services.start(_service("writer", writer.run, writer.close))
            await services.start(_service("broadcaster", broadcaster.run, broadcaster.close))
            async with node.users.open(), open_supervisor("edge", on_crash=on_crash) as edge:
                await edge.start(_service("timer", node.timer.run, node.timer.close))
                self._set_stored_deadlines()
                for port in self.listeners:
                    await edge.start(_service(port.name, port.hold_open, self._close_listeners))
                for spec in self._more:
                    await edge.start(spec)
                on_ready(self.listeners.ports)
                await stop.wait()
                get_log().info(LogEvent.DRAINING, connections=len(node.connections))
                await self._drain()

    # -- the end -----------------------------------------------------------------------------

    def _stop_listening(self) -> None:
        """Accept no more connections, and give those that are open a deadline."""
        self.node.is_draining = True
        self.listeners.stop_accepting()
        self.listeners.end_connections(DRAIN_WITHIN)

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
        """Wake users whose public text ends, and those with a lease; set the restart grace.

        Users with a lease get their actor at once, which sets all its deadlines itself.
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


def _service(name: str, run: ChildRun, close: Callable[[], None]) -> ChildSpec:
    return ChildSpec(name, run, close, stop_after=STOP_WITHIN, budget=SERVICE_BUDGET)
