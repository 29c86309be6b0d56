"""What comes: answers to upgrades, frames, and updates, which are checked."""

import json
import time
from collections import deque
from typing import Final

from bench.fields import CONNECTION_ACK, STATUS, Fields, number_of, read_fields
from bench.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, find_frame
from bench.load_python.measure import Measure
from bench.load_python.peers import Peer, Plan
from bench.load_python.sockets import Sockets

CHUNK: Final = 1 << 16


class Incoming:
    """Reads all connections; *done* are the publishers whose update has come everywhere."""

    def __init__(self, plan: Plan, sockets: Sockets, measure: Measure, *, greets: bool) -> None:
        self.done: deque[int] = deque()
        self._peers = plan.peers
        self._publishers = plan.publishers
        self._sockets = sockets
        self._measure = measure
        self._greets = greets

    def turn(self, wait: float | None) -> bool:
        """Read what came within *wait* seconds; returns whether a command is there."""
        has_command = False
        came = self._sockets.selector.select(wait)
        self._measure.count["reads"] += len(came)
        self._measure.count["waiting"] += len(came) ** 2
        for key, _ in came:
            peer = key.data
            if peer is None:
                has_command = True
            elif peer.phase == "connecting":
                self._sockets.introduce(peer)
            elif peer.is_watched:
                self._read(peer, CHUNK)
        return has_command

    def read_slowly(self, most: int) -> None:
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
            self._sockets.end_unasked(peer)
            return
        now = time.monotonic_ns()
        self._measure.count["bytes"] += len(came)
        peer.unread += came
        if peer.phase == "upgrading":
            self._read_answer(peer, now)
        if self._sockets.form == "lines":
            self._read_lines(peer, now)
        else:
            self._read_frames(peer, now)

    def _read_lines(self, peer: Peer, now: int) -> None:
        *lines, peer.unread = peer.unread.split(b"\n")
        for line in lines:
            self._read_message(peer, line, now)

    def _read_frames(self, peer: Peer, now: int) -> None:
        while peer.phase in ("greeted soon", "open") and (frame := find_frame(peer.unread)):
            peer.unread = peer.unread[frame.size :]
            self._read_frame(peer, frame, now)

    def _read_answer(self, peer: Peer, now: int) -> None:
        head, end, rest = peer.unread.partition(b"\r\n\r\n")
        if len(head) >= 12 and not head.startswith(b"HTTP/1.1 101"):
            self._sockets.end(peer)
        elif end:
            peer.phase, peer.unread = "greeted soon", rest
            if self._sockets.form != "json":
                self._sockets.test(peer)
            elif not self._greets:
                self._sockets.become_ready(peer, now)

    def _read_frame(self, peer: Peer, frame: Frame, now: int) -> None:
        if frame.opcode == PING:
            self._measure.count["ping_bytes"] += frame.size
            self._sockets.send(peer, PONG, frame.payload)
        elif frame.opcode == CLOSE:
            self._sockets.end_unasked(peer)
        elif self._sockets.form != "json" and frame.opcode in (TEXT, BINARY):
            is_ours = (frame.opcode == BINARY) == (self._sockets.form == "arrays")
            self._read_message(peer, frame.payload if is_ours else b"", now)
        elif peer.phase == "greeted soon" and frame.opcode in (TEXT, CONTINUATION):
            # The first message may come in fragments; ready is who has the last of them.
            if frame.is_final:
                self._sockets.become_ready(peer, now)
        elif frame.opcode == TEXT:
            self._read_text(peer, frame.payload, now)

    def _read_text(self, peer: Peer, payload: bytes, now: int) -> None:
        try:
            message = json.loads(payload)
        except ValueError:
            message = {}
        data = message.get("d", {})
        text = data.get("custom_status") or ""
        is_of_another = "user_id" in data and "id" not in data
        if message.get("t") != "PRESENCE_UPDATE" or not is_of_another or text[:1] != "#":
            self._measure.count["others"] += 1
            return
        try:
            publisher, number = (int(part) for part in text[1:].split("."))
            if int(data["user_id"][1:]) != publisher:
                raise ValueError("somebody else's text")
            self._note(peer, publisher, number, int(message["v"]), now)
        except (ValueError, KeyError, IndexError):
            self._measure.count["garbled"] += 1

    def _read_message(self, peer: Peer, message: bytes, now: int) -> None:
        """A message of VoicePing, b"" for one in a form that is not ours.

        Before the answer to the test, which ends the greeting, there is a snapshot.
        """
        fields = read_fields(self._sockets.form, message)
        if peer.phase == "greeted soon":
            if fields is not None and fields.message_type == CONNECTION_ACK:
                self._sockets.become_ready(peer, now)
        elif fields is None:
            self._measure.count["garbled"] += 1
        elif fields.message_type == STATUS and 0 < fields.sender <= len(self._publishers):
            self._read_status(peer, fields, now)
        else:
            self._measure.count["others"] += 1

    def _read_status(self, peer: Peer, fields: Fields, now: int) -> None:
        p = fields.sender - 1
        newest = self._publishers[p].number
        number = number_of(fields.payload, seen=peer.seen.get(p, 0), newest=newest)
        if number is None:
            self._measure.count["garbled"] += 1
        else:
            self._note(peer, p, number, 0, now)

    def _note(self, peer: Peer, p: int, number: int, version: int, now: int) -> None:
        publisher, seen, count = self._publishers[p], peer.seen.get(p, 0), self._measure.count
        count["leaked"] += not peer.audiences & publisher.peer.audiences
        is_newer = version > peer.version.get(p, 0)
        if number == seen and is_newer and not publisher.waiting_for:
            # Told anew by the server itself: somebody is back, say, after a restart.
            peer.version[p] = version
            count["others"] += 1
            return
        count["duplicated"] += number == seen
        count["out_of_order"] += number < seen or version < peer.version.get(p, 0)
        if number > publisher.number:
            raise ValueError("not published yet")
        if number <= seen:
            return
        peer.seen[p], peer.version[p] = number, version
        if peer.kind != "L":
            count["merged"] += (number - seen - 1) * peer.reads_badly
            count["to_slow" if peer.reads_badly else "to_publishers"] += 1
            return
        count["deliveries"] += 1
        count["lost"] += number - seen - 1  # a healthy listener is waited for: no gaps
        if number == publisher.number and publisher.waiting_for:
            self._measure.record("each", now - publisher.sent_at)
            publisher.waiting_for -= 1
            if not publisher.waiting_for:
                self._measure.record("last", now - publisher.sent_at)
                self.done.append(p)
