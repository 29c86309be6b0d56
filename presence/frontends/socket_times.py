"""How long a client of a socket may be silent."""

import attrs

from presence.core.rule_settings import Rules
from presence.transport.limits import NetLimits


@attrs.frozen
class SocketTimes:
    """Seconds between our pings, and of silence after which a socket is lost.

    `stall_grace_after`: after a stall of this process a client has that long to
    show that it is alive.
    """

    ping_every: float = NetLimits().socket_ping_every
    lost_after: float = NetLimits().socket_lost_after
    stall_grace_after: float = Rules().stall_grace_after
