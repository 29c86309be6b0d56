"""Events and answers about users, in the form of the draft and of the client API."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from presence.core.types import DeviceId, PublicView, SelfView, State, Status, UserId
from presence.dialects.matrix.ids import matrix_user_id

Json = dict[str, Any]
Ago = Callable[[PublicView], int | None]
"""Milliseconds since a user was last active; None where it was never seen."""

BUSY = "busy"
UNSTABLE_BUSY = "org.matrix.msc3026.busy"
PRESENCE = {
    Status.ONLINE: "online",
    Status.AWAY: "unavailable",
    Status.DND: "unavailable",
    Status.OFFLINE: "offline",
}
STATES = {
    Status.ONLINE: "online",
    Status.AWAY: "idle",
    Status.DND: "online",
    Status.OFFLINE: "offline",
}


# -- the client-server API ---------------------------------------------------------------------


def presence_of(status: Status, *, knows_busy: bool) -> str:
    """The presence that a client is told; *knows_busy*: it has used `busy` itself."""
    return BUSY if knows_busy and status is Status.DND else PRESENCE[status]


def presence_content(
    status: Status, status_msg: str | None, ago: int | None, *, knows_busy: bool
) -> Json:
    """The content of an `m.presence` event; what there is no value for is left out."""
    content: Json = {"presence": presence_of(status, knows_busy=knows_busy)}
    if ago is not None:
        content["last_active_ago"] = ago
    if status is Status.ONLINE:
        content["currently_active"] = True
    if status_msg is not None:
        content["status_msg"] = status_msg
    return content


def presence_event(sender: str, content: Json) -> bytes:
    """An `m.presence` event as it stands in the answer to a sync."""
    return orjson.dumps({"type": "m.presence", "sender": sender, "content": content})


def self_event(view: SelfView, server_name: str, *, knows_busy: bool) -> bytes:
    """The event about the user itself."""
    content = presence_content(view.status, view.custom_status, None, knows_busy=knows_busy)
    return presence_event(matrix_user_id(view.id, server_name), content)


def sync_json(next_batch: str, events: Iterable[bytes]) -> bytes:
    """The answer to a sync. *events* are encoded already, most of them for many clients."""
    joined = b",".join(events)
    return b'{"next_batch":"%s","presence":{"events":[%s]}}' % (next_batch.encode(), joined)


# -- the draft ---------------------------------------------------------------------------------


def draft_status(status: Status) -> Json:
    """How the draft splits a status: what devices say, and what the user chose."""
    return {"state": STATES[status], "status": status.value}


def draft_object(view: PublicView, ago: int | None) -> Json:
    """A user as others see it."""
    return {
        "user_id": view.user_id,
        **draft_status(view.status),
        "custom_status": view.custom_status,
        "activity": view.activity,
        "version": view.version,
        "last_active_ago": ago,
    }


def draft_self_object(view: SelfView) -> Json:
    """The user as it sees itself."""
    return {
        "user_id": view.id,
        **draft_status(view.status),
        "custom_status": view.custom_status,
        "activity": view.activity,
        "intent": view.intent.value,
        "appear_offline": view.appear_offline,
    }


def draft_self_json(view: SelfView, devices: Mapping[DeviceId, State], public: Json) -> bytes:
    """The answer about oneself: *public* is what others see, in part frozen while hidden."""
    own = draft_self_object(view) | {
        "version": public["version"],
        "last_active_ago": public["last_active_ago"],
        "devices": [
            {"device": name.removeprefix("/"), "state": state.value}
            for name, state in devices.items()
        ],
    }
    return orjson.dumps(own)


def removed_object(user_id: UserId, version: int) -> Json:
    """A user that is no longer seen, and therefore offline to the client."""
    return draft_object(PublicView(user_id, user_id, version=version), None)


def draft_poll_json(position: str, events: Iterable[bytes], *, is_snapshot: bool) -> bytes:
    """The answer to a long poll of the event stream."""
    flag = b',"snapshot":true' if is_snapshot else b""
    joined = b",".join(events)
    return b'{"position":"%s","events":[%s]%s}' % (position.encode(), joined, flag)
