"""The options of a TCP socket that the server accepts."""

import socket as stdsocket

SEND_BUFFER_BYTES = 64 * 1024
NOT_SENT_BYTES = 16 * 1024
TCP_NOTSENT_LOWAT: int = getattr(stdsocket, "TCP_NOTSENT_LOWAT", 25)


def tune_socket(sock: stdsocket.socket) -> None:
    """Make a fresh TCP socket non-blocking and let it show a stuck reader early."""
    sock.setblocking(False)
    sock.setsockopt(stdsocket.IPPROTO_TCP, stdsocket.TCP_NODELAY, 1)
    sock.setsockopt(stdsocket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)
    sock.setsockopt(stdsocket.SOL_SOCKET, stdsocket.SO_SNDBUF, SEND_BUFFER_BYTES)
