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


KEEP_ALIVE_PROBES = 3
LONGEST_KEEP_ALIVE = 32_767
"""Seconds; Linux takes no more."""


def detect_lost_peer(sock: stdsocket.socket, probe_after: float, lost_after: float) -> None:
    """Have the kernel end the connection of a peer that vanished without a word.

    It probes after *probe_after* seconds of silence, and gives up *lost_after*
    the last sign of life, also where sent bytes are not acknowledged. Options
    that the platform lacks are left out.
    """
    sock.setsockopt(stdsocket.SOL_SOCKET, stdsocket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _whole_seconds(probe_after)),
        ("TCP_KEEPINTVL", _whole_seconds((lost_after - probe_after) / KEEP_ALIVE_PROBES)),
        ("TCP_KEEPCNT", KEEP_ALIVE_PROBES),
        ("TCP_USER_TIMEOUT", min(round(lost_after * 1000), 2**31 - 1)),
    ):
        option = getattr(stdsocket, name, None)
        if option is not None:
            sock.setsockopt(stdsocket.IPPROTO_TCP, option, value)


def _whole_seconds(seconds: float) -> int:
    return min(max(1, round(seconds)), LONGEST_KEEP_ALIVE)
