"""Everything that the gateway sends of its own accord, as whole frames."""

from collections.abc import Iterable

from presence.core.public_changes import (
    MemberAdded,
    MemberRemoved,
    PresenceChanged,
    ServerRenamed,
    Update,
)
from presence.core.snapshot import ServerSnapshot
from presence.core.types import SelfView, ServerId
from presence.dialects.framing import Framing
from presence.dialects.together import outbound


class TogetherEncoder:
    """Encodes updates, snapshots and self views in JSON; *framing* is that of the transport."""

    names_servers = True

    def __init__(self, framing: Framing) -> None:
        self._framed = framing.frame
        self._framed_chunks = framing.frame_chunks
        self._members = outbound.MemberTexts()
        self.heartbeat_ack = self._framed(outbound.HEARTBEAT_ACK)

    def encode(self, update: Update) -> bytes | None:
        """The frame of *update*; None for a status that is sent again unchanged."""
        match update:
            case PresenceChanged(before=before, view=view):
                is_repeat = before.version == view.version
                return None if is_repeat else self._framed(outbound.presence_update(view))
            case MemberAdded(server_id=server_id, view=view):
                return self._framed(outbound.member_add(server_id, view))
            case MemberRemoved(server_id=server_id, user_id=user_id):
                return self._framed(outbound.member_remove(server_id, user_id))
            case ServerRenamed(snapshot=snapshot):
                return b"".join(self.server_add(snapshot))

    def ready(self, view: SelfView, servers: Iterable[ServerSnapshot]) -> list[bytes]:
        """READY in parts, which connections share as far as they are alike."""
        return self._framed_chunks(outbound.ready_chunks(view, map(self._fragment, servers)))

    def self_update(self, view: SelfView) -> bytes:
        return self._framed(outbound.self_update(view))

    def server_add(self, snapshot: ServerSnapshot) -> list[bytes]:
        """SERVER_ADD in parts, likewise."""
        return self._framed_chunks(outbound.server_add_chunks(self._fragment(snapshot)))

    def server_remove(self, server_id: ServerId) -> bytes:
        return self._framed(outbound.server_remove(server_id))

    def _fragment(self, snapshot: ServerSnapshot) -> bytes:
        """The server in JSON, encoded once for all connections that get it, however framed."""
        fragment = snapshot.encodings.get(TogetherEncoder)
        if fragment is None:
            fragment = outbound.server_fragment(snapshot, self._members)
            snapshot.encodings[TogetherEncoder] = fragment
        return fragment
