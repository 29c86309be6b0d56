"""Clients that wait for changes by a poll, an event stream or a WebSocket, all in one loop.

Each change carries a mark. A client notes when it came, so the way that it
came makes no difference to the measurement.
"""

import base64
import json
import os
import re
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

from bench.child import LoadFailed

Way = Literal["sync", "stream", "gateway"]
WITHIN: Final = 30.0
RECEIVE_BYTES: Final = 1 << 16
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Waiter:
    """One client; `mark` is the newest that it was told of."""

    def __init__(self, port: int, way: Way, token: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.mark = -1
        self._way = way
        self._token = token
        self._buffer = b""
        self._since = ""
        self.is_ready = False

    def begin(self) -> None:
        """Ask for the first time."""
        if self._way == "sync":
            self._poll()
            return
        path = "/events?state=offline" if self._way == "stream" else "/ws?state=offline"
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = (
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            f"sec-websocket-key: {key}\r\n"
        )
        self._send("GET", path, "" if self._way == "stream" else upgrade)

    def _poll(self) -> None:
        since = f"&since={self._since}" if self._since else ""
        self._send("GET", f"/_matrix/client/v3/sync?set_presence=offline&timeout=60000{since}")

    def _send(self, method: str, path: str, headers: str = "") -> None:
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}"
        self.sock.sendall(f"{head}authorization: Bearer {self._token}\r\n\r\n".encode())

    def receive(self) -> None:
        """Take what is there; raises `LoadFailed` where the server ended the connection."""
        data = self.sock.recv(RECEIVE_BYTES)
        if not data:
            raise LoadFailed(f"the server ended a {self._way}: {self._buffer[:200]!r}")
        self._buffer += data
        if self._way == "sync":
            self._take_answer()
            return
        self.is_ready = True
        self._note(self._buffer)
        self._buffer = self._buffer[-16:]  # a mark may be cut in two

    def _take_answer(self) -> None:
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        if length is None or not head.startswith(b"HTTP/1.1 200"):
            raise LoadFailed(f"a poll was answered by {head[:200]!r}")
        if len(body) < int(length[1]):
            return
        self._buffer = b""
        self._since = json.loads(body)["next_batch"]
        self.is_ready = True
        self._note(body)
        self._poll()

    def _note(self, data: bytes) -> None:
        place = data.rfind(b"mark")
        if place >= 0 and len(data) >= place + 12:
            self.mark = max(self.mark, int(data[place + 4 : place + 12]))


class Crowd:
    """All waiters of one measurement, and one more user who changes."""

    def __init__(self, port: int, way: Way, tokens: Sequence[str], publisher: str) -> None:
        self._selector = selectors.DefaultSelector()
        self.waiters = [Waiter(port, way, token) for token in tokens]
        self._publisher = socket.create_connection(("127.0.0.1", port))
        self._publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = publisher
        self._mark = 0
        for waiter in self.waiters:
            self._selector.register(waiter.sock, selectors.EVENT_READ, waiter)

    def close(self) -> None:
        for waiter in self.waiters:
            waiter.sock.close()
        self._publisher.close()
        self._selector.close()

    def bring_up(self) -> None:
        """Let all begin, and wait until each was answered."""
        for waiter in self.waiters:
            waiter.begin()
        self._run_until(lambda: all(waiter.is_ready for waiter in self.waiters))

    def settle(self, seconds: float) -> None:
        """Take what comes for so long."""
        ends_at = time.monotonic() + seconds
        self._run_until(lambda: time.monotonic() >= ends_at)

    def update(self) -> list[int]:
        """Make one change; return after how many ns each was told, in order of arrival."""
        self._mark += 1
        mark, began, latencies = self._mark, time.perf_counter_ns(), list[int]()
        self._change(mark)
        missing = {waiter for waiter in self.waiters if waiter.mark < mark}
        while missing:
            for waiter in self._take():
                if waiter in missing and waiter.mark >= mark:
                    missing.discard(waiter)
                    latencies.append(time.perf_counter_ns() - began)
            if time.perf_counter_ns() - began > WITHIN * 1e9:
                raise LoadFailed(f"{len(missing)} were not told within {WITHIN:.0f} s")
        self._publisher.recv(RECEIVE_BYTES)
        return latencies

    def _change(self, mark: int) -> None:
        body = json.dumps({"status": "online", "custom_status": f"mark{mark:08}"})
        self._publisher.sendall(
            (
                "PATCH /users/@me HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                f"authorization: Bearer {self._token}\r\ncontent-length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )

    def _take(self) -> list[Waiter]:
        ready = [key.data for key, _ in self._selector.select(0.1)]
        for waiter in ready:
            waiter.receive()
        return ready

    def _run_until(self, is_over: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + WITHIN
        while not is_over():
            self._take()
            if time.monotonic() > ends_at:
                raise LoadFailed(f"not all waited within {WITHIN:.0f} s")
