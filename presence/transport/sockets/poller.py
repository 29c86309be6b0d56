"""Waiting until something comes on any of thousands of connections.

Trio's own way costs a kilobyte for each connection that waits, a quarter of
all that a pipe takes, and two system calls for each message that comes; and
thousands that are lost at once, as when a network fails, are all woken in one
turn of the event loop. Where the kernel has epoll, one task waits for all of
them instead.
"""

import select
import socket as stdsocket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

EVENTS_PER_TURN = 512
LOST_PER_TURN = 32
"""Tasks woken before others run; fewer of those whose peers are gone, and after the rest."""

PEER_IS_GONE = (
    getattr(select, "EPOLLHUP", 0)
    | getattr(select, "EPOLLRDHUP", 0)
    | getattr(select, "EPOLLERR", 0)
)


class Poller(Protocol):
    """Wakes the tasks that wait for their sockets; at most one waits for each."""

    def add(self, sock: stdsocket.socket) -> None:
        """Watch *sock* until it is closed."""

    def wait_readable(self, sock: stdsocket.socket) -> Awaitable[object]:
        """To be awaited at once, where the kernel just said that there is nothing to receive.

        May raise `trio.ClosedResourceError` when woken by `wake`.
        """

    def wake(self, sock: stdsocket.socket) -> None:
        """Wake the task that waits for *sock*, but none that begins to wait after that."""

    def watch(self, sock: stdsocket.socket, on_readable: Callable[[], None]) -> None:
        """Call *on_readable* once, as soon as something comes or the peer ends.

        To be called where the kernel just said that there is nothing to receive, while
        no task waits for *sock*. *on_readable* must not wait or raise; it may watch again.
        It is called while `run` runs.
        """

    def unwatch(self, sock: stdsocket.socket) -> None:
        """Call nothing any more; does nothing where nothing is watched."""

    async def run(self) -> None:
        """Do what others wait for, until cancelled."""


@attrs.frozen
class _GiveUp:
    """Called by Trio when a task in *tasks* is cancelled."""

    tasks: dict[int, trio.lowlevel.Task]
    fd: int

    def __call__(self, raise_cancel: object) -> trio.lowlevel.Abort:
        del self.tasks[self.fd]
        return trio.lowlevel.Abort.SUCCEEDED


class EpollPoller:
    """Learns from the kernel only what is new, so that readers must take all there is.

    Readable sockets are woken before disconnected ones, so that a mass disconnect
    cannot delay live clients.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._tasks: dict[int, trio.lowlevel.Task] = {}
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._lost: deque[int] = deque()

    def add(self, sock: stdsocket.socket) -> None:
        self._epoll.register(sock, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def wait_readable(self, sock: stdsocket.socket) -> Awaitable[object]:
        fd = sock.fileno()
        self._tasks[fd] = trio.lowlevel.current_task()
        # A coroutine of our own around it would stay as long as the connection is silent.
        return trio.lowlevel.wait_task_rescheduled(_GiveUp(self._tasks, fd))  # noqa: ASYNC105

    def wake(self, sock: stdsocket.socket) -> None:
        self._wake(sock.fileno())

    def watch(self, sock: stdsocket.socket, on_readable: Callable[[], None]) -> None:
        self._callbacks[sock.fileno()] = on_readable

    def unwatch(self, sock: stdsocket.socket) -> None:
        self._callbacks.pop(sock.fileno(), None)

    async def run(self) -> None:
        with self._epoll:
            while True:
                if self._lost:
                    await trio.lowlevel.checkpoint()
                else:
                    await trio.lowlevel.wait_readable(self._epoll)
                self._wake_some()

    def _wake_some(self) -> None:
        woken, found = 0, EVENTS_PER_TURN
        # Polling is cheap: behind thousands of lost sockets there may be a readable one.
        while found == EVENTS_PER_TURN and woken < EVENTS_PER_TURN:
            happened = self._epoll.poll(0, EVENTS_PER_TURN)
            found = len(happened)
            for fd, events in happened:
                if events & PEER_IS_GONE:
                    self._lost.append(fd)
                else:
                    self._wake(fd)
                    woken += 1
        # A socket that was closed and opened anew meanwhile is woken for nothing, and waits on.
        for _ in range(min(LOST_PER_TURN, len(self._lost))):
            self._wake(self._lost.popleft())

    def _wake(self, fd: int) -> None:
        task = self._tasks.pop(fd, None)
        if task is not None:
            trio.lowlevel.reschedule(task)
        elif fd in self._callbacks:
            self._callbacks.pop(fd)()


class TrioPoller:
    """As Trio does it on every platform. It wakes tasks that wait to send as well.

    A watched socket takes a task while `run` runs.
    """

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None
        self._callbacks: dict[stdsocket.socket, Callable[[], None]] = {}

    def add(self, sock: stdsocket.socket) -> None:
        pass

    def wait_readable(self, sock: stdsocket.socket) -> Awaitable[object]:
        return trio.lowlevel.wait_readable(sock)  # noqa: ASYNC105 - the caller awaits it

    def wake(self, sock: stdsocket.socket) -> None:
        trio.lowlevel.notify_closing(sock)

    def watch(self, sock: stdsocket.socket, on_readable: Callable[[], None]) -> None:
        self._callbacks[sock] = on_readable
        if self._nursery is not None:
            self._nursery.start_soon(self._call_when_readable, sock, on_readable)

    def unwatch(self, sock: stdsocket.socket) -> None:
        if self._callbacks.pop(sock, None) is not None:
            # Not by cancelling: the next to wait would still find the socket busy.
            trio.lowlevel.notify_closing(sock)

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as self._nursery:
                for watched in self._callbacks.items():
                    self._nursery.start_soon(self._call_when_readable, *watched)
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def _call_when_readable(
        self, sock: stdsocket.socket, on_readable: Callable[[], None]
    ) -> None:
        try:
            if self._callbacks.get(sock) is on_readable:
                await trio.lowlevel.wait_readable(sock)
        except trio.ClosedResourceError:
            return
        if self._callbacks.get(sock) is on_readable:
            del self._callbacks[sock]
            on_readable()


PLAIN_POLLER = TrioPoller()
"""For a single connection that is not watched; it need not run."""


def open_poller() -> Poller:
    """The leanest that this platform has; `add` the sockets, and have a task in `run`."""
    return EpollPoller() if hasattr(select, "epoll") else TrioPoller()
