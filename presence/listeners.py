"""The open ports: which there are, where they listen, and how they close."""

from collections.abc import Awaitable, Callable

import attrs
import trio

from presence.config import Config
from presence.frontends.client_connection import ConnectParams
from presence.frontends.voiceping.line_listener import LineListener, LineSettings
from presence.frontends.voiceping.line_socket import LineSocket
from presence.live.claims import Claims
from presence.transport.http_listener import HttpListener
from presence.transport.tcp_listener import TcpListener
from presence.wiring import Frontends


@attrs.frozen
class Ports:
    """Where the server listens; no pipe where that is switched off."""

    http: int
    pipe: int | None = None


class Listeners:
    """The HTTP port and, unless it is off, the pipe's. Each is kept open by a task of its own.

    A port that was picked stays the same when its door has to be opened again.
    """

    def __init__(self, config: Config, frontends: Frontends) -> None:
        self._host = config.host
        self._times = config.times
        self._frontends = frontends
        self._http_port = config.port
        self._pipe_port = config.pipe_port if isinstance(config.pipe_port, int) else None
        self._open: list[TcpListener] = []

    @property
    def has_pipe(self) -> bool:
        return self._pipe_port is not None

    @property
    def ports(self) -> Ports:
        """Where it listens, once it does."""
        return Ports(self._http_port, self._pipe_port)

    async def keep_http(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold the HTTP port open until its last connection has ended; raises `StartFailed`."""

        def note(port: int) -> None:
            self._http_port = port

        await self._keep(
            HttpListener(self._frontends.site), self._http_port, _Noted(note, task_status)
        )

    async def keep_pipe(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Likewise the port of the pipe."""
        assert self._pipe_port is not None

        def note(port: int) -> None:
            self._pipe_port = port

        frontends = self._frontends
        plan = LineSettings(
            frontends.authentication, frontends.user_limit, self._times, self._serve_pipe
        )
        await self._keep(
            LineListener(frontends.site, plan), self._pipe_port, _Noted(note, task_status)
        )

    def stop_accepting(self) -> None:
        """Let nobody in any more, at no port."""
        for listener in self._open:
            listener.stop_accepting()

    def end_connections(self, within: float) -> None:
        """Cancel what is left after *within* seconds."""
        for listener in self._open:
            listener.end_connections(within)

    async def _keep(self, listener: TcpListener, port: int, noted: "_Noted") -> None:
        self._open = [each for each in self._open if type(each) is not type(listener)] + [listener]
        await listener.serve(self._host, port, task_status=noted)

    def _serve_pipe(self, claims: Claims, pipe: LineSocket) -> Awaitable[object]:
        voiceping = self._frontends.voiceping
        # The kernel watches for silence: a pipe has no pings of ours.
        params = ConnectParams(device=claims.device)
        return voiceping.session(pipe, claims, params, voiceping.lines, None).run()


@attrs.frozen
class _Noted:
    """The status of a task that reports its port: notes it, and reports that it is ready."""

    note: Callable[[int], None]
    status: trio.TaskStatus[None]

    def started(self, port: int | None = None) -> None:
        if port is not None:
            self.note(port)
        self.status.started()
