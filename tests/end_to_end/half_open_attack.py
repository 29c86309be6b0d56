"""Opens handshakes and never completes them: `half_open_attack.py PORT COUNT WITHIN`.

Half of the connections send nothing, the others a part of an upgrade. Prints a
line once all are open, and one when the server has ended each of them: how long
the longest was held, and how many were left after WITHIN seconds.
"""

import json
import resource
import select
import socket
import struct
import sys
import time

PART = b"GET /ws?user=mallory HTTP/1.1\r\nhost: localhost\r\nupgrade: webso"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def main(port, count, within):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    poll = select.epoll()
    opened = {}
    for number in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        # Or the kernel would keep the address of each for a minute after.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        if number % 2:
            sock.sendall(PART)
        opened[sock.fileno()] = (sock, time.monotonic())
        poll.register(sock, select.EPOLLIN | select.EPOLLRDHUP)
    print(json.dumps({"open": len(opened)}), flush=True)
    longest = 0.0
    deadline = time.monotonic() + within
    while opened and time.monotonic() < deadline:
        for fd, _ in poll.poll(0.5):
            sock, opened_at = opened[fd]
            try:
                if sock.recv(4096):
                    continue
            except ConnectionResetError:
                pass
            longest = max(longest, time.monotonic() - opened_at)
            del opened[fd]
            sock.close()
    print(json.dumps({"longest_held": longest, "left": len(opened)}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
