"""Frames that the gateway sends: values in, the bytes of one JSON text out."""

from collections.abc import Iterable
from typing import Any, Final

import attrs
import orjson

from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, ServerId, UserId
from presence.dialects.server_sent_events import stream_event
from presence.dialects.together.views import member_object, self_object, server_object

HEARTBEAT_ACK: Final = b'{"op":"HEARTBEAT_ACK"}'


class MemberTexts:
    """Members of servers in JSON, each encoded once for as long as its view is the newest.

    Those of at most *capacity* users are kept; who was encoded first is forgotten first.
    """

    def __init__(self, capacity: int = 50_000) -> None:
        self._capacity = capacity
        self._texts: dict[UserId, tuple[PublicView, bytes]] = {}

    def of(self, views: Iterable[PublicView]) -> bytes:
        """The members in JSON, a comma between them."""
        texts = self._texts
        return b",".join(
            [
                known[1]
                if (known := texts.get(view.user_id)) is not None and known[0] is view
                else self._encode(view)
                for view in views
            ]
        )

    def _encode(self, view: PublicView) -> bytes:
        text = orjson.dumps(member_object(view))
        self._texts[view.user_id] = (view, text)
        if len(self._texts) > self._capacity:
            del self._texts[next(iter(self._texts))]
        return text


def ready(view: SelfView, servers: Iterable[ServerSnapshot]) -> bytes:
    """The first frame of every connection."""
    return b"".join(ready_chunks(view, map(server_fragment, servers)))


def server_fragment(snapshot: ServerSnapshot, members: MemberTexts | None = None) -> bytes:
    """One server, encoded once for every READY and SERVER_ADD that shows it."""
    texts = members or MemberTexts()
    start, tail = _cut(server_object(attrs.evolve(snapshot, members=())), b'"members":[')
    return start + texts.of(snapshot.members) + tail


def ready_chunks(view: SelfView, fragments: Iterable[bytes]) -> list[bytes]:
    """READY in parts, around servers that `server_fragment` has encoded: these as they are."""
    data = {"user": self_object(view), "servers": ()}
    start, tail = _cut({"op": "DISPATCH", "t": "READY", "d": data}, b'"servers":[')
    chunks = [start]
    for fragment in fragments:
        chunks += (fragment, b",")
    if len(chunks) > 1:
        chunks.pop()
    return [*chunks, tail]


def presence_update(view: PublicView) -> bytes:
    """The public view of somebody changed; the version rides on the envelope."""
    data = {
        "user_id": view.user_id,
        "status": view.status.value,
        "custom_status": view.custom_status,
        "activity": view.activity,
    }
    return orjson.dumps({"op": "DISPATCH", "t": "PRESENCE_UPDATE", "d": data, "v": view.version})


def self_update(view: SelfView) -> bytes:
    """The self view changed, for the user's own connections: without a version.

    Its `user_id`, beside `id`, is where the updates of others have theirs.
    """
    return _dispatch("PRESENCE_UPDATE", {"id": view.id, "user_id": view.id} | self_object(view))


def server_add(snapshot: ServerSnapshot) -> bytes:
    """The receiver belongs to a server from now on."""
    return b"".join(server_add_chunks(server_fragment(snapshot)))


def server_add_chunks(fragment: bytes) -> list[bytes]:
    """SERVER_ADD in parts, around a server that `server_fragment` has encoded."""
    return [b'{"op":"DISPATCH","t":"SERVER_ADD","d":', fragment, b"}"]


def server_remove(server_id: ServerId) -> bytes:
    """The receiver no longer belongs to a server."""
    return _dispatch("SERVER_REMOVE", {"server_id": server_id})


def member_add(server_id: ServerId, view: PublicView) -> bytes:
    """Somebody belongs to the receiver's server from now on, or has a new username."""
    return _dispatch("SERVER_MEMBER_ADD", {"server_id": server_id, "member": member_object(view)})


def member_remove(server_id: ServerId, user_id: UserId) -> bytes:
    """Somebody no longer belongs to the receiver's server."""
    return _dispatch("SERVER_MEMBER_REMOVE", {"server_id": server_id, "user_id": user_id})


def close_event(code: int, reason: str) -> bytes:
    """The last event of a stream, which stands for the close frame of a WebSocket."""
    return stream_event("close", orjson.dumps({"code": code, "reason": reason}))


def _cut(data: Any, after: bytes) -> tuple[bytes, bytes]:
    """*data* in JSON, cut in two behind its last *after*."""
    text = orjson.dumps(data)
    position = text.rindex(after) + len(after)
    return text[:position], text[position:]


def _dispatch(event: str, data: Any) -> bytes:
    return orjson.dumps({"op": "DISPATCH", "t": event, "d": data})
