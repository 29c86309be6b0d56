"""The commands, each of which is answered by one line of JSON."""

import json
import selectors
import sys
import time
from collections import deque
from typing import Any, Final

from bench.fields import STATUS, code_of
from bench.frames import TEXT
from bench.load import FORMS, Form
from bench.load_python.incoming import Incoming
from bench.load_python.measure import Measure
from bench.load_python.peers import read_plan
from bench.load_python.sockets import Sockets

TICK: Final = 0.05


class Client:
    """Obeys; the words of a command are those of `native/load/main.c`."""

    def __init__(self, plan: str, port: int, server_pid: int, options: list[str]) -> None:
        read = read_plan(plan)
        self._peers = read.peers
        self._publishers = read.publishers
        self._wraps = "wraps" in options
        self._measure = Measure(server_pid)
        self._form: Form = next((form for form in FORMS if form in options), "json")
        self._sockets = Sockets(read, port, self._measure, self._form)
        self._incoming = Incoming(read, self._sockets, self._measure, greets="greets" in options)

    def obey_all(self) -> None:
        """Obey each line of standard input; between them answer the server's pings."""
        while True:
            if self._incoming.turn(None):
                line = sys.stdin.readline()
                if not line:
                    return
                name, *words = line.split()
                self._measure.forget()
                answer = getattr(self, f"obey_{name}")(*words)
                print(json.dumps({**answer, **self._measure.counts()}), flush=True)

    def obey_open(self, first: str, count: str, at_once: str, seconds: str) -> dict[str, Any]:
        waiting = deque(self._peers[int(first) : int(first) + int(count)])
        self._sockets.forget()
        before = self._measure.start_clocks()
        deadline = time.monotonic() + float(seconds)
        while (
            len(self._sockets.ready_at) + self._sockets.failed < int(count)
            and time.monotonic() < deadline
        ):
            under_way = (
                int(count) - len(waiting) - len(self._sockets.ready_at) - self._sockets.failed
            )
            if waiting and under_way < int(at_once):
                self._sockets.connect(waiting.popleft())
                self._incoming.turn(0)
            else:
                self._incoming.turn(TICK)
        opened = len(self._sockets.ready_at)
        return {
            "opened": opened,
            "failed": int(count) - opened,
            **self._measure.stop_clocks(before),
            "ready_at_ns": self._sockets.ready_at,
            **self._measure.show("ready"),
        }

    def obey_drop(self, first: str, count: str, how: str) -> dict[str, Any]:
        dropped = 0
        for peer in self._peers[int(first) : int(first) + int(count)]:
            if peer.socket is not None:
                dropped += 1
                self._sockets.drop(peer, how)
        return {"dropped": dropped}

    def obey_run(
        self, w: str, pool: str, seconds: str, slow_bytes: str, lost_after: str
    ) -> dict[str, Any]:
        idle, outstanding, rounds = deque(range(int(pool))), 0, 0
        self._incoming.done.clear()
        before = self._measure.start_clocks()
        heard_at = time.monotonic()
        deadline = heard_at + float(seconds)
        slow_at = 0.0
        while outstanding or time.monotonic() < deadline:
            while outstanding < int(w) and idle and time.monotonic() < deadline:
                outstanding += 1
                self._publish(idle.popleft())
            came = self._measure.count["bytes"]
            self._incoming.turn(TICK)
            now = time.monotonic()
            if self._measure.count["bytes"] != came:
                heard_at = now
            if float(slow_bytes) and now >= slow_at:
                slow_at = now + TICK
                self._incoming.read_slowly(int(float(slow_bytes) * TICK))
            while self._incoming.done:
                idle.append(self._incoming.done.popleft())
                outstanding, rounds = outstanding - 1, rounds + 1
            if self._measure.count["disconnected"] or now - heard_at > float(lost_after):
                break
        clocks = self._measure.stop_clocks(before)
        self._incoming.turn(TICK)  # a second copy would come now
        for publisher in self._publishers:
            self._measure.count["lost"] += publisher.waiting_for
            publisher.waiting_for = 0
        return {
            "rounds": rounds,
            **clocks,
            **self._measure.show("each"),
            **self._measure.show("last"),
        }

    def _count_news(self) -> int:
        """Bytes that came so far, but for pings: of thousands these come all the time."""
        return self._measure.count["bytes"] - self._measure.count["ping_bytes"]

    def obey_settle(self, seconds: str) -> dict[str, Any]:
        began = quiet_since = time.monotonic()
        for peer in self._peers:
            if peer.phase == "open":
                self._sockets.watch(peer, selectors.EVENT_READ)
        while time.monotonic() - quiet_since < float(seconds):
            came = self._count_news()
            self._incoming.turn(TICK)
            if self._count_news() != came:
                quiet_since = time.monotonic()
        for peer in self._peers:
            if peer.phase == "open" and peer.kind != "P":
                self._measure.count["stale"] += sum(
                    peer.seen.get(number, 0) != publisher.number
                    for number, publisher in enumerate(self._publishers)
                    if peer.audiences & publisher.peer.audiences
                )
            if peer.reads_badly:
                self._sockets.watch(peer, 0)
        is_open = sum(peer.phase == "open" for peer in self._peers)
        return {"open": is_open, "wall_ns": int((time.monotonic() - began) * 1e9)}

    def obey_server(self, pid: str) -> dict[str, Any]:
        self._measure.server_pid = int(pid)
        return {"server": self._measure.server_pid}

    def _publish(self, p: int) -> None:
        publisher = self._publishers[p]
        publisher.number += 1
        payload = b"" if self._form != "json" else self._json(p, publisher.number)
        publisher.waiting_for = sum(
            peer.kind == "L" and peer.phase == "open"
            for peer in self._peers
            if peer.audiences & publisher.peer.audiences
        )
        publisher.sent_at = time.monotonic_ns()
        if self._form == "json":
            self._sockets.send(publisher.peer, TEXT, payload)
        else:
            self._sockets.say(publisher.peer, STATUS, code_of(publisher.number))
        if not publisher.waiting_for:
            self._incoming.done.append(p)

    def _json(self, p: int, number: int) -> bytes:
        change: dict[str, Any] = {
            "status": "dnd" if number % 2 else "online",
            "custom_status": f"#{p:04}.{number:08}",
        }
        message: dict[str, Any] = {"op": "PRESENCE_UPDATE", "d": change}
        if not self._wraps:
            data = {"user_id": f"p{p:04}", **change, "activity": None}
            message = {"op": "DISPATCH", "t": "PRESENCE_UPDATE", "d": data}
            message["v"] = (1 << 32) + number
        return json.dumps(message, separators=(",", ":")).encode()
