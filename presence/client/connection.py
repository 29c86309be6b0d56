"""The state of a client's connection, and why it is so."""

import enum
import time

import attrs

from presence.errors import PresenceError


class ConnectionState(enum.Enum):
    """Where a client stands with its server."""

    CONNECTING = "connecting"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@attrs.frozen
class Connection:
    """The state since *since*. *live_until* is the time of what is known; both are Unix times.

    *attempt* counts attempts since the last success. *problem* is the last one, as a sentence.
    """

    state: ConnectionState
    since: float = attrs.field(factory=time.time)
    live_until: float | None = None
    attempt: int = 0
    problem: str | None = None

    @property
    def is_stale(self) -> bool:
        """Whether what is known may no longer be so."""
        return self.state is not ConnectionState.LIVE


class PresenceLost(PresenceError):
    """The client was closed while somebody waited."""


class PresenceRefused(PresenceError):
    """The server refuses, and trying again is of no use.

    `status` is that of HTTP, or the close code; None where there was none.
    """

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status


FINAL_CLOSE_CODES = {
    4002: "disconnected by administration",
    4003: "replaced by another login",
}
"""After these a client does not come back by itself."""
