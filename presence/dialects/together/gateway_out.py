"""Frames that the gateway sends: values in, the bytes of one JSON text out."""

from collections.abc import Iterable
from typing import Any, Final

import orjson

from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, ServerId, UserId
from presence.dialects.together.views import member_object, self_object, server_object

HEARTBEAT_ACK: Final = b'{"op":"HEARTBEAT_ACK"}'


def ready(view: SelfView, servers: Iterable[ServerSnapshot]) -> bytes:
    """The first frame of every connection."""
    return ready_from_fragments(view, map(server_fragment, servers))


def server_fragment(snapshot: ServerSnapshot) -> bytes:
    """One server, encoded once for every READY and SERVER_ADD that shows it."""
    return orjson.dumps(server_object(snapshot))


def ready_from_fragments(view: SelfView, fragments: Iterable[bytes]) -> bytes:
    """READY around servers that `server_fragment` has encoded."""
    servers = [orjson.Fragment(fragment) for fragment in fragments]
    return _dispatch("READY", {"user": self_object(view), "servers": servers})


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
    """The self view changed, for the user's own connections: without a version."""
    return _dispatch("PRESENCE_UPDATE", self_object(view))


def server_add(snapshot: ServerSnapshot) -> bytes:
    """The receiver belongs to a server from now on."""
    return server_add_from_fragment(server_fragment(snapshot))


def server_add_from_fragment(fragment: bytes) -> bytes:
    """SERVER_ADD around a server that `server_fragment` has encoded."""
    return _dispatch("SERVER_ADD", orjson.Fragment(fragment))


def server_remove(server_id: ServerId) -> bytes:
    """The receiver no longer belongs to a server."""
    return _dispatch("SERVER_REMOVE", {"server_id": server_id})


def member_add(server_id: ServerId, view: PublicView) -> bytes:
    """Somebody belongs to the receiver's server from now on, or has a new username."""
    return _dispatch("SERVER_MEMBER_ADD", {"server_id": server_id, "member": member_object(view)})


def member_remove(server_id: ServerId, user_id: UserId) -> bytes:
    """Somebody no longer belongs to the receiver's server."""
    return _dispatch("SERVER_MEMBER_REMOVE", {"server_id": server_id, "user_id": user_id})


def _dispatch(event: str, data: Any) -> bytes:
    return orjson.dumps({"op": "DISPATCH", "t": event, "d": data})
