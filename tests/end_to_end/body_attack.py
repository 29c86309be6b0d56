"""Sends bodies that cost a server dearly: `body_attack.py PORT KIND CONNECTIONS SECONDS`.

Prints how often each status was the answer, and what was sent.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter

ANSWER_WITHIN = 10.0
PIECE = b"x" * 65536
PER_SECOND = 9
"""Requests of one user: within the request rate of the default settings."""

VALUES = b"[" + b"[]," * 21_844 + b"[]]"
MANY_VALUES = b"[" + b"[]," * 700_000 + b"[]]"
HUGE = 100_000_000


def send_values(port, ends_at, outcomes):
    """One user's PATCHes: bodies of as many values as fit, and far more than that."""
    for number in range(1_000_000):
        if time.monotonic() > ends_at:
            return
        body = (VALUES, MANY_VALUES)[number % 2]
        with socket.create_connection(("127.0.0.1", port), ANSWER_WITHIN) as sock:
            pour(sock, head("/users/@me?user=mallory", len(body)), body)
            outcomes[status_of(sock)] += 1
        time.sleep(1 / PER_SECOND)


def send_to_nowhere(port, ends_at, outcomes):
    """A client without a token sends a huge body to an address that does not exist."""
    while time.monotonic() < ends_at:
        with socket.create_connection(("127.0.0.1", port), ANSWER_WITHIN) as sock:
            pour(sock, head("/nowhere", HUGE), *[PIECE] * (HUGE // len(PIECE)))
            outcomes[status_of(sock)] += 1


KINDS = {"values": send_values, "nowhere": send_to_nowhere}


def head(target, size):
    return f"PATCH {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n\r\n".encode()


def pour(sock, *pieces):
    """Send *pieces* until the server has enough of them."""
    try:
        for piece in pieces:
            sock.sendall(piece)
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass


def status_of(sock):
    try:
        answer = sock.recv(4096)
    except (ConnectionResetError, TimeoutError):
        return "none"
    return answer.split()[1].decode() if answer else "none"


def main(port, kind, count, seconds):
    ends_at = time.monotonic() + seconds
    outcomes = [Counter() for _ in range(count)]
    threads = [
        threading.Thread(target=KINDS[kind], args=(port, ends_at, outcome)) for outcome in outcomes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(sum(outcomes, Counter())))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
