"""The load client where no C compiler is at hand: the same plan, commands and answers.

It works thousands of times less per second than `native/load/` and shares
its core with nobody's patience: right for checks, wrong for times.
"""

import contextlib
import json
import resource
import selectors
import socket
import struct
import sys
import time
from collections import Counter, deque
from typing import Any, Final

import attrs

from bench.machine import cpu_seconds
from bench.results import bucket_of

CHUNK: Final = 1 << 16
SLOW_WINDOW: Final = 4096
TICK: Final = 0.05
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
MASK: Final = bytes((0x37, 0xFA, 0x21, 0x3D))
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
CHECKS: Final = (
    "lost", "duplicated", "out_of_order", "leaked", "garbled", "stale", "disconnected",
)  # fmt: skip
COUNTS: Final = (
    "deliveries", "to_publishers", "to_slow", "merged", "others", "bytes", "cut",
    "reads", "waiting",
)  # fmt: skip


@attrs.define(eq=False)
class Peer:
    """One connection of the plan."""

    kind: str
    audiences: frozenset[int]
    path: str
    socket: "socket.socket | None" = None
    phase: str = "closed"  # connecting, upgrading, greeted soon, open
    is_watched: bool = False
    unread: bytes = b""
    opened_at: int = 0
    seen: dict[int, int] = attrs.field(factory=dict)
    version: dict[int, int] = attrs.field(factory=dict)

    @property
    def reads_badly(self) -> bool:
        return self.kind in "SD"


@attrs.define(eq=False)
class Publisher:
    peer: Peer
    number: int = 0
    waiting_for: int = 0
    sent_at: int = 0


