"""The messages of a user's actor, beside the events of `core`."""

from collections.abc import Mapping

from actors import Reply
from presence.core.events import Commanded, Connected, Event
from presence.core.types import DeviceId, SelfView, State
from presence.core.user.explanation import Explanation
from presence.core.value import value
from presence.live.claims import Claims
from presence.live.subscriber import Subscriber


@value
class Arrive:
    """A connection of the user opened. Answered once it has its snapshot, or was ended."""

    connected: Connected
    claims: Claims
    subscriber: Subscriber
    reply: Reply[None]


@value
class Applied:
    """A change was made; it is stored when *ticket* is committed.

    *lease_until* is when the lease of the command's device ends (Unix time).
    """

    self_view: SelfView
    lease_until: float | None
    ticket: int


@value
class Limited:
    """A change was over the rate; nothing of it was applied. *retry_after*: seconds."""

    retry_after: float


@value
class Unattached:
    """A change named an activity, but no device or lease to keep it; nothing was applied."""


@value
class NoRoom:
    """A change named one device more than the user may have; nothing was applied."""


CommandAnswer = Applied | Limited | Unattached | NoRoom


@value
class Command:
    """The user asks for a change without a connection, as over REST."""

    commanded: Commanded
    claims: Claims
    reply: Reply[CommandAnswer]


@value
class RemoveDevice:
    """End the lease and the timers of a device of the user; answered with the ticket."""

    device: DeviceId
    reply: Reply[int]


@value
class Oneself:
    """The self view, when the lease of commands over REST ends (Unix time), and the devices."""

    self_view: SelfView
    lease_until: float | None
    devices: Mapping[DeviceId, State]


@value
class Look:
    """A question for the user's self view. Creates no user."""

    reply: Reply[Oneself]


@value
class Explain:
    """A question for the reasons of the user's status. Creates no user."""

    reply: Reply[Explanation]


@value
class SyncSubscriptions:
    """The user joined servers: its connections get their snapshots and are subscribed."""


@value
class Introduce:
    """An administrator creates or renames the user; answered with the ticket."""

    name: str | None
    reply: Reply[int]


@value
class Remove:
    """An administrator deletes the user; answered with the ticket."""

    revoked_at: float
    reply: Reply[int]


@value
class ReadAgain:
    """Try to read the user's row again, which could not be read before."""


Message = (
    Event
    | Arrive
    | Command
    | RemoveDevice
    | Look
    | Explain
    | SyncSubscriptions
    | Introduce
    | Remove
    | ReadAgain
)
