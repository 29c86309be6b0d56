"""A connection over which events only go out: Server-Sent Events, in an answer that goes on."""

from contextlib import suppress
from typing import Any, ClassVar, Final

import trio

from presence.core.events import Ending
from presence.dialects.server_sent_events import KEEP_ALIVE
from presence.errors import UserCrashed, UserUnavailable
from presence.frontends.client_connection import ConnectParams
from presence.frontends.lane import SocketLane
from presence.frontends.outbox_connection import OutboxConnection
from presence.live.claims import Claims
from presence.live.service import ConnectionTimer, PresenceService
from presence.live.subscriber import EndReason
from presence.transport.http.streaming import BodyStream
from presence.transport.sockets.outbox import Outbox

LAST: Final = ("last",)
"""The key of what goes out behind all that waits."""


class EventStream(OutboxConnection):
    """The connection of one stream. `run` owns it from the first moment to the end.

    The events belong to the dialect's stream, which builds on this. Its `ending` is how
    every stream ends: a client that only listens has no word for goodbye.
    """

    ending: ClassVar[Ending]

    __slots__ = ("_body", "_end_reason", "_ended", "_ping_every")

    def __init__(
        self,
        service: PresenceService,
        claims: Claims,
        params: ConnectParams,
        lane: SocketLane[Any],
        body: BodyStream,
        ping_every: float,
    ) -> None:
        super().__init__(service, claims, params, lane)
        self._body = body
        self._ping_every = ping_every
        self._ended = trio.Event()
        self._end_reason = EndReason.CRASHED  # unless `end` says otherwise

    # -- as the living part sees it ----------------------------------------------------------

    @property
    def outbox(self) -> Outbox:
        return self._body.outbox

    def end(self, reason: EndReason) -> None:
        if not self._ended.is_set():
            self._end_reason = reason
            self._ended.set()

    # -- its life ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Attach the device and stream until the server ends it; cancelled when it is lost."""
        self.outbox.is_gone = self.is_gone
        self.register()
        try:
            with suppress(UserCrashed, UserUnavailable):
                await self.arrive()
                self._keep_alive()
                await self._ended.wait()
        finally:
            self.outbox.is_gone = _is_never_gone
            self.leave(self.ending)
        last = self.last_event(self._end_reason)
        if last is not None:  # nothing follows it, for the connection has left
            self.outbox.offer(LAST, self._body.frame(last))

    def last_event(self, reason: EndReason) -> bytes | None:
        """The event that says why the server ends the stream; None where the dialect has none."""
        return None

    def _keep_alive(self, stalled: bool = False) -> None:
        """Send a comment now and then: a dead connection is noticed by what it leaves unread."""
        self.outbox.offer(KEEP_ALIVE, self._body.frame(KEEP_ALIVE))
        at = self._service.now().mono + self._ping_every
        self._service.set_timer(self, ConnectionTimer.SILENCE, at, self._keep_alive)


def _is_never_gone(key: object) -> bool:
    return False
