"""A whole server in the test's own process, and clients that speak to it over real sockets."""

import json
import math
import time

import pytest
import trio
from event_stream_client import EventStreamClient
from http_client import exchange
from together_client import TogetherClient
from trio.testing import wait_all_tasks_blocked
from trio_websocket import wrap_client_stream
from websocket_client import WebSocketClient

from actors.broadcast import round_pacer
from presence.adapters.secret_key import open_secret
from presence.adapters.tokens import issue_token
from presence.config import Config
from presence.errors import StoreUnavailable
from presence.frontends.together import routes
from presence.live.service import PresenceService
from presence.wiring import open_server

WITHIN = 5.0
QUIET_AFTER = 0.01
UPGRADE = (
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEA=="),
)


class RunningServer:
    """The whole server with these settings, on a free port."""

    def __init__(self, config, server, ports, clients, life):
        self.config = config
        self.node, self.service = server.node, PresenceService(server.node)
        self.listeners = [port.listener for port in server.listeners]
        self.counters = server.counters
        self.port, self.pipe_port = ports.http, ports.pipe
        self.stop, self.crash = life.stop, life.crash
        self._clients = clients

    # -- tokens ------------------------------------------------------------------------------

    def token(self, user, *, ttl=900.0, issued_ago=0.0, **claims):
        """A token as `presence token` would sign it."""
        now = time.time() - issued_ago
        secret = open_secret(self.config.data)
        return issue_token(secret.key, user, now=now, ttl=ttl + issued_ago, **claims)

    def admin(self):
        return self.token("root", is_admin=True)

    # -- HTTP --------------------------------------------------------------------------------

    async def request(
        self, method, path, *, user=None, token=None, body=None, headers=(), host="127.0.0.1"
    ):
        """Send one request on a connection of its own."""
        if user is not None:
            path += f"{'&' if '?' in path else '?'}user={user}"
        connection = "upgrade" if "upgrade" in dict(headers) else "close"
        fields = [("host", f"{host}:{self.port}"), ("connection", connection), *headers]
        if token is not None:
            fields.append(("authorization", f"Bearer {token}"))
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            fields.append(("content-length", str(len(data))))
        with trio.fail_after(2 * WITHIN):
            async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                return await exchange(stream, method, path, fields, data or b"")

    async def administer(self, method, path, body=None):
        """Send a request of administration, which must be carried out and stored."""
        answer = await self.request(method, path, token=self.admin(), body=body)
        assert (answer.status, answer.body) == (204, b""), answer
        assert answer.header("presence-persisted") is None

    async def patch(self, user, **changes):
        return await self.request("PATCH", "/users/@me", user=user, body=changes)

    # -- the gateway -------------------------------------------------------------------------

    async def open(self, resource, *, extra_headers=(), **options):
        """Open a WebSocket that ends with the test."""
        options["extra_headers"] = [
            (name.encode(), value.encode()) for name, value in extra_headers
        ]
        with trio.fail_after(WITHIN):
            return await self._clients.start(self._hold_socket, resource, options)

    async def _hold_socket(self, resource, options, *, task_status):
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream, trio.open_nursery() as nursery:
            host = f"127.0.0.1:{self.port}"
            connection = await wrap_client_stream(
                nursery, stream, host, resource, message_queue_size=1000, **options
            )
            task_status.started(TogetherClient(connection, stream, self.quiet))
            await trio.sleep_forever()

    async def open_mute(self, resource):
        """Open a WebSocket whose client answers nothing; the test ends it."""
        client = WebSocketClient(await trio.open_tcp_stream("127.0.0.1", self.port))
        assert (await client.upgrade(resource))[0] == 101
        return client

    async def open_pipe(self):
        """A TCP connection to the pipe's port that ends with the test."""
        with trio.fail_after(WITHIN):
            return await self._clients.start(self._hold_pipe)

    async def _hold_pipe(self, *, task_status):
        async with await trio.open_tcp_stream("127.0.0.1", self.pipe_port) as stream:
            task_status.started(stream)
            await trio.sleep_forever()

    async def join(self, user, **query):
        """Open a WebSocket as *user* of development mode; returns the client and READY's data."""
        extra = "".join(f"&{key}={value}" for key, value in query.items())
        client = await self.open(f"/ws?user={user}{extra}")
        ready = await client.receive()
        assert (ready["op"], ready["t"]) == ("DISPATCH", "READY")
        return client, ready["d"]

    async def connect(self, user, **query):
        """As `join`; returns the client alone."""
        client, _ = await self.join(user, **query)
        return client

    async def connect_with(self, token, **query):
        """As `connect`, by a token."""
        extra = "".join(f"&{key}={value}" for key, value in query.items())
        client = await self.open(f"/ws?token={token}{extra}")
        await client.receive()
        return client

    async def refusal(self, resource, *headers, **options):
        """The plain answer to an upgrade that is refused."""
        answer = await self.request("GET", resource, headers=(*UPGRADE, *headers), **options)
        assert answer.status != 101
        return answer

    # -- from within -------------------------------------------------------------------------

    @property
    def store(self):
        """The store behind the writer, which has no other name: the product never asks for it."""
        return self.node.writer._store

    def forget_view(self, user):
        """Drop what was read of a user, which else only eviction does."""
        self.node.public_views._others.forget(user)

    # -- looking -----------------------------------------------------------------------------

    async def quiet(self):
        """Wait until nothing moves any more, and no user's actor waits for the store."""
        with trio.fail_after(WITHIN):
            await wait_all_tasks_blocked(QUIET_AFTER)
            while self.node.users.statistics().working:
                await wait_all_tasks_blocked(QUIET_AFTER)

    async def until(self, claim):
        """Wait until *claim*, about the server's state, is true."""
        with trio.fail_after(WITHIN):
            while not claim():  # noqa: ASYNC110 - the claim is about another task's plain state
                await trio.sleep(0.01)

    async def status_of(self, user, *, seen_by="onlooker"):
        """The status that others see of a user, 404 for an invisible one."""
        answer = await self.request("GET", f"/users/{user}", user=seen_by)
        return answer.json["status"] if answer.status == 200 else answer.status

    async def wait_status(self, user, status):
        """Wait until others see *user* so."""
        with trio.fail_after(WITHIN):
            while await self.status_of(user) != status:  # noqa: ASYNC110 - asked over HTTP
                await trio.sleep(0.02)

    def counted(self, metric, **labels):
        """The value of a counter."""
        inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
        name = f"{metric}_total" + (f"{{{inner}}}" if inner else "")
        for line in self.counters.render().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0


