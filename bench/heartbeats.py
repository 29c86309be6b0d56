"""The probe's process: a heartbeat every few ms on one WebSocket, and how long each answer took.

Run as `python -m bench.heartbeats PORT PATH`. It says that it is ready, then
obeys lines of standard input, each answered by one line of JSON:

    begin    forget what was measured until now
    end      wait for the last answer, then tell what was measured

A wait begins before the `send` of a heartbeat and ends when the kernel put the
answer into the socket, by the kernel's own stamp (SO_TIMESTAMPNS): over
loopback that happens on the server's core, so a probe that must wait for its
own core adds nothing. How late it came to read is told apart.

One heartbeat is under way at a time, or answers that were read together would
share a stamp. A long wait hides the heartbeats that would have begun meanwhile,
so the histogram counts these too, each with what was left of the wait.
"""

import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Ping, Request, TextMessage

from bench.results import bucket_of

EVERY: Final = 0.005
"""Seconds from one heartbeat to the next; a stall is known up to this."""
ANSWER_WITHIN: Final = 120.0
NICE: Final = -10
"""Where that is allowed, before the load client, which shares its core."""
_TIMESTAMPNS: Final = 35
_STAMP: Final = struct.Struct("@ll")
_BEAT: Final = TextMessage('{"op":"HEARTBEAT"}')
_ACK: Final = '{"op":"HEARTBEAT_ACK"}'


def filled(wait: int, every: int) -> Iterator[int]:
    """*wait*, then what each heartbeat would have waited that it kept from beginning, in ns."""
    yield wait
    yield from range(wait - every, every, -every)


class Heart:
    """The connection of the probe."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # without stamps the clock of the reader has to do
            self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        self._websocket = WSConnection(ConnectionType.CLIENT)
        self._is_open = False
        self._send(Request(host=f"127.0.0.1:{port}", target=path))
        while not self._is_open:
            self._act_on(*self._receive())
        self._sent_at = 0  # 0: none is under way
        self._next_at = time.monotonic()
        self.begin()

    def begin(self) -> dict[str, Any]:
        self._waits: Counter[int] = Counter()
        self._longest = self._latest = self._beats = 0
        return {}

    def obey_all(self) -> None:
        """Beat until standard input ends."""
        while True:
            ready = self._turn([self._socket, sys.stdin])
            if sys.stdin in ready:
                line = sys.stdin.readline().strip()
                if not line:
                    return
                told = self.begin() if line == "begin" else self.end()
                print(json.dumps(told), flush=True)

    def wait_answer(self) -> None:
        """Send a heartbeat if none is under way; return when the answer is there."""
        self._next_at = 0.0
        self._turn([])
        self.end()

    def end(self) -> dict[str, Any]:
        while self._sent_at:
            self._turn([self._socket])
        return {
            "beats": self._beats,
            "longest_ns": self._longest,
            "latest_read_ns": self._latest,
            "waits": sorted(self._waits.items()),
        }

    def _turn(self, sources: list[Any]) -> list[Any]:
        """Send what is due, wait for *sources* until the next is; read the answer."""
        now = time.monotonic()
        if not self._sent_at and now >= self._next_at:
            self._next_at = now + EVERY
            beat = self._websocket.send(_BEAT)
            self._sent_at = time.time_ns()
            self._socket.sendall(beat)
        wait = ANSWER_WITHIN if self._sent_at else max(0.0, self._next_at - now)
        ready = select.select(sources, [], [], wait)[0] if sources else []
        if self._sent_at and sources and not ready:
            sys.exit(f"no answer to a heartbeat within {ANSWER_WITHIN:.0f} s")
        if self._socket in ready:
            self._act_on(*self._receive())
        return ready

    def _receive(self) -> tuple[bytes, int]:
        """Take what came; returns it, and when it came, in ns of the wall clock."""
        data, more, _, _ = self._socket.recvmsg(1 << 16, 64)
        if not data:
            sys.exit("the server ended the connection of the probe")
        for level, kind, value in more:
            if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMPNS):
                seconds, ns = _STAMP.unpack(value)
                return data, int(seconds) * 1_000_000_000 + int(ns)
        return data, time.time_ns()

    def _act_on(self, data: bytes, came_at: int) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events():
            match event:
                case AcceptConnection():
                    self._is_open = True
                case Ping():
                    self._send(event.response())
                case TextMessage():
                    if event.data == _ACK:
                        self._note(came_at)
                case _:
                    sys.exit(f"the server ended the connection of the probe: {event}")

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._websocket.send(event))

    def _note(self, came_at: int) -> None:
        wait, self._sent_at = max(0, came_at - self._sent_at), 0
        self._beats += 1
        self._longest = max(self._longest, wait)
        self._latest = max(self._latest, time.time_ns() - came_at)
        for each in filled(wait, int(EVERY * 1e9)):
            self._waits[bucket_of(each)] += 1


def main() -> None:
    """Connect, say so after the first answer, then obey."""
    with contextlib.suppress(OSError):
        os.nice(NICE)
    heart = Heart(int(sys.argv[1]), sys.argv[2])
    heart.wait_answer()
    print("{}", flush=True)
    heart.obey_all()


if __name__ == "__main__":
    main()
