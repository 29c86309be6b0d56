"""How the suite is spread over the cores; listeners on free ports, and a client of plain bytes."""

import gc
import math
import os
from collections import Counter
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import settings
from server_process import serve_in
from websocket_client import WebSocketClient

from presence.errors import TokenProblem, TokenRefused
from presence.frontends.authentication import Authentication
from presence.frontends.socket_times import SocketTimes
from presence.frontends.user_limit import UserLimit
from presence.frontends.voiceping.line_listener import LineListener, LineSettings
from presence.live.claims import Claims
from presence.live.clock import Clock
from presence.transport.admission import RequestRates
from presence.transport.context import ServerContext
from presence.transport.http.request import (
    Response,
    error_response,
    json_response,
    render_json_error,
)
from presence.transport.http_listener import HttpListener
from presence.transport.limits import NetLimits
from presence.transport.sockets.stream import SocketEnded
from presence.transport.tcp_listener import TcpListener
from presence.transport.websocket.upgrade import Admitted

SLOW_FOLDERS = ("end_to_end", "bench", "web")
"""Folders whose tests start processes; the tests of each run one after another."""


# How long an example takes depends on who else runs on the machine.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_xdist_auto_num_workers(config):
    """Two workers a core: most tests that last wait for a clock or a socket."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items):
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in SLOW_FOLDERS:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group(folder))


@attrs.define
class Echo:
    """A route that admits to /ws and echoes; remembers its sockets and how they ended."""

    sockets: list = attrs.field(factory=list)
    ends: list = attrs.field(factory=list)
    subprotocol: str | None = None

    async def admit(self, request):
        if request.path != "/ws":
            return error_response(404, "not found")
        return Admitted(self.subprotocol, self.serve)

    async def serve(self, socket):
        self.sockets.append(socket)
        try:
            while True:
                message = await socket.receive()
                payload = message.encode() if isinstance(message, str) else message
                socket.stream.push(bytes((0x81, len(payload))) + payload)
        except SocketEnded as end:
            self.ends.append(end.is_clean)


@attrs.define
class Running:
    """A listener that serves."""

    listener: TcpListener
    port: int
    crashes: list
    counts: Counter
    route: object
    clients: list = attrs.field(factory=list)

    async def connect(self):
        client = WebSocketClient(await trio.open_tcp_stream("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def wait_until(self, claim):
        with trio.fail_after(5):
            while not claim():  # noqa: ASYNC110 - the claim is about another task's plain state
                await trio.sleep(0.01)

    async def end(self):
        self.listener.stop_accepting()
        self.listener.end_connections(0)
        for client in self.clients:
            await trio.aclose_forcefully(client.stream)


class PipeSession:
    """Reads the lines of one pipe, until its end."""

    def __init__(self, claims, pipe):
        self.claims = claims
        self.pipe = pipe
        self.lines = []
        self.end = None

    async def run(self):
        try:
            while True:
                line = await self.pipe.receive()
                self.lines.append(line)
        except SocketEnded as end:
            self.end = end.with_traceback(None)  # which knows the session


@attrs.define
class RunningPipes(Running):
    """A line listener that serves; a token `good-7` lets user 7 in."""

    sessions: list = attrs.field(factory=list)

    def serve_session(self, claims, pipe):
        self.sessions.append(PipeSession(claims, pipe))
        return self.sessions[-1].run()

    def devices_of(self, user_id):
        open_ones = [each.claims for each in self.sessions if each.end is None]
        return [claims.device for claims in open_ones if claims.user_id == user_id]

    async def log_in(self, token="good-7", *lines, is_slow=False):
        """Connect and send the token, and *lines* with it; return the client and its session.

        The kernel of a slow one takes little of what it does not read.
        """
        count = len(self.sessions)
        client = await (self._connect_slowly() if is_slow else self.connect())
        await client.send(b"".join(line.encode() + b"\n" for line in (f"token:{token}", *lines)))
        await self.wait_until(lambda: len(self.sessions) > count)
        return client, self.sessions[-1]

    async def _connect_slowly(self):
        sock = trio.socket.socket()
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        await sock.connect(("127.0.0.1", self.port))
        self.clients.append(WebSocketClient(trio.SocketStream(sock)))
        return self.clients[-1]


def verify_good(token, now):
    """A token lets in if it is good, whom it names behind that; for ever."""
    if not token.startswith("good-"):
        raise TokenRefused(TokenProblem.MALFORMED)
    return Claims(token.removeprefix("good-").rstrip("-"), expires_at=math.inf, issued_at=now)


async def echo_request(request):
    """Answer with what was understood of the request."""
    return json_response(
        200,
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "body": (await request.body.read()).decode(),
            "peer": request.peer,
        },
    )


@pytest.fixture
def small_heap():
    """The collector looks only at what is made after this: what other tests left is frozen."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def open_http_listener(nursery):
    """Start an HTTP listener with these limits; it ends with the test."""
    listeners = []

    async def start(
        *, answer=echo_request, route=None, count_refused=None, render_error=None, **limits
    ):
        crashes, counts = [], Counter()
        route = route or Echo()
        site = ServerContext(
            answer=answer,
            sockets=route,
            on_crash=crashes.append,
            count=lambda name: counts.update([name]),
            count_refused=count_refused or (lambda peer: None),
            render_error=render_error or (lambda request, error: render_json_error(error)),
            limits=NetLimits(**limits),
        )
        listener = HttpListener(site)
        port = await nursery.start(partial(listener.serve, "127.0.0.1", 0))
        listeners.append(Running(listener, port, crashes, counts, route))
        return listeners[-1]

    yield start
    for listener in listeners:
        await listener.end()


@pytest.fixture
async def open_line_listener(nursery):
    """Start a line listener with these limits; it ends with the test."""
    listeners = []

    async def start(*, times=None, max_connections_per_user=0, serve_session=None, **limits):
        crashes, counts = [], Counter()
        site = ServerContext(
            answer=echo_request,
            sockets=Echo(),
            on_crash=crashes.append,
            count=lambda name: counts.update([name]),
            limits=NetLimits(**limits),
        )
        running = RunningPipes(None, 0, crashes, counts, site)
        plan = LineSettings(
            Authentication(
                verify_good,
                lambda claims: claims.user_id == "revoked",
                RequestRates(0, 0),
                Clock().now,
                is_development=site.limits.is_development,
                on_refused=lambda reason: counts.update([f"token {reason}"]),
            ),
            UserLimit(
                max_connections_per_user,
                0,
                running.devices_of,
                lambda: counts.update(["user_limit"]),
            ),
            times or SocketTimes(),
            serve_session or running.serve_session,
        )
        running.listener = LineListener(site, plan)
        running.port = await nursery.start(partial(running.listener.serve, "127.0.0.1", 0))
        listeners.append(running)
        return running

    yield start
    for listener in listeners:
        await listener.end()


@pytest.fixture
def echo_route():
    return Echo


@pytest.fixture
def empty_response():
    return Response(204)


@pytest.fixture(scope="session")
def open_server():
    """As `serving`, for fixtures that live longer: the directory is given."""
    return serve_in


@pytest.fixture
def serving(tmp_path):
    """`with serving(grace_after=1) as server:` runs a server with these settings."""

    def open_serving(**settings):
        return serve_in(tmp_path, **settings)

    return open_serving
