"""The process that asks: HTTP requests over kept connections, each answer checked.

Run as `python -m bench.callers PLAN PORT SERVER_PID SECONDS`. PLAN is a file
of JSON: for each connection the requests that it sends again and again, one
after another, each once the last is answered, without a pause. It prints one
line of JSON and ends.

It is in Python, on bare sockets: a request costs it a tenth of what the server
needs to answer one. Where it does not keep up its share of the core says so.
"""

import json
import resource
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from bench.machine import cpu_seconds
from bench.requests import Asked, find_answer
from bench.results import bucket_of

ANSWER_WITHIN: Final = 10.0
WARM_UP: Final = 0.25


@attrs.define(eq=False)
class Caller:
    """One connection, and what it asks in turn."""

    socket: socket.socket
    turns: "deque[tuple[Asked, bytes]]"
    unread: bytes = b""
    sent_at: int = 0

    def ask(self) -> None:
        self.sent_at = time.monotonic_ns()
        self.socket.sendall(self.turns[0][1])

    def hear(self) -> tuple[int, bytes] | None:
        """Read what came; the whole answer once it is there. Raises `OSError` at the end."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the server ended the connection")
        self.unread += data
        found = find_answer(self.unread)
        if found is None:
            return None
        status, body, size = found
        self.unread = self.unread[size:]
        return status, body


class Callers:
    """All connections, and what was counted since `begin`."""

    def __init__(self, plan: Sequence[Sequence[Asked]], port: int) -> None:
        self._poll = select.epoll()
        self._callers: dict[int, Caller] = {}
        self._wrong = self._unanswered = 0
        self._begin()
        for asked in plan:
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = Caller(sock, deque((each, each.to_bytes(port)) for each in asked))
            self._callers[sock.fileno()] = caller
            self._poll.register(sock, select.EPOLLIN)

    def _begin(self) -> None:
        self._waits: Counter[int] = Counter()
        self._requests = 0

    def run(self, seconds: float) -> None:
        """Keep a request of each caller outstanding; every one is answered at the end."""
        self._begin()
        deadline = time.monotonic() + seconds
        outstanding = len(self._callers)
        for caller in self._callers.values():
            caller.ask()
        while outstanding:
            ready = self._poll.poll(ANSWER_WITHIN)
            if not ready:
                self._unanswered += outstanding
                return
            for fileno, _ in ready:
                caller = self._callers[fileno]
                if not self._hear(caller):
                    continue
                if fileno in self._callers and time.monotonic() < deadline:
                    caller.ask()
                else:
                    outstanding -= 1

    def _hear(self, caller: Caller) -> bool:
        """Read from *caller*; returns whether its request is over, answered or not."""
        try:
            heard = caller.hear()
        except (OSError, ValueError):
            self._unanswered += 1
            del self._callers[caller.socket.fileno()]
            caller.socket.close()
            return True
        if heard is None:
            return False
        self._waits[bucket_of(time.monotonic_ns() - caller.sent_at)] += 1
        self._requests += 1
        self._wrong += not caller.turns[0][0].is_answered_by(*heard)
        caller.turns.rotate(-1)
        return True

    def told(self) -> dict[str, Any]:
        return {
            "requests": self._requests,
            "wrong": self._wrong,
            "unanswered": self._unanswered,
            "waits": sorted(self._waits.items()),
        }


def main() -> None:
    """Warm up, measure, tell."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    file, port, server_pid, seconds = sys.argv[1:]
    lines = json.loads(Path(file).read_text(encoding="utf-8"))
    plan = [[Asked(**each) for each in asked] for asked in lines]
    callers = Callers(plan, int(port))
    callers.run(min(WARM_UP, float(seconds)))
    server_cpu, own_cpu = cpu_seconds(int(server_pid)), time.process_time()
    began = time.monotonic()
    callers.run(float(seconds))
    wall = time.monotonic() - began
    figures = {
        "wall_s": wall,
        "server_cpu_s": cpu_seconds(int(server_pid)) - server_cpu,
        "client_share": (time.process_time() - own_cpu) / wall,
    }
    print(json.dumps({**callers.told(), **figures}), flush=True)


if __name__ == "__main__":
    main()
