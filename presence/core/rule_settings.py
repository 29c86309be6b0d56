"""The times and limits that the rules of one user depend on."""

from typing import Final

from presence.core.value import value

SHORTEST_LEASE: Final = 10.0
"""The shortest lease that can be asked for, in seconds."""

LONGEST_LEASE: Final = 4 * 3600.0
"""The longest lease, in seconds: of those asked for, and of those that reach up to `until`."""


@value
class Rules:
    """Durations in seconds; a limit of 0 is switched off. The names are those of the settings."""

    grace_after: float = 10.0
    poll_grace_after: float = 30.0
    lease_after: float = 300.0
    longest_lease_after: float = LONGEST_LEASE
    restart_grace_after: float = 60.0
    sweep_every: float = 120.0
    ping_expires_after: float = 300.0
    max_presence_changes: int = 5
    presence_window: float = 20.0
    max_devices_per_user: int = 20
    stall_grace_after: float = 45.0
