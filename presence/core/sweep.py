"""When the sweep finds a device that has fallen silent [000]."""

import math

from presence.core.rules import Rules


def sweep_of(silent_from: float, rules: Rules) -> float:
    """The first sweep that finds a device silent for `ping_expires_after`.

    Sweeps are every `sweep_every` seconds of the monotonic clock, at whole
    multiples, so a device's deadline needs no register of sweeps. A device
    silent for exactly that long is found.
    """
    expires_at = silent_from + rules.ping_expires_after
    return math.ceil(expires_at / rules.sweep_every) * rules.sweep_every
