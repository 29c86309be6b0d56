"""The objects about users and servers that gateway and REST share, in their fixed order."""

from typing import Any

from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView
from presence.dialects.together.times import format_time

Json = dict[str, Any]


def self_object(view: SelfView) -> Json:
    """The self view, for the user's own devices only."""
    return {
        "id": view.id,
        "username": view.username,
        "status": view.status.value,
        "intent": view.intent.value,
        "until": format_time(view.until),
        "appear_offline": view.appear_offline,
        "custom_status": view.custom_status,
        "custom_status_until": format_time(view.custom_status_until),
        "activity": view.activity,
    }


def user_object(view: PublicView) -> Json:
    """A user as REST tells of it."""
    return {
        "id": view.user_id,
        "username": view.username,
        "status": view.status.value,
        "custom_status": view.custom_status,
        "activity": view.activity,
        "version": view.version,
        "last_seen": format_time(view.last_seen),
    }


def member_object(view: PublicView) -> Json:
    """A user as a member of a server."""
    return {
        "user_id": view.user_id,
        "username": view.username,
        "status": view.status.value,
        "custom_status": view.custom_status,
        "activity": view.activity,
        "version": view.version,
    }


def server_object(snapshot: ServerSnapshot) -> Json:
    """A server with its members; a large one with its counts besides."""
    server: Json = {
        "id": snapshot.id,
        "name": snapshot.name,
        "members": [member_object(view) for view in snapshot.members],
    }
    if snapshot.is_large:
        server["large"] = True
        server["member_count"] = snapshot.member_count
        server["online_count"] = snapshot.online_count
    return server
