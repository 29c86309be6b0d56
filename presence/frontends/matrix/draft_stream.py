"""The draft's event stream: one device's Server-Sent Events, which resume."""

from collections.abc import Iterable
from typing import Any

import orjson

from presence.core.events import Ending
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, ServerId
from presence.dialects.matrix.encoder import MatrixEncoder, StreamRenderer
from presence.dialects.matrix.outbound import draft_object, draft_self_object
from presence.dialects.server_sent_events import stream_event
from presence.frontends.client_connection import ConnectParams
from presence.frontends.event_stream import EventStream
from presence.frontends.lane import SocketLane, newest_of_each
from presence.frontends.matrix.last_active import LastActive
from presence.frontends.outbox_connection import SELF
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.live.welcome import Welcome
from presence.transport.http.streaming import BodyStream

DraftLane = SocketLane[MatrixEncoder[StreamRenderer]]


class DraftStream(EventStream):
    """Begins with the self view and either a snapshot or what changed since *since*.

    *gone* are users to tell of as offline in a snapshot, unless they came back.
    """

    ending = Ending.POLL
    wants_snapshots = False

    __slots__ = ("_gone", "_last_active", "_since")

    _lane: DraftLane

    def __init__(
        self,
        service: PresenceService,
        claims: Claims,
        params: ConnectParams,
        lane: DraftLane,
        body: BodyStream,
        ping_every: float,
        *,
        since: int | None,
        gone: Iterable[PublicView],
    ) -> None:
        super().__init__(service, claims, params, lane, body, ping_every)
        self._since = since
        self._gone = gone
        self._last_active = LastActive(service)

    # -- as the living part sees it ----------------------------------------------------------

    def welcome(self, welcome: Welcome) -> None:
        own = self._self_event(welcome.self_view)
        changed = None
        if self._since is not None:
            changed = self._service.remembered_changes(self.user_id, self._since)
        if changed is None:
            events = [self._snapshot_event(welcome.latest_version)]
        else:
            events = [self._lane.encoder.renderer.event(view) for view in changed]
        self.outbox.push_snapshot([own, *events])
        self._gone = ()

    def show_self(self, view: SelfView) -> None:
        self.outbox.offer(SELF, self._self_event(view))

    def add_server(self, snapshot: ServerSnapshot) -> None:
        views = [each for each in self._service.present_in([snapshot.id]) if not self._is_own(each)]
        for view in views:  # this is newer than what waits of them
            self.outbox.drop(view.user_id)
        events = [self._lane.encoder.renderer.event(view) for view in views]
        if events:
            self.outbox.push_snapshot(events)

    def remove_server(self, server_id: ServerId) -> None:
        present = (view.user_id for view in self._service.present_in([server_id]))
        removal = self._lane.encoder.renderer.removal
        gone = [(user_id, removal(user_id)) for user_id in present if self.is_gone(user_id)]
        if gone:
            self.outbox.offer_batch(newest_of_each(gone))

    # -- events ------------------------------------------------------------------------------

    def _self_event(self, view: SelfView) -> bytes:
        event = stream_event("self", orjson.dumps(draft_self_object(view)))
        return self._body.frame(event)

    def _snapshot_event(self, version: int) -> bytes:
        present = self._service.present_to(self.user_id)
        seen = {view.user_id for view in present}
        gone = [view for view in self._gone if view.user_id not in seen]
        users: list[dict[str, Any]] = [
            draft_object(view, self._last_active.of(view)) for view in (*gone, *present)
        ]
        return self._body.frame(stream_event("snapshot", orjson.dumps(users), version))

    def _is_own(self, view: PublicView) -> bool:
        return view.user_id == self.user_id
