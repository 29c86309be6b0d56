"""What a client of the gateway gets apart from updates, whatever carries its frames."""

from presence.core.snapshot import ServerSnapshot
from presence.core.types import SelfView, ServerId
from presence.dialects.together.encoder import TogetherEncoder
from presence.frontends.lane import SocketLane
from presence.frontends.outbox_connection import SELF, OutboxConnection
from presence.live.welcome import Welcome


class GatewayConnection(OutboxConnection):
    """Sends READY, self views, and the servers that its user joins and leaves."""

    __slots__ = ()

    _lane: SocketLane[TogetherEncoder]

    def welcome(self, welcome: Welcome) -> None:
        ready = self._lane.encoder.ready(welcome.self_view, welcome.servers)
        self.outbox.push_snapshot(ready)

    def show_self(self, view: SelfView) -> None:
        self.outbox.offer(SELF, self._lane.encoder.self_update(view))

    def add_server(self, snapshot: ServerSnapshot) -> None:
        for member in snapshot.members:  # the snapshot is newer than their waiting frames
            self.outbox.drop(member.user_id)
        self.outbox.push_snapshot(self._lane.encoder.server_add(snapshot))

    def remove_server(self, server_id: ServerId) -> None:
        self.outbox.push(self._lane.encoder.server_remove(server_id))
