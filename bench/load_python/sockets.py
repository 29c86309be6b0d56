"""Connections: how they begin, send and end."""

import contextlib
import selectors
import socket
import struct
import sys
import time
from typing import Final

from bench.fields import CONNECTION_TEST, OFFLINE, STATUS, Fields, write_fields
from bench.frames import BINARY, CLOSE, TEXT, masked_frame, upgrade_request
from bench.load import Form
from bench.load_python.measure import Measure
from bench.load_python.peers import Peer, Plan

SLOW_WINDOW: Final = 4096


class Sockets:
    """All connections of the plan; *failed* and *ready_at* are those since `forget`."""

    def __init__(self, plan: Plan, port: int, measure: Measure, form: Form) -> None:
        self.form = form
        self.selector = selectors.DefaultSelector()
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        self.failed = 0
        self.ready_at: list[int] = []
        self._publishers = plan.publishers
        self._port = port
        self._measure = measure

    def forget(self) -> None:
        self.failed, self.ready_at = 0, []

    def connect(self, peer: Peer) -> None:
        peer.opened_at = time.monotonic_ns()
        peer.socket = socket.socket()
        peer.socket.setblocking(False)
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if peer.reads_badly:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_WINDOW)
        peer.phase = "connecting"
        with contextlib.suppress(BlockingIOError):
            peer.socket.connect(("127.0.0.1", self._port))
        self.watch(peer, selectors.EVENT_WRITE)

    def introduce(self, peer: Peer) -> None:
        """It is connected: say who comes."""
        self.watch(peer, selectors.EVENT_READ)
        if self.form == "lines":
            peer.phase = "greeted soon"
            self._send_all(peer, f"token:{peer.token}\n".encode())
            self.test(peer)
            return
        peer.phase = "upgrading"
        if self.form == "json":
            request = upgrade_request(peer.path, self._port)
        else:
            request = upgrade_request("/voiceping", self._port, {"token": peer.token})
        self._send_all(peer, request)

    def test(self, peer: Peer) -> None:
        """Have VoicePing answer: whoever has the answer has come, and has its snapshot."""
        self.say(peer, CONNECTION_TEST, 0)

    def watch(self, peer: Peer, events: int) -> None:
        assert peer.socket is not None or not peer.is_watched
        if peer.is_watched and peer.socket is not None:
            self.selector.unregister(peer.socket)
        if events and peer.socket is not None:
            self.selector.register(peer.socket, events, peer)
        peer.is_watched = bool(events)

    def drop(self, peer: Peer, how: str) -> None:
        """End a connection that is open: with a goodbye, or as a crash would."""
        assert peer.socket is not None
        if how == "clean" and self.form == "lines":
            self.say(peer, STATUS, OFFLINE)
        elif how == "clean":
            self.send(peer, CLOSE, struct.pack("!H", 1000))
        else:
            linger = struct.pack("ii", 1, 0)
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.end(peer)

    def end(self, peer: Peer) -> None:
        if peer.socket is None:
            return
        self.failed += peer.phase != "open"
        self.watch(peer, 0)
        peer.socket.close()
        peer.socket, peer.phase, peer.unread = None, "closed", b""

    def end_unasked(self, peer: Peer) -> None:
        """The server ended it: its right with who does not read, a failure with others."""
        if peer.phase == "open":
            self._measure.count["cut" if peer.reads_badly else "disconnected"] += 1
        self.end(peer)

    def become_ready(self, peer: Peer, now: int) -> None:
        peer.phase = "open"
        self._measure.record("ready", now - peer.opened_at)
        self.ready_at.append(now - self._measure.began)
        # Its first frame told it of these.
        peer.seen = {number: each.number for number, each in enumerate(self._publishers)}
        if peer.reads_badly:
            self.watch(peer, 0)

    def send(self, peer: Peer, opcode: int, payload: bytes) -> None:
        self._send_all(peer, masked_frame(opcode, payload))

    def say(self, peer: Peer, message_type: int, payload: int) -> None:
        """Say this of the peer's own user."""
        message = write_fields(self.form, Fields(message_type, peer.user, payload))
        if self.form == "lines":
            self._send_all(peer, message)
        else:
            self.send(peer, BINARY if self.form == "arrays" else TEXT, message)

    def _send_all(self, peer: Peer, data: bytes) -> None:
        if peer.socket is None:
            return
        try:
            peer.socket.sendall(data)
        except OSError:
            self.end_unasked(peer)
