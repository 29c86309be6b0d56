"""The open ports: which there are, where they listen, and how they close."""

from collections.abc import Awaitable, Callable

import attrs
import trio

from presence.config import Config
from presence.live.claims import Claims
from presence.net.doors.door import Door
from presence.net.doors.front_door import FrontDoor
from presence.net.session import SocketTimes, Wishes
from presence.net.site import Doors
from presence.net.voiceping.pipe_door import PipeDoor, PipePlan
from presence.net.voiceping.pipe_socket import PipeSocket


@attrs.frozen
class Ports:
    """Where the server listens; no pipe where that is switched off."""

    http: int
    pipe: int | None = None


class Entrance:
    """The HTTP port and, unless it is off, the pipe's. Each is kept open by a task of its own.

    A port that was picked stays the same when its door has to be opened again.
    """

    def __init__(self, config: Config, doors: Doors) -> None:
        self._host = config.host
        self._times = SocketTimes(config.socket_ping_every, config.socket_lost_after)
        self._doors = doors
        self._http_port = config.port
        self._pipe_port = config.pipe_port if isinstance(config.pipe_port, int) else None
        self._open: list[Door] = []

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

        await self._keep(FrontDoor(self._doors.site), self._http_port, _Noted(note, task_status))

    async def keep_pipe(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Likewise the port of the pipe."""
        assert self._pipe_port is not None

        def note(port: int) -> None:
            self._pipe_port = port

        doors = self._doors
        plan = PipePlan(doors.authentication, doors.user_limit, self._times, self._serve_pipe)
        await self._keep(PipeDoor(doors.site, plan), self._pipe_port, _Noted(note, task_status))

    def stop_accepting(self) -> None:
        """Let nobody in any more, at no port."""
        for door in self._open:
            door.stop_accepting()

    def end_connections(self, within: float) -> None:
        """Cancel what is left after *within* seconds."""
        for door in self._open:
            door.end_connections(within)

    async def _keep(self, door: Door, port: int, noted: "_Noted") -> None:
        self._open = [each for each in self._open if type(each) is not type(door)] + [door]
        await door.serve(self._host, port, task_status=noted)

    def _serve_pipe(self, claims: Claims, pipe: PipeSocket) -> Awaitable[object]:
        voiceping = self._doors.voiceping
        # The kernel watches for silence: a pipe has no pings of ours.
        wishes = Wishes(device=claims.device)
        return voiceping.session(pipe, claims, wishes, voiceping.lines, None).run()


@attrs.frozen
class _Noted:
    """The status of a task that reports its port: notes it, and reports that it is ready."""

    note: Callable[[int], None]
    status: trio.TaskStatus[None]

    def started(self, port: int | None = None) -> None:
        if port is not None:
            self.note(port)
        self.status.started()
