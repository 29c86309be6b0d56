"""The events of one user, and the effects that follow from them."""

import enum

from presence.core.public_changes import PresenceChanged
from presence.core.record import Record
from presence.core.types import ConnectionId, DeviceId, SelfView, State, Status
from presence.core.user.patch import PresencePatch
from presence.core.value import value

REST_DEVICE = DeviceId("/rest")
"""The one lease device of users who set their status without a connection.

No client can name it: no device id has a slash.
"""


# Events -------------------------------------------------------------------------------------


@value
class Claimed:
    """The user came with a token issued at *issued_at* (Unix time), so it exists.

    *name* is the username it claims (None: no claim). *has_servers*: it also
    replaces the memberships of earlier claims.
    """

    issued_at: float
    name: str | None = None
    has_servers: bool = False


@value
class Introduced:
    """An administrator created the user, or gave it a new *name* (None: as it was)."""

    name: str | None = None


@value
class Connected:
    """A connection of *device* opened; its wishes came with the connect request.

    *intent* holds only where no device of the user is attached.
    """

    connection: ConnectionId
    device: DeviceId
    state: State | None = None
    intent: Status | None = None


class Ending(enum.Enum):
    """How a connection ended."""

    CLEAN = "clean"
    """A goodbye: the connection goes at once."""
    LOST = "lost"
    """Lost, navigated away or ended by the server: a grace timer runs."""
    POLL = "poll"
    """A poll of the event stream came to its end: a longer timer runs."""


@value
class Ended:
    """A connection is over. Of an unknown connection: nothing happens."""

    connection: ConnectionId
    ending: Ending


@value
class Pinged:
    """A connection sent the ping that the sweep looks at.

    *may_begin*: it counts also as the first of its device. The echo of a ping
    of ours only renews: whoever never pinged is not swept.
    """

    connection: ConnectionId
    may_begin: bool = True


@value
class Commanded:
    """The user asks for *change*, over *connection* or, where None, over REST.

    *may_wait* commands over the rate of change are kept and merged; others are
    answered `OverRate` and nothing of them applies. Nor does it of an activity
    over REST while nothing of the user is attached, unless a status comes with
    it: that is answered `NotAttached`.

    A command over REST is one of *device*. Its state, where the change names
    one, becomes the state of the whole device: of its connections, its timers
    and its lease, which is renewed or made. Answered `TooManyDevices` where
    every device of the user is in use.
    """

    change: PresencePatch
    connection: ConnectionId | None
    may_wait: bool
    device: DeviceId = REST_DEVICE


@value
class DeviceRemoved:
    """The lease and the timers of *device* end at once; its open connections stay."""

    device: DeviceId


@value
class TimePassed:
    """A deadline that `WakeAt` asked for has come."""


@value
class Stalled:
    """The process stood still: deadlines of liveness that are due get one more chance."""


@value
class Released:
    """The user's actor lives again after a quarantine, and has handled what waited for it."""


@value
class Expelled:
    """An administrator disconnected or deleted the user: gone at once."""


Event = (
    Claimed
    | Introduced
    | Connected
    | Ended
    | Pinged
    | Commanded
    | DeviceRemoved
    | TimePassed
    | Stalled
    | Released
    | Expelled
)


# Effects ------------------------------------------------------------------------------------


@value
class ShowSelf:
    """The user's own connections are to see *view*."""

    view: SelfView


@value
class Save:
    """*record* is to be stored; it replaces any earlier one."""

    record: Record


@value
class WakeAt:
    """`TimePassed` is wanted at *at* (monotonic); None: not at all. Replaces any earlier wish."""

    at: float | None


@value
class OverRate:
    """The command was not applied; it may be in *retry_after* seconds."""

    retry_after: float


@value
class NotAttached:
    """The command was not applied: no device of the user is attached to have the activity."""


@value
class TooManyDevices:
    """Nothing was attached: every device of the user is in use.

    *connection* is the one that opened, None where a command named the device.
    """

    connection: ConnectionId | None


Effect = PresenceChanged | ShowSelf | Save | WakeAt | OverRate | NotAttached | TooManyDevices