class Client:
    """All connections, and what was counted since the last command began."""

    def __init__(self, plan: str, port: int, server_pid: int, options: list[str]) -> None:
        self._port = port
        self._server_pid = server_pid
        self._greets = "greets" in options
        self._wraps = "wraps" in options
        self._peers = [_read_line(line) for line in plan.splitlines()]
        self._publishers = [Publisher(peer) for peer in self._peers if peer.kind == "P"]
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._count: Counter[str] = Counter()
        self._histograms: dict[str, Counter[int]] = {}
        self._done: deque[int] = deque()
        self._ready_at: list[int] = []
        self._began = 0
        self._failed = 0

    # -- commands ----------------------------------------------------------------------------

    def obey_all(self) -> None:
        """Obey each line of standard input; between them answer the server's pings."""
        while True:
            if self._turn(None):
                line = sys.stdin.readline()
                if not line:
                    return
                name, *words = line.split()
                self._count.clear()
                self._histograms = {"each": Counter(), "last": Counter(), "ready": Counter()}
                self._say(getattr(self, f"obey_{name}")(*words))

    def obey_open(self, first: str, count: str, at_once: str, seconds: str) -> dict[str, Any]:
        waiting = deque(self._peers[int(first) : int(first) + int(count)])
        self._ready_at, self._failed = [], 0
        before = self._start_clocks()
        deadline = time.monotonic() + float(seconds)
        while len(self._ready_at) + self._failed < int(count) and time.monotonic() < deadline:
            under_way = int(count) - len(waiting) - len(self._ready_at) - self._failed
            if waiting and under_way < int(at_once):
                self._connect(waiting.popleft())
                self._turn(0)
            else:
                self._turn(TICK)
        opened = len(self._ready_at)
        return {
            "opened": opened,
            "failed": int(count) - opened,
            **self._stop_clocks(before),
            "ready_at_ns": self._ready_at,
            **self._show("ready"),
        }

    def obey_drop(self, first: str, count: str, how: str) -> dict[str, Any]:
        dropped = 0
        for peer in self._peers[int(first) : int(first) + int(count)]:
            if peer.socket is not None:
                dropped += 1
                if how == "clean":
                    self._send(peer, CLOSE, struct.pack("!H", 1000))
                else:
                    linger = struct.pack("ii", 1, 0)
                    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._end(peer)
        return {"dropped": dropped}

    def obey_run(
        self, w: str, pool: str, seconds: str, slow_bytes: str, lost_after: str
    ) -> dict[str, Any]:
        idle, outstanding, rounds = deque(range(int(pool))), 0, 0
        self._done.clear()
        before = self._start_clocks()
        heard_at = time.monotonic()
        deadline = heard_at + float(seconds)
        slow_at = 0.0
        while outstanding or time.monotonic() < deadline:
            while outstanding < int(w) and idle and time.monotonic() < deadline:
                outstanding += 1
                self._publish(idle.popleft())
            came = self._count["bytes"]
            self._turn(TICK)
            now = time.monotonic()
            if self._count["bytes"] != came:
                heard_at = now
            if float(slow_bytes) and now >= slow_at:
                slow_at = now + TICK
                self._read_slowly(int(float(slow_bytes) * TICK))
            while self._done:
                idle.append(self._done.popleft())
                outstanding, rounds = outstanding - 1, rounds + 1
            if self._count["disconnected"] or now - heard_at > float(lost_after):
                break
        clocks = self._stop_clocks(before)
        self._turn(TICK)  # a second copy would come now
        for publisher in self._publishers:
            self._count["lost"] += publisher.waiting_for
            publisher.waiting_for = 0
        return {"rounds": rounds, **clocks, **self._show("each"), **self._show("last")}

    def obey_settle(self, seconds: str) -> dict[str, Any]:
        began = quiet_since = time.monotonic()
        for peer in self._peers:
            if peer.phase == "open":
                self._watch(peer, selectors.EVENT_READ)
        while time.monotonic() - quiet_since < float(seconds):
            came = self._count["bytes"]
            self._turn(TICK)
            if self._count["bytes"] != came:
                quiet_since = time.monotonic()
        for peer in self._peers:
            if peer.phase == "open" and peer.kind != "P":
                self._count["stale"] += sum(
                    peer.seen.get(number, 0) != publisher.number
                    for number, publisher in enumerate(self._publishers)
                    if peer.audiences & publisher.peer.audiences
                )
            if peer.reads_badly:
                self._watch(peer, 0)
        is_open = sum(peer.phase == "open" for peer in self._peers)
        return {"open": is_open, "wall_ns": int((time.monotonic() - began) * 1e9)}

    def obey_server(self, pid: str) -> dict[str, Any]:
        self._server_pid = int(pid)
        return {"server": self._server_pid}

    # -- connections -------------------------------------------------------------------------

    def _connect(self, peer: Peer) -> None:
        peer.opened_at = time.monotonic_ns()
        peer.socket = socket.socket()
        peer.socket.setblocking(False)
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if peer.reads_badly:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_WINDOW)
        peer.phase = "connecting"
        with contextlib.suppress(BlockingIOError):
            peer.socket.connect(("127.0.0.1", self._port))
        self._watch(peer, selectors.EVENT_WRITE)

    def _ask_for_upgrade(self, peer: Peer) -> None:
        assert peer.socket is not None
        peer.phase = "upgrading"
        self._watch(peer, selectors.EVENT_READ)
        request = (
            f"GET {peer.path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        try:
            peer.socket.sendall(request.encode())
        except OSError:
            self._end(peer)

    def _watch(self, peer: Peer, events: int) -> None:
        assert peer.socket is not None or not peer.is_watched
        if peer.is_watched and peer.socket is not None:
            self._selector.unregister(peer.socket)
        if events and peer.socket is not None:
            self._selector.register(peer.socket, events, peer)
        peer.is_watched = bool(events)

    def _end(self, peer: Peer) -> None:
        if peer.socket is None:
            return
        self._failed += peer.phase != "open"
        self._watch(peer, 0)
        peer.socket.close()
        peer.socket, peer.phase, peer.unread = None, "closed", b""

    def _end_unasked(self, peer: Peer) -> None:
        if peer.phase == "open":
            self._count["cut" if peer.reads_badly else "disconnected"] += 1
        self._end(peer)

    def _become_ready(self, peer: Peer, now: int) -> None:
        peer.phase = "open"
        self._record("ready", now - peer.opened_at)
        self._ready_at.append(now - self._began)
        peer.seen = {number: each.number for number, each in enumerate(self._publishers)}
        if peer.reads_badly:
            self._watch(peer, 0)

    def _send(self, peer: Peer, opcode: int, payload: bytes) -> None:
        assert peer.socket is not None
        size = len(payload)
        head = bytes((0x80 | opcode, 0x80 | min(size, 126)))
        head += struct.pack("!H", size) if size > 125 else b""
        masked = bytes(byte ^ MASK[place & 3] for place, byte in enumerate(payload))
        try:
            peer.socket.sendall(head + MASK + masked)
        except OSError:
            self._end_unasked(peer)

    # -- what comes --------------------------------------------------------------------------

    def _turn(self, wait: float | None) -> bool:
        """Read what came within *wait* seconds; returns whether a command is there."""
        has_command = False
        came = self._selector.select(wait)
        self._count["reads"] += len(came)
        self._count["waiting"] += len(came) ** 2
        for key, _ in came:
            peer = key.data
            if peer is None:
                has_command = True
            elif peer.phase == "connecting":
                self._ask_for_upgrade(peer)
            elif peer.is_watched:
                self._read(peer, CHUNK)
        return has_command

    def _read_slowly(self, most: int) -> None:
        for peer in self._peers:
            if peer.kind == "S" and peer.phase == "open":
                self._read(peer, max(1, min(most, CHUNK)))

    def _read(self, peer: Peer, most: int) -> None:
        assert peer.socket is not None
        try:
            came = peer.socket.recv(most)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        if not came:
            self._end_unasked(peer)
            return
        now = time.monotonic_ns()
        self._count["bytes"] += len(came)
        peer.unread += came
        if peer.phase == "upgrading":
            self._read_answer(peer, now)
        while peer.phase in ("greeted soon", "open") and self._read_frame(peer, now):
            pass

    def _read_answer(self, peer: Peer, now: int) -> None:
        head, end, rest = peer.unread.partition(b"\r\n\r\n")
        if len(head) >= 12 and not head.startswith(b"HTTP/1.1 101"):
            self._end(peer)
        elif end:
            peer.phase, peer.unread = "greeted soon", rest
            if not self._greets:
                self._become_ready(peer, now)

    def _read_frame(self, peer: Peer, now: int) -> bool:
        """Take one whole frame; returns False where there is none."""
        if len(peer.unread) < 2:
            return False
        head, size = 2, peer.unread[1]
        if size > 125:
            head = 4 if size == 126 else 10
            size = int.from_bytes(peer.unread[2:head])
        if len(peer.unread) < max(head, head + size):
            return False
        opcode, payload = peer.unread[0] & 15, peer.unread[head : head + size]
        peer.unread = peer.unread[head + size :]
        if opcode == PING:
            self._send(peer, PONG, payload)
        elif opcode == CLOSE:
            self._end_unasked(peer)
        elif peer.phase == "greeted soon":
            self._become_ready(peer, now)
        else:
            self._read_text(peer, payload, now)
        return True

    def _read_text(self, peer: Peer, payload: bytes, now: int) -> None:
        try:
            message = json.loads(payload)
        except ValueError:
            message = {}
        data = message.get("d", {})
        text = data.get("custom_status") or ""
        if message.get("t") != "PRESENCE_UPDATE" or "user_id" not in data or text[:1] != "#":
            self._count["others"] += 1
            return
        try:
            publisher, number = (int(part) for part in text[1:].split("."))
            if int(data["user_id"][1:]) != publisher:
                raise ValueError("somebody else's text")
            self._note(peer, publisher, number, int(message["v"]), now)
        except (ValueError, KeyError, IndexError):
            self._count["garbled"] += 1

    def _note(self, peer: Peer, p: int, number: int, version: int, now: int) -> None:
        publisher, seen = self._publishers[p], peer.seen.get(p, 0)
        self._count["leaked"] += not peer.audiences & publisher.peer.audiences
        self._count["duplicated"] += number == seen
        self._count["out_of_order"] += number < seen or version < peer.version.get(p, 0)
        if number > publisher.number:
            raise ValueError("not published yet")
        if number <= seen:
            return
        peer.seen[p], peer.version[p] = number, version
        if peer.kind != "L":
            self._count["merged"] += (number - seen - 1) * peer.reads_badly
            self._count["to_slow" if peer.reads_badly else "to_publishers"] += 1
            return
        self._count["deliveries"] += 1
        self._count["lost"] += number - seen - 1  # a healthy listener is waited for: no gaps
        if number == publisher.number and publisher.waiting_for:
            self._record("each", now - publisher.sent_at)
            publisher.waiting_for -= 1
            if not publisher.waiting_for:
                self._record("last", now - publisher.sent_at)
                self._done.append(p)

    # -- updates and figures -----------------------------------------------------------------

    def _publish(self, p: int) -> None:
        publisher = self._publishers[p]
        publisher.number += 1
        change: dict[str, Any] = {
            "status": "dnd" if publisher.number % 2 else "online",
            "custom_status": f"#{p:04}.{publisher.number:08}",
        }
        message: dict[str, Any] = {"op": "PRESENCE_UPDATE", "d": change}
        if not self._wraps:
            data = {"user_id": f"p{p:04}", **change, "activity": None}
            message = {"op": "DISPATCH", "t": "PRESENCE_UPDATE", "d": data}
            message["v"] = (1 << 32) + publisher.number
        publisher.waiting_for = sum(
            peer.kind == "L" and peer.phase == "open"
            for peer in self._peers
            if peer.audiences & publisher.peer.audiences
        )
        payload = json.dumps(message, separators=(",", ":")).encode()
        publisher.sent_at = time.monotonic_ns()
        self._send(publisher.peer, TEXT, payload)
        if not publisher.waiting_for:
            self._done.append(p)

    def _record(self, name: str, value: int) -> None:
        self._histograms[name][bucket_of(value)] += 1

    def _show(self, name: str) -> dict[str, list[tuple[int, int]]]:
        return {name: sorted(self._histograms[name].items())}

    def _start_clocks(self) -> tuple[float, float]:
        self._began = time.monotonic_ns()
        return self._server_cpu(), time.process_time()

    def _stop_clocks(self, before: tuple[float, float]) -> dict[str, int]:
        return {
            "wall_ns": time.monotonic_ns() - self._began,
            "server_cpu_ns": int((self._server_cpu() - before[0]) * 1e9),
            "client_cpu_ns": int((time.process_time() - before[1]) * 1e9),
        }

    def _server_cpu(self) -> float:
        try:
            return cpu_seconds(self._server_pid)
        except OSError:
            return 0.0

    def _say(self, answer: dict[str, Any]) -> None:
        counts = {name: self._count[name] for name in COUNTS}
        checks = {name: self._count[name] for name in CHECKS}
        print(json.dumps({**answer, **counts, "checks": checks}), flush=True)


def _read_line(line: str) -> Peer:
    kind, audiences, path = line.split()
    return Peer(kind, frozenset(map(int, audiences.split(","))), path)


def main() -> None:
    """Obey until standard input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plan, port, server_pid, *options = sys.argv[1:]
    with open(plan, encoding="utf-8") as file:
        text = file.read()
    Client(text, int(port), int(server_pid), options).obey_all()


if __name__ == "__main__":
    main()
