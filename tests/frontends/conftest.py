"""A whole server in the test's own process, and clients that speak to it over real sockets."""

import json
import math
import time

import attrs
import h11
import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, wrap_client_stream

from actors.broadcast import round_pacer
from presence.adapters.secret_key import open_secret
from presence.adapters.tokens import issue_token
from presence.config import Config
from presence.live.service import PresenceService
from presence.wiring import open_server

WITHIN = 5.0
QUIET_AFTER = 0.01
HEARTBEAT = {"op": "HEARTBEAT"}
UPGRADE = (
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEA=="),
)
ACK = {"op": "HEARTBEAT_ACK"}


@attrs.frozen
class Answer:
    """One HTTP answer; header names in lower case, `date` left out."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The sentence of an error answer."""
        assert dict(self.headers)["content-type"] == "application/json"
        assert list(self.json) == ["error"]
        return self.json["error"]

    def header(self, name):
        return dict(self.headers).get(name)


class Client:
    """One WebSocket client of the Together gateway."""

    def __init__(self, connection, stream, quiet):
        self.connection = connection
        self._stream = stream
        self._quiet = quiet

    async def receive(self):
        """The next frame, as JSON."""
        with trio.fail_after(WITHIN):
            return json.loads(await self.connection.get_message())

    async def send(self, frame):
        with trio.fail_after(WITHIN):
            await self.connection.send_message(
                frame if isinstance(frame, str | bytes) else json.dumps(frame)
            )

    async def update(self, **data):
        """Send a PRESENCE_UPDATE and wait until nothing moves: the next one merges with none."""
        await self.send({"op": "PRESENCE_UPDATE", "d": data})
        await self._quiet()

    async def rest(self):
        """Every frame up to now: waits until nothing moves, then asks for an answer."""
        await self._quiet()
        await self.send(HEARTBEAT)
        frames = []
        while (frame := await self.receive()) != ACK:
            frames.append(frame)
        return frames

    async def presence_of(self, user_id):
        """The statuses that came since, of another user, in order; skips everything else."""
        return [
            frame["d"]["status"]
            for frame in await self.rest()
            if frame.get("t") == "PRESENCE_UPDATE" and frame["d"]["user_id"] == user_id
        ]

    async def self_views(self):
        """The self views that came since, in order; skips everything else."""
        return [
            frame["d"]
            for frame in await self.rest()
            if frame.get("t") == "PRESENCE_UPDATE" and "id" in frame["d"]
        ]

    async def next_of(self, event):
        """The data of the next frame of this event; skips everything before it."""
        while (frame := await self.receive()).get("t") != event:
            pass
        return frame["d"]

    async def close_code(self):
        """Wait for the server's goodbye."""
        with trio.fail_after(WITHIN):
            while True:
                try:
                    await self.connection.get_message()
                except ConnectionClosed as closed:
                    return closed.reason and closed.reason.code

    async def leave(self, code=1000):
        """Say goodbye; a browser's `close()` does so without a code."""
        await self.connection.aclose(code=code)
        await self._quiet()

    async def leave_without_code(self):
        await self.leave(code=None)

    async def vanish(self):
        """Go without a goodbye."""
        await trio.aclose_forcefully(self._stream)
        await self._quiet()


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
                return await _exchange(stream, method, path, fields, data or b"")

    async def patch(self, user, **changes):
        return await self.request("PATCH", "/users/@me", user=user, body=changes)

    # -- the gateway -------------------------------------------------------------------------

    async def open(self, resource, **options):
        """Open a WebSocket that ends with the test."""
        with trio.fail_after(WITHIN):
            return await self._clients.start(self._hold_socket, resource, options)

    async def _hold_socket(self, resource, options, *, task_status):
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream, trio.open_nursery() as nursery:
            host = f"127.0.0.1:{self.port}"
            connection = await wrap_client_stream(
                nursery, stream, host, resource, message_queue_size=1000, **options
            )
            task_status.started(Client(connection, stream, self.quiet))
            await trio.sleep_forever()

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
        """What others see of a user, 404 for one they may not see."""
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


async def _exchange(stream, method, path, fields, data):
    client = h11.Connection(h11.CLIENT)
    await stream.send_all(
        client.send(h11.Request(method=method, target=path, headers=fields))
        + client.send(h11.Data(data=data))
        + client.send(h11.EndOfMessage())
    )
    head, body = None, b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
        if event is h11.NEED_DATA:
            client.receive_data(await stream.receive_some(65536))
        elif isinstance(event, h11.Response | h11.InformationalResponse):
            head = event
            if head.status_code == 101:
                break
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    headers = tuple(
        (name.decode(), value.decode()) for name, value in head.headers if name != b"date"
    )
    return Answer(head.status_code, headers, body)


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
