"""Well-behaved clients whose waiting is measured while somebody else misbehaves."""

import json
import os
import select
import time

from wire import FINAL, TEXT, masked_frame, parse_frame
from wire_client import WireClient, percentile

IS_FULL = os.environ.get("PRESENCE_TEST_SCALE") == "full"
COUNT = 100 if IS_FULL else 20
BEAT_EVERY = 0.01
CHANGE_EVERY = 0.1
LAST_ANSWERS_WITHIN = 10.0
HEARTBEAT = masked_frame(FINAL | TEXT, b'{"op":"HEARTBEAT"}')
ACK = b'{"op":"HEARTBEAT_ACK"}'


class Waits:
    """Seconds from a heartbeat to its answer, and from a change to each delivery of it."""

    def __init__(self, beats, deliveries):
        self.beats = beats
        self.deliveries = deliveries

    def __str__(self):
        beats, deliveries = (
            f"p50 {1000 * percentile(waits, 0.5):.2f} p99 {1000 * percentile(waits, 0.99):.2f}"
            f" max {1000 * max(waits):.2f} ms (n={len(waits)})"
            for waits in (self.beats, self.deliveries)
        )
        return f"heartbeat {beats}, fan-out {deliveries}"

    def compare(self, before):
        """How many times the p99 of *before*: heartbeats, deliveries."""
        pairs = ((self.beats, before.beats), (self.deliveries, before.deliveries))
        beats, deliveries = (percentile(a, 0.99) / percentile(b, 0.99) for a, b in pairs)
        return f"p99 times baseline: heartbeat {beats:.2f}, fan-out {deliveries:.2f}"


class Bystanders:
    """*count* users in one server; the first one changes, the others get its events.

    The load is open: beats and changes are sent at fixed moments, whether or
    not the former ones were answered, so a stall counts with all that waits.
    """

    def __init__(self, server, count=COUNT):
        self._clients = [
            WireClient(server.port, f"/ws?user=bystander{number:03}") for number in range(count)
        ]
        self.catch_up()
        self._by_fd = {client.socket.fileno(): client for client in self._clients}
        self._poll = select.epoll()
        for fd in self._by_fd:
            self._poll.register(fd, select.EPOLLIN)
        self._changed_at = []
        self._seen = dict.fromkeys(self._by_fd, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._poll.close()
        for client in self._clients:
            client.socket.close()

    def catch_up(self):
        """Read all that came while nobody measured."""
        for _ in range(2):  # by the second time everybody has been told of everybody
            for client in self._clients:
                client.beat()
                client.forget()

    def measure(self, seconds):
        """Beat and change for *seconds*, then wait for every answer; fails if one is missing."""
        self._beat_at = {fd: [] for fd in self._by_fd}
        self._waits = Waits([], [])
        beats = changes = 0
        began_at = time.perf_counter()
        while (elapsed := time.perf_counter() - began_at) < seconds:
            if elapsed >= beats * BEAT_EVERY:
                self._send_beat(beats)
                beats += 1
            if elapsed >= changes * CHANGE_EVERY:
                self._send_change()
                changes += 1
            due = min(beats * BEAT_EVERY, changes * CHANGE_EVERY)
            self._receive(max(0.0, due - (time.perf_counter() - began_at)))
        deadline = time.perf_counter() + LAST_ANSWERS_WITHIN
        wanted = (beats, changes * (len(self._clients) - 1))
        while (len(self._waits.beats), len(self._waits.deliveries)) < wanted:
            assert time.perf_counter() < deadline, "a healthy client was not answered"
            self._receive(0.1)
        assert (len(self._waits.beats), len(self._waits.deliveries)) == wanted
        return self._waits

    def _send_beat(self, number):
        client = self._clients[number % len(self._clients)]
        self._beat_at[client.socket.fileno()].append(time.perf_counter())
        client.socket.sendall(HEARTBEAT)

    def _send_change(self):
        self._changed_at.append(time.perf_counter())
        text = f"change {len(self._changed_at)}"
        self._clients[0].update(status="online", custom_status=text)

    def _receive(self, within):
        for fd, _ in self._poll.poll(within):
            client = self._by_fd[fd]
            client.received += client.socket.recv(1 << 16)
            now = time.perf_counter()
            position = 0
            while (parsed := parse_frame(client.received, position)) is not None:
                _, payload, position = parsed
                self._note(fd, payload, now)
            del client.received[:position]

    def _note(self, fd, payload, now):
        if payload == ACK:
            self._waits.beats.append(now - self._beat_at[fd].pop(0))
        elif b"bystander000" in payload and b'"v":' in payload:
            text = json.loads(payload)["d"]["custom_status"]
            newest = int(text.removeprefix("change "))
            # A change may be left out for a newer one, which then stands for it too.
            for changed_at in self._changed_at[self._seen[fd] : newest]:
                self._waits.deliveries.append(now - changed_at)
            self._seen[fd] = newest
