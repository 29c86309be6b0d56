"""The sweep: a device that pings is swept, and counts no more, once it is silent for too long.

No task walks over all devices. Each device has the time of the sweep that will find it silent
among its deadlines, and one timer (`actors/timer.py`) serves all deadlines of all users.
"""

import math
from typing import Final

from presence.core.rule_settings import Rules
from presence.core.value import value


def sweep_of(silent_from: float, rules: Rules) -> float:
    """The first sweep that finds a device silent for `ping_expires_after`.

    Sweeps are every `sweep_every` seconds of the monotonic clock, at whole
    multiples, so a device's deadline needs no register of sweeps. A device
    silent for exactly that long is found.
    """
    expires_at = silent_from + rules.ping_expires_after
    return math.ceil(expires_at / rules.sweep_every) * rules.sweep_every


@value
class PingState:
    """The pings of one device, as the sweep sees them. Times are monotonic.

    Without a `last_ping` no sweep looks at the device: it never pinged,
    or was brought back by other means. `put_off_to`: a stall came between the
    last ping and the sweep, which therefore comes at that time.
    """

    last_ping: float | None = None
    is_swept: bool = False
    put_off_to: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether a sweep will look at the device."""
        return self.last_ping is not None and not self.is_swept

    def swept_at(self, rules: Rules) -> float | None:
        """When a sweep will find the device silent; None if no sweep will."""
        if self.last_ping is None or self.is_swept:
            return None
        return self.put_off_to or sweep_of(self.last_ping, rules)


NEVER_PINGED: Final = PingState()
