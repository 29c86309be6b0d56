"""Floods the pipe: `pipe_flood.py PORT USER KIND SECONDS`; reads nothing.

Thrown out, it comes back at once. Prints over how many connections the kernels took how many lines.
"""

import json
import socket
import sys
import time

PIECE = 64 * 1024
ENOUGH = 100_000


FLOODS = {
    "own_pings": lambda user, number: f"voiceping:{user}\n",
    "foreign_pings": lambda user, number: f"voiceping:{number}\n",
    "statuses": lambda user, number: f"|0|5|{user}|0|{1 + number % 2}|\n",
    "tests": lambda user, number: f"|1|25|{user}|0|{number}|\n",
}


def main(port, user, kind, seconds):
    ends_at = time.monotonic() + seconds
    data = "".join(FLOODS[kind](user, number) for number in range(1, ENOUGH)).encode()
    lines = connections = 0
    while time.monotonic() < ends_at:
        connections += 1
        lines += flood(port, f"voiceping:{user}\n".encode(), data, ends_at)
    print(json.dumps({"lines": lines, "connections": connections}))


def flood(port, login, data, ends_at):
    """Send *data* over and over on one connection until it ends; how many lines were taken."""
    taken = 0
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as sock:
            sock.settimeout(0.1)
            sock.sendall(login)
            while time.monotonic() < ends_at:
                start = taken % len(data)
                taken += send(sock, data[start : start + PIECE])
    except OSError:
        pass
    times, rest = divmod(taken, len(data))
    return times * data.count(b"\n") + data[:rest].count(b"\n")


def send(sock, piece):
    """How much of *piece* was taken; nothing where the server reads nothing for a while."""
    try:
        return sock.send(piece)
    except TimeoutError:
        return 0


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
