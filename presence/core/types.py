"""The words of the presence model, as values."""

import enum
from collections.abc import Mapping
from typing import Final, NewType

import attrs

from presence.core.value import value

UserId = NewType("UserId", str)
ServerId = NewType("ServerId", str)
DeviceId = NewType("DeviceId", str)
ConnectionId = NewType("ConnectionId", int)
Text = NewType("Text", str)
"""A text that `core.text.clean_text` has accepted: NFC, printable, at most 128 code points."""

EVERYONE = ServerId("everyone")
"""The server that holds every user, unless the setting `everyone_server` is off."""


class Status(enum.Enum):
    """The status that others see of a user; also the intent of a user."""

    ONLINE = "online"
    AWAY = "away"
    DND = "dnd"
    OFFLINE = "offline"


class State(enum.Enum):
    """The state of one connection, lease or device."""

    ONLINE = "online"
    IDLE = "idle"
    OFFLINE = "offline"

    @property
    def strength(self) -> int:
        """Rank for the union over devices: online > idle > offline."""
        return _STRENGTH[self]


NO_STATES: Final[Mapping[DeviceId, State]] = {}

_STRENGTH = {State.ONLINE: 2, State.IDLE: 1, State.OFFLINE: 0}


@value
class Moment:
    """One instant on both clocks, in seconds.

    `mono` is Trio's monotonic clock: every deadline is measured on it, so a
    jump of the wall clock changes no status. `wall` is Unix time, for what is
    stored or shown.
    """

    mono: float
    wall: float

    def mono_of(self, wall: float) -> float:
        """The monotonic time at which the wall clock will show *wall*."""
        return self.mono + (wall - self.wall)


@value
class Deadline:
    """A moment that was named on the wall clock and is waited for on the monotonic one."""

    wall: float
    mono: float = attrs.field(eq=False)

    @classmethod
    def of(cls, wall: float | None, now: Moment) -> "Deadline | None":
        """The deadline at Unix time *wall*, as the clocks stand *now*; None stays None."""
        return None if wall is None else cls(wall, now.mono_of(wall))


def wall_of(deadline: Deadline | None) -> float | None:
    """The Unix time of *deadline*, where there is one."""
    return None if deadline is None else deadline.wall


@value
class PublicView:
    """The public view of a user; a value of its own, frozen while the user is hidden.

    `custom_status_until` (Unix time) is not shown: it is when the public text
    ends, whatever the user does in secret meanwhile. `last_seen` (Unix time)
    is null while the user is not offline, and for one never seen.
    """

    user_id: UserId
    username: str
    status: Status = Status.OFFLINE
    custom_status: Text | None = None
    custom_status_until: float | None = None
    activity: Text | None = None
    version: int = 0
    last_seen: float | None = None

    @property
    def is_visible(self) -> bool:
        return self.status is not Status.OFFLINE

    def numbered(self, version: int) -> "PublicView":
        """The same view at *version*."""
        return PublicView(
            user_id=self.user_id,
            username=self.username,
            status=self.status,
            custom_status=self.custom_status,
            custom_status_until=self.custom_status_until,
            activity=self.activity,
            version=version,
            last_seen=self.last_seen,
        )


@value
class SelfView:
    """The self view: the true state, for the user's own devices, without a version.

    `until` and `custom_status_until` are Unix times.
    """

    id: UserId
    username: str
    status: Status
    intent: Status
    until: float | None
    appear_offline: bool
    custom_status: Text | None
    custom_status_until: float | None
    activity: Text | None
