"""Floods a server: `flood_attack.py PORT KIND CONNECTIONS SECONDS PAUSE`.

An attacker that is thrown out comes back PAUSE seconds later. Prints how often each close
code, or status of HTTP, was the answer; what was sent; and the longest time
from the first byte of a flood to the end of its connection.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter

from wire import CLOSE, CONTINUATION, FINAL, PING, TEXT, masked_frame, parse_frame
from wire_client import WireClient

PIECES = 400
"""Frames that go out in one write."""

TOLERATED_FOR = 5.0
"""Seconds after the end of the attack at which a flood that was never ended gives up."""

OPENING = masked_frame(TEXT)
FLOODS = {
    "empty_fragments": (OPENING, masked_frame(CONTINUATION)),
    "one_byte_fragments": (OPENING, masked_frame(CONTINUATION, b"x")),
    "pings": (b"", masked_frame(FINAL | PING, b"ping")),
    "texts": (b"", masked_frame(FINAL | TEXT, b'{"op":"HEARTBEAT"}')),
    "declared_huge": (bytes([0x81, 0xFF]) + (2**63 - 1).to_bytes(8, "big") + bytes(4), b"x" * 100),
    "declared_too_huge": (bytes([0x82, 0xFF]) + b"\xff" * 8 + bytes(4), b"x" * 100),
}
HEADER = b"GET /ws?user=mallory HTTP/1.1\r\nhost: localhost\r\nx-long: "
HEADER_BYTES = 10_000_000


class Attacker:
    """One client that floods, is disconnected and comes back *pause* seconds later."""

    def __init__(self, port, kind, number, ends_at, pause):
        self._port = port
        self._kind = kind
        self._number = number
        self._ends_at = ends_at
        self._pause = pause
        self.outcomes = Counter()
        self.sent = 0
        self.longest = 0.0

    def run(self):
        time.sleep(self._pause * self._number / 10)  # not all at the same moment
        while time.monotonic() < self._ends_at:
            began_at = time.monotonic()
            outcome = self._send_header() if self._kind == "long_header" else self._flood()
            self.outcomes[str(outcome)] += 1
            self.longest = max(self.longest, time.monotonic() - began_at)
            time.sleep(self._pause)

    def _flood(self):
        with WireClient(self._port, f"/ws?user=mallory{self._number}") as client:
            first, piece = FLOODS[self._kind]
            self._pour(client.socket, first, piece * PIECES)
            return close_code(client)

    def _send_header(self):
        with socket.create_connection(("127.0.0.1", self._port)) as sock:
            self._pour(sock, HEADER, b"x" * 65536, HEADER_BYTES // 65536)
            answer = read_rest(sock)
            return int(answer.split()[1]) if answer else "no answer"

    def _pour(self, sock, first, piece, times=1 << 30):
        """Send *piece* over and over, until the server has enough of it."""
        try:
            sock.sendall(first)
            for _ in range(times):
                sock.sendall(piece)
                self.sent += len(piece)
                if time.monotonic() > self._ends_at + TOLERATED_FOR:
                    return
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass


def close_code(client):
    client.received += read_rest(client.socket)
    position = 0
    while (found := parse_frame(client.received, position)) is not None:
        first, payload, position = found
        if first == FINAL | CLOSE:
            return int.from_bytes(payload[:2], "big")
    return "none"


def read_rest(sock):
    rest = b""
    sock.settimeout(10)
    try:
        while data := sock.recv(1 << 16):
            rest += data
    except ConnectionResetError:
        pass
    return rest


def main(port, kind, count, seconds, pause):
    ends_at = time.monotonic() + seconds
    attackers = [Attacker(port, kind, number, ends_at, pause) for number in range(count)]
    threads = [threading.Thread(target=attacker.run) for attacker in attackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = sum((attacker.outcomes for attacker in attackers), Counter())
    report = {
        "outcomes": outcomes,
        "megabytes": round(sum(attacker.sent for attacker in attackers) / 1e6, 1),
        "longest": round(max(attacker.longest for attacker in attackers), 3),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
