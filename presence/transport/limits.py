"""The limits of connections: times, sizes, rates."""

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network

import attrs


@attrs.frozen
class NetLimits:
    """Times in seconds, sizes in bytes; 0 switches a limit off.

    `handshake_after`: a request head, and the answer to an upgrade, must be
    complete by then. `write_blocked_after`: the kernel took no byte for so long.
    `max_frames_per_second` is what a well-behaved client sends; a connection is
    ended only above ten times that. `max_unsent_bytes` bounds what waits for one
    slow reader, keyed frames and the snapshot apart. A client too slow by either
    is ended with 4008, or cut where that frame cannot be sent. `max_body_bytes`
    holds for every request whose route does not name a bound of its own.
    After `socket_ping_every` of silence a peer is probed; it is lost `socket_lost_after`
    its last sign of life.
    """

    handshake_after: float = 10.0
    body_after: float = 30.0
    idle_after: float = 75.0
    write_blocked_after: float = 10.0
    socket_ping_every: float = 30.0
    socket_lost_after: float = 45.0
    max_frames_per_second: int = 20
    max_frame_bytes: int = 16_384
    max_connections_per_address: int = 200
    max_head_bytes: int = 16_384
    max_body_bytes: int = 64 * 1024
    max_unsent_bytes: int = 256 * 1024
    origins: Collection[str] = ()
    trusted_proxies: Collection[IPv4Network | IPv6Network] = ()
    is_development: bool = False

    @property
    def silence(self) -> tuple[float, float]:
        """After how many seconds a silent peer is probed, and lost."""
        return self.socket_ping_every, self.socket_lost_after
