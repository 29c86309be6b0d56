"""The ports: which there are, and how each is held open and closed."""

from collections.abc import Callable, Iterator

import attrs
import trio

from presence.transport.tcp_listener import TcpListener


class ListeningPort:
    """One port, held open by a task of its own.

    Opened again after a crash, it has the same *number*, also where that was
    picked (*number* 0) at first.
    """

    def __init__(
        self, name: str, host: str, number: int, make_listener: Callable[[], TcpListener]
    ) -> None:
        self.name = name
        self.number = number
        self.listener: TcpListener | None = None
        self._host = host
        self._make_listener = make_listener

    async def hold_open(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Accept until `stop_accepting`, then return when the last connection has ended.

        Raises `StartFailed` where the port cannot be had.
        """
        self.listener = self._make_listener()
        status = _NumberStatus(self, task_status)
        await self.listener.serve(self._host, self.number, task_status=status)

    def stop_accepting(self) -> None:
        """Accept no more connections."""
        if self.listener is not None:
            self.listener.stop_accepting()

    def end_connections(self, within: float) -> None:
        """Cancel the connections that are left after *within* seconds."""
        if self.listener is not None:
            self.listener.end_connections(within)


@attrs.frozen
class _NumberStatus:
    """The status of a task that reports its port: notes the number, and passes on the rest."""

    port: ListeningPort
    status: trio.TaskStatus[None]

    def started(self, number: int | None = None) -> None:
        if number is not None:
            self.port.number = number
        self.status.started()


@attrs.frozen
class Ports:
    """The numbers of the ports; no pipe where it is switched off."""

    http: int
    pipe: int | None = None


@attrs.frozen
class Listeners:
    """The HTTP port and, unless it is off, the pipe's."""

    http: ListeningPort
    pipe: ListeningPort | None = None

    def __iter__(self) -> Iterator[ListeningPort]:
        yield self.http
        if self.pipe is not None:
            yield self.pipe

    @property
    def ports(self) -> Ports:
        """Where the server listens, once it does."""
        return Ports(self.http.number, None if self.pipe is None else self.pipe.number)

    def stop_accepting(self) -> None:
        """Accept no more connections at any port."""
        for port in self:
            port.stop_accepting()

    def end_connections(self, within: float) -> None:
        """Cancel the connections of all ports that are left after *within* seconds."""
        for port in self:
            port.end_connections(within)
