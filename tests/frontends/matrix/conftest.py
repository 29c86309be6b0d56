"""Matrix clients of a whole server in this process."""

import json

import attrs
import pytest
import trio

PREFIX = "/_matrix/client/v3"
WITHIN = 5.0


@attrs.define
class MatrixClient:
    """A client of the client-server API that is logged in."""

    server: object
    user: str
    user_id: str
    device: str
    token: str
    since: str | None = None

    async def request(self, method, path, body=None):
        return await self.server.request(method, PREFIX + path, token=self.token, body=body)

    async def sync(self, timeout=0, **query):
        """Sync from where the last one ended; returns the events by sender."""
        if self.since is not None:
            query.setdefault("since", self.since)
        query |= {"timeout": timeout}
        answer = await self.request(
            "GET", "/sync?" + "&".join(f"{key}={value}" for key, value in query.items())
        )
        assert answer.status == 200, answer
        self.since = answer.json["next_batch"]
        events = answer.json["presence"]["events"]
        assert len({event["sender"] for event in events}) == len(events), "each user once"
        return {event["sender"]: event["content"] for event in events}

    async def presences(self, timeout=0, **query):
        """As `sync`; the presences of the others alone."""
        events = await self.sync(timeout, **query)
        return {
            sender: content["presence"]
            for sender, content in events.items()
            if sender != self.user_id
        }

    async def put(self, presence, **body):
        path = f"/presence/{self.user_id}/status"
        return await self.request("PUT", path, {"presence": presence, **body})

    async def get(self, user_id):
        return await self.request("GET", f"/presence/{user_id}/status")


@pytest.fixture
def log_in():
    async def log_in(server, user, device=None):
        body = {"type": "m.login.password", "user": user, "password": "any"}
        if device is not None:
            body["device_id"] = device
        answer = await server.request("POST", f"{PREFIX}/login", body=body)
        assert answer.status == 200, answer
        found = answer.json
        token, user_id = found["access_token"], found["user_id"]
        return MatrixClient(server, user, user_id, found["device_id"], token)

    return log_in


class EventStream:
    """Reads Server-Sent Events of one connection."""

    def __init__(self, stream):
        self._stream = stream
        self._buffer = b""
        self.head = b""

    async def _read_until(self, mark):
        with trio.fail_after(WITHIN):
            while mark not in self._buffer:
                data = await self._stream.receive_some()
                if not data:
                    raise EOFError(self._buffer)
                self._buffer += data
        before, _, self._buffer = self._buffer.partition(mark)
        return before

    async def open(self, path, host, headers=(), version="1.1"):
        lines = [f"GET {path} HTTP/{version}", f"host: {host}", *headers, "", ""]
        await self._stream.send_all("\r\n".join(lines).encode())
        self.head = await self._read_until(b"\r\n\r\n")
        self.is_chunked = b"transfer-encoding: chunked" in self.head.lower()
        return int(self.head.split(b" ")[1])

    async def _chunk(self):
        if not self.is_chunked:
            return await self._read_until(b"\n\n") + b"\n\n"
        size = int(await self._read_until(b"\r\n"), 16)
        with trio.fail_after(WITHIN):
            while len(self._buffer) < size + 2:
                data = await self._stream.receive_some()
                if not data:
                    raise EOFError(self._buffer)
                self._buffer += data
        data, self._buffer = self._buffer[:size], self._buffer[size + 2 :]
        return data

    async def next_event(self):
        """The next event that is no comment: kind, position, data. None at the end."""
        while chunk := await self._chunk():
            if chunk.startswith(b":"):
                continue
            fields = dict(line.split(": ", 1) for line in chunk.decode().strip().split("\n"))
            position = fields.get("id")
            return (
                fields["event"],
                None if position is None else int(position),
                json.loads(fields["data"]),
            )
        return None

    async def next_presence(self):
        """The next event about somebody else, as user and status."""
        while True:
            kind, _, data = await self.next_event()
            if kind == "presence":
                return data["user_id"], data["status"]

    async def aclose(self):
        await self._stream.aclose()


@pytest.fixture
def open_events(nursery):
    """Open an event stream that ends with the test; returns it after its head was read."""

    async def hold(stream, *, task_status):
        async with stream:
            task_status.started()
            await trio.sleep_forever()

    async def open_events(server, user, *, headers=(), version="1.1", receive_buffer=None, **query):
        query = {"user": user, **query}
        path = "/events?" + "&".join(f"{key}={value}" for key, value in query.items())
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", server.port))
        stream = trio.SocketStream(sock)
        await nursery.start(hold, stream)
        events = EventStream(stream)
        status = await events.open(path, f"127.0.0.1:{server.port}", headers, version)
        assert status == 200, events.head
        return events

    return open_events
