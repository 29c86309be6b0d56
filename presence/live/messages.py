"""What an actor of one user understands, beside the events of `core`."""

import attrs

from actors import Reply
from presence.core.events import Commanded, Connected, Event
from presence.core.types import SelfView
from presence.live.claims import Claims
from presence.live.listener import Listener


@attrs.frozen
class Arrive:
    """A connection of the user opened. Answered when it has its snapshot."""

    connected: Connected
    claims: Claims
    listener: Listener
    reply: Reply[None]


@attrs.frozen
class Applied:
    """A command was performed; *ticket* is committed when the store has it."""

    self_view: SelfView
    ticket: int


@attrs.frozen
class Limited:
    """A command was over the rate of change; nothing of it applies."""

    retry_after: float


@attrs.frozen
class Command:
    """The user asks for a change over REST."""

    commanded: Commanded
    claims: Claims
    reply: Reply[Applied | Limited]


@attrs.frozen
class Look:
    """The user wants its self view. Creates nothing."""

    reply: Reply[SelfView]


@attrs.frozen
class Reseat:
    """The user belongs to more servers now: its connections are to get their snapshots."""


@attrs.frozen
class Introduce:
    """An administrator creates or renames the user; answered with the ticket."""

    name: str | None
    reply: Reply[int]


@attrs.frozen
class Remove:
    """An administrator deletes the user; answered with the ticket."""

    revoked_at: float
    reply: Reply[int]


@attrs.frozen
class ReadAgain:
    """The user's row could not be read; it may be readable now."""


Message = Event | Arrive | Command | Look | Reseat | Introduce | Remove | ReadAgain