class Life:
    """How a server is ended."""

    def __init__(self):
        self.stopping = trio.Event()
        self.scope = trio.CancelScope()
        self.over = trio.Event()

    async def stop(self):
        """Drain, as after SIGTERM."""
        self.stopping.set()
        await self.over.wait()

    async def crash(self):
        """End at once; what was not committed is lost."""
        self.scope.cancel()
        await self.over.wait()


async def _live(config, life, clients, *, task_status):
    try:
        with life.scope:
            async with open_server(config) as server:

                def note_ready(ports):
                    task_status.started(RunningServer(config, server, ports, clients, life))

                await server.run(note_ready, life.stopping)
    finally:
        life.over.set()


@pytest.fixture
async def start_server(nursery, tmp_path, monkeypatch):
    """Start a server with these settings, in development mode unless they say otherwise.

    All servers of a test share its data directory. However busy the machine,
    they let no update wait for what may come besides: it could be a newer one.
    """
    monkeypatch.setattr(round_pacer, "BUSY_TURN", math.inf)
    lives = []
    async with trio.open_nursery() as clients:

        async def start(**settings):
            settings = {"port": 0, "pipe_port": "off", "data": tmp_path / "data"} | settings
            life = Life()
            lives.append(life)
            return await nursery.start(_live, Config(**settings), life, clients)

        yield start
        clients.cancel_scope.cancel()
    for life in lives:
        await life.crash()


@pytest.fixture
async def server(start_server):
    """A server with default settings but for the limits that tests run into by accident."""
    return await start_server(max_requests_per_second=0)


@pytest.fixture
def break_store(monkeypatch):
    """Let each write of a server fail, until `monkeypatch.undo()`."""

    async def write(batch):
        raise StoreUnavailable("disk full")

    def fail(server):
        monkeypatch.setattr(routes, "PERSISTED_WITHIN", 0.05)
        monkeypatch.setattr(server.store, "write", write)

    return fail


@pytest.fixture
def open_events(nursery):
    """Open an event stream that ends with the test; returns it after its head was read."""

    async def hold(stream, *, task_status):
        async with stream:
            task_status.started()
            await trio.sleep_forever()

    async def open_events(
        server,
        user,
        *,
        path="/events",
        token=None,
        headers=(),
        version="1.1",
        receive_buffer=None,
        **query,
    ):
        query = {"user": user, **query} if token is None else {"token": token, **query}
        path += "?" + "&".join(f"{key}={value}" for key, value in query.items())
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", server.port))
        stream = trio.SocketStream(sock)
        await nursery.start(hold, stream)
        events = EventStreamClient(stream)
        status = await events.open(path, f"127.0.0.1:{server.port}", headers, version)
        assert status == 200, events.head
        return events

    return open_events
