"""One connection of the gateway: what its client sends, and what it gets apart from updates."""

from presence.core.snapshot import ServerSnapshot
from presence.core.types import SelfView, ServerId
from presence.dialects.together import inbound
from presence.dialects.together.encoder import TogetherEncoder
from presence.frontends.lane import SocketLane
from presence.frontends.outbox_connection import SELF
from presence.frontends.rate_limited_session import RateLimitedSession
from presence.live.subscriber import Welcome
from presence.metrics import Drop


class TogetherSession(RateLimitedSession):
    """Takes heartbeats and changes of presence."""

    __slots__ = ()

    _lane: SocketLane[TogetherEncoder]

    def on_message(self, message: str | bytes) -> None:
        now = self._service.now()
        command = inbound.parse_frame(message, now.wall)
        is_within_rate = self._frames.take(now.mono)
        match command:
            case inbound.PresenceUpdate(change):
                self._submit(change, may_go_now=is_within_rate)
            case inbound.Dropped(reason):
                self._drop(reason)
            case _ if not is_within_rate:
                self._drop(Drop.OVER_RATE)
            case _:
                self._socket.stream.push(self._lane.encoder.heartbeat_ack)

    def welcome(self, welcome: Welcome) -> None:
        ready = self._lane.encoder.ready(welcome.self_view, welcome.servers)
        self._socket.stream.push_snapshot(ready)

    def show_self(self, view: SelfView) -> None:
        self._socket.stream.offer(SELF, self._lane.encoder.self_update(view))

    def add_server(self, snapshot: ServerSnapshot) -> None:
        for member in snapshot.members:  # the snapshot is newer than their waiting frames
            self._socket.stream.drop(member.user_id)
        self._socket.stream.push_snapshot(self._lane.encoder.server_add(snapshot))

    def remove_server(self, server_id: ServerId) -> None:
        self._socket.stream.push(self._lane.encoder.server_remove(server_id))
