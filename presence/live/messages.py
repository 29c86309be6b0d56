"""The messages of a user's actor, beside the events of `core`."""

from actors import Reply
from presence.core.events import Commanded, Connected, Event
from presence.core.types import SelfView
from presence.core.value import value
from presence.live.claims import Claims
from presence.live.subscriber import Subscriber


@value
class Arrive:
    """A connection of the user opened. Answered when it has its snapshot."""

    connected: Connected
    claims: Claims
    subscriber: Subscriber
    reply: Reply[None]


@value
class Applied:
    """A command was performed; *ticket* is committed when the store has it.

    *lease_until*: see `Oneself`.
    """

    self_view: SelfView
    lease_until: float | None
    ticket: int


@value
class Limited:
    """A command was over the rate of change; nothing of it applies."""

    retry_after: float


@value
class Unattached:
    """A command named an activity that nothing would keep; nothing of it applies."""


@value
class Command:
    """The user asks for a change over REST."""

    commanded: Commanded
    claims: Claims
    reply: Reply[Applied | Limited | Unattached]


@value
class Oneself:
    """The self view, and until when (Unix time) a lease holds the user, None for no lease."""

    self_view: SelfView
    lease_until: float | None


@value
class Look:
    """The user wants to know about itself. Creates nothing."""

    reply: Reply[Oneself]


@value
class SyncSubscriptions:
    """The user belongs to more servers now: its connections are to get their snapshots."""


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
    """The user's row could not be read; it may be readable now."""


Message = Event | Arrive | Command | Look | SyncSubscriptions | Introduce | Remove | ReadAgain
