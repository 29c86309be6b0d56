"""Connections: how they begin, send and end."""

import contextlib
import selectors
import socket
import struct
import sys
import time
from typing import Final

from bench.frames import CLOSE, masked_frame, upgrade_request
from bench.load_python.measure import Measure
from bench.load_python.peers import Peer, Plan

SLOW_WINDOW: Final = 4096


class Sockets:
    """All connections of the plan; *failed* and *ready_at* are those since `forget`."""

    def __init__(self, plan: Plan, port: int, measure: Measure) -> None:
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

    def ask_for_upgrade(self, peer: Peer) -> None:
        assert peer.socket is not None
        peer.phase = "upgrading"
        self.watch(peer, selectors.EVENT_READ)
        try:
            peer.socket.sendall(upgrade_request(peer.path, self._port))
        except OSError:
            self.end(peer)

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
        if how == "clean":
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
        assert peer.socket is not None
        try:
            peer.socket.sendall(masked_frame(opcode, payload))
        except OSError:
            self.end_unasked(peer)
