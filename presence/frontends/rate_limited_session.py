"""Limits the frames of a client in a second, for all dialects."""

import enum
from typing import Any

from presence.core.events import Ending
from presence.core.sliding_window import SlidingWindow
from presence.core.types import Status
from presence.core.user.patch import EMPTY_PATCH, PresencePatch
from presence.frontends.client_connection import ConnectParams
from presence.frontends.lane import SocketLane
from presence.frontends.socket_session import Socket, SocketSession
from presence.frontends.socket_times import SocketTimes
from presence.live.claims import Claims
from presence.live.service import ConnectionTimer, PresenceService
from presence.metrics import Count, Counters


class RateLimitedSession(SocketSession):
    """A session whose client may send so many frames a second.

    Above that changes of presence merge and wait, but hiding; what else is
    sent is the dialect's to drop.
    """

    __slots__ = ("_counters", "_frames", "_postponed")

    def __init__(
        self,
        service: PresenceService,
        socket: Socket,
        lane: SocketLane[Any],
        claims: Claims,
        params: ConnectParams,
        times: SocketTimes | None,
        max_frames_per_second: int,
        counters: Counters,
    ) -> None:
        super().__init__(service, socket, lane, claims, params, times)
        self._frames = SlidingWindow(max_frames_per_second, 1.0)
        self._postponed: PresencePatch = EMPTY_PATCH
        self._counters = counters

    def _drop(self, reason: enum.Enum) -> None:
        """Note that a frame is not acted upon."""
        self._counters.add(Count.FRAMES_DROPPED, reason)

    def _submit(self, change: PresencePatch, *, may_go_now: bool) -> None:
        """Have *change* made now or, above the frame rate, with all that waits; hiding is now."""
        if self._postponed is not EMPTY_PATCH:
            change = self._postponed.merged_with(change)
        if may_go_now or change.intent is Status.OFFLINE:
            self._postponed = EMPTY_PATCH
            self.command(change)
        else:
            self._postponed = change
            self._wait_for_room()

    def leave(self, ending: Ending) -> None:
        if not self._service.is_draining:
            self._send_postponed()  # the last change is never lost
        super().leave(ending)
        self._counters.add(Count.CONNECTIONS_ENDED, ending)

    def _wait_for_room(self) -> None:
        self._service.set_timer(
            self,
            ConnectionTimer.FRAMES,
            self._frames.opens_at(),
            lambda stalled: self._send_postponed(),
        )

    def _send_postponed(self) -> None:
        change, self._postponed = self._postponed, EMPTY_PATCH
        if change is not EMPTY_PATCH:
            self.command(change)
