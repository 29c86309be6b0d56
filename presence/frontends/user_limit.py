"""How many connections and devices one user may have, over all ports."""

from collections.abc import Callable, Sequence

import attrs

from presence.core.types import DeviceId, UserId

TOO_MANY_CONNECTIONS = "too many connections of this user"
TOO_MANY_DEVICES = "too many devices of this user"


@attrs.frozen
class UserLimit:
    """The most connections and devices of each user; 0 is no limit.

    *devices_of* gives the device of each open connection of a user. *on_refused*
    is called with every refusal.
    """

    max_connections: int
    max_devices: int
    devices_of: Callable[[UserId], Sequence[DeviceId]]
    on_refused: Callable[[], None]

    def refusal(self, user_id: UserId, device: DeviceId | None) -> str | None:
        """Return why the user's next connection is refused; None lets it in.

        A connection without a *device* gets one of its own. Do not await anything
        before the connection is registered, or others pass the limit meanwhile.
        """
        present = self.devices_of(user_id)
        problem = None
        if self.max_connections and len(present) >= self.max_connections:
            problem = TOO_MANY_CONNECTIONS
        elif self.max_devices and device not in present:
            problem = TOO_MANY_DEVICES if len(set(present)) >= self.max_devices else None
        if problem is not None:
            self.on_refused()
        return problem
