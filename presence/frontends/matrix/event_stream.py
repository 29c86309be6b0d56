"""One event stream: Server-Sent Events for a device, over an HTTP answer that goes on."""

from collections.abc import Iterable
from typing import Any, Final, cast

import orjson
import trio

from presence.core.events import Ending
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, ServerId, UserId
from presence.dialects.matrix.encoder import MatrixEncoder, StreamRenderer
from presence.dialects.matrix.outbound import (
    KEEP_ALIVE,
    draft_object,
    draft_self_object,
    stream_event,
)
from presence.frontends.client_connection import ClientConnection, ConnectParams
from presence.frontends.lane import SocketLane, newest_of_each
from presence.frontends.matrix.last_active import LastActive
from presence.live.claims import Claims
from presence.live.service import ConnectionTimer, PresenceService
from presence.live.subscriber import EndReason, Welcome
from presence.transport.http.streaming import BodyStream
from presence.transport.sockets.outbox import Outbox

StreamLane = SocketLane[MatrixEncoder[StreamRenderer]]

SELF: Final = ("self",)
"""The key of a waiting self view; no user id equals it."""


class EventStream(ClientConnection):
    """Begins with the self view and either a snapshot or what changed since *since*.

    *gone* are users to tell of as offline in a snapshot, unless they came back.
    """

    wants_snapshots = False

    __slots__ = ("_ended", "_gone", "_lane", "_last_active", "_outbox", "_ping_every", "_since")

    def __init__(
        self,
        service: PresenceService,
        claims: Claims,
        params: ConnectParams,
        lane: StreamLane,
        body: BodyStream,
        *,
        since: int | None,
        gone: Iterable[PublicView],
        ping_every: float,
    ) -> None:
        super().__init__(service, claims, params)
        self._lane = lane
        self._outbox = body.outbox
        self._since = since
        self._gone = gone
        self._ping_every = ping_every
        self._last_active = LastActive(service)
        self._ended = trio.Event()

    # -- as the living part sees it ----------------------------------------------------------

    @property
    def lane(self) -> StreamLane:
        return self._lane

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    def welcome(self, welcome: Welcome) -> None:
        own = self._self_event(welcome.self_view)
        changed = None
        if self._since is not None:
            changed = self._service.remembered_changes(self.user_id, self._since)
        if changed is None:
            events = [self._snapshot_event(welcome.latest_version)]
        else:
            events = [self._lane.encoder.renderer.event(view) for view in changed]
        self._outbox.push_snapshot([own, *events])
        self._gone = ()

    def show_self(self, view: SelfView) -> None:
        self._outbox.offer(SELF, self._self_event(view))

    def add_server(self, snapshot: ServerSnapshot) -> None:
        views = [each for each in self._service.present_in([snapshot.id]) if not self._is_own(each)]
        for view in views:  # this is newer than what waits of them
            self._outbox.drop(view.user_id)
        events = [self._lane.encoder.renderer.event(view) for view in views]
        if events:
            self._outbox.push_snapshot(events)

    def remove_server(self, server_id: ServerId) -> None:
        present = (view.user_id for view in self._service.present_in([server_id]))
        removal = self._lane.encoder.renderer.removal
        gone = [(user_id, removal(user_id)) for user_id in present if self.is_gone(user_id)]
        if gone:
            self._outbox.offer_batch(newest_of_each(gone))

    def end(self, reason: EndReason) -> None:
        self._ended.set()

    def is_gone(self, user_id: object) -> bool:
        """Whether the client no longer sees the user, whose waiting event is then dropped."""
        is_own = user_id == self.user_id
        return not is_own and not self._service.can_see(self.user_id, cast("UserId", user_id))

    # -- its life ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Attach the device and stream until the server ends it; cancelled when it is lost."""
        self._outbox.is_gone = self.is_gone
        self.register()
        try:
            await self.arrive()
            self._keep_alive()
            await self._ended.wait()
        finally:
            self._outbox.is_gone = _is_never_gone
            self.leave(Ending.POLL)

    def _keep_alive(self, stalled: bool = False) -> None:
        """Send a comment now and then: a dead connection is noticed by what it leaves unread."""
        frame = self._lane.encoder.renderer.frame
        self._outbox.offer(KEEP_ALIVE, frame(KEEP_ALIVE))
        at = self._service.now().mono + self._ping_every
        self._service.set_timer(self, ConnectionTimer.SILENCE, at, self._keep_alive)

    # -- events ------------------------------------------------------------------------------

    def _self_event(self, view: SelfView) -> bytes:
        frame = self._lane.encoder.renderer.frame
        return frame(stream_event("self", orjson.dumps(draft_self_object(view))))

    def _snapshot_event(self, version: int) -> bytes:
        present = self._service.present_to(self.user_id)
        seen = {view.user_id for view in present}
        gone = [view for view in self._gone if view.user_id not in seen]
        users: list[dict[str, Any]] = [
            draft_object(view, self._last_active.of(view)) for view in (*gone, *present)
        ]
        frame = self._lane.encoder.renderer.frame
        return frame(stream_event("snapshot", orjson.dumps(users), version))

    def _is_own(self, view: PublicView) -> bool:
        return view.user_id == self.user_id


def _is_never_gone(key: object) -> bool:
    return False
