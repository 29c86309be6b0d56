"""Requests of Matrix clients: bodies and queries in, values out.

Every function raises `InvalidInput` naming the field. Unlike ours, the client
API is open: what it does not know it ignores.
"""

import re
from collections.abc import Mapping
from typing import Any

from presence.core.ids import parse_device_id
from presence.core.text import clean_text
from presence.core.types import DeviceId, State, Status
from presence.core.user.patch import UNSET, PresencePatch
from presence.core.value import value
from presence.dialects.matrix.errors import BadJson, NotJson
from presence.dialects.matrix.outbound import BUSY, UNSTABLE_BUSY
from presence.dialects.together.strict_json import load_json
from presence.errors import InvalidInput

LONGEST_POLL = 300.0
"""Seconds for which a poll waits at most, whatever it asks for."""
TOKEN_LOGIN = "m.login.token"
PASSWORD_LOGIN = "m.login.password"

_MILLISECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_PRESENCE_STATES = {
    "online": State.ONLINE,
    "unavailable": State.IDLE,
    "offline": State.OFFLINE,
    BUSY: State.ONLINE,
    UNSTABLE_BUSY: State.ONLINE,
}


@value
class PresencePut:
    """A presence that a client sets. *is_busy*: it used `busy`, and is told of it from now on."""

    change: PresencePatch
    is_busy: bool


@value
class Login:
    """A login: by *token*, or in development mode as *user*."""

    kind: str
    token: str | None
    user: str | None
    device: DeviceId | None


@value
class Sync:
    """The query of a sync. Times in seconds."""

    since: str | None
    timeout: float
    state: State
    is_busy: bool
    wants_presence: bool


def parse_presence_put(body: bytes, *, knows_busy: bool) -> PresencePut:
    """Read `PUT /presence/{userId}/status`.

    `busy` chooses dnd by hand. Another presence of a device that *knows_busy*
    takes that back, and no other choice: it may be a client that went idle.
    """
    raw = _object(body)
    presence = raw.get("presence")
    if not isinstance(presence, str):
        raise BadJson("presence", "must be a string")
    if presence not in _PRESENCE_STATES:
        raise InvalidInput("presence", "must be online, unavailable, offline or busy")
    is_busy = presence in {BUSY, UNSTABLE_BUSY}
    status_msg = raw.get("status_msg", UNSET)
    text = UNSET if status_msg is UNSET else clean_text(status_msg, "status_msg")
    change = PresencePatch(
        intent=Status.DND if is_busy else UNSET,
        state=_PRESENCE_STATES[presence],
        custom_status=text,
        ends_dnd=knows_busy and not is_busy,
    )
    return PresencePut(change, is_busy)


def parse_sync(query: Mapping[str, str]) -> Sync:
    """Read the query of `GET /sync`."""
    presence = query.get("set_presence", "online")
    if presence not in _PRESENCE_STATES:
        raise InvalidInput("set_presence", "must be online, unavailable, offline or busy")
    return Sync(
        since=query.get("since"),
        timeout=parse_timeout(query.get("timeout")),
        state=_PRESENCE_STATES[presence],
        is_busy=presence in {BUSY, UNSTABLE_BUSY},
        wants_presence=_wants_presence(query.get("filter", "")),
    )


def parse_timeout(raw: str | None) -> float:
    """Milliseconds as seconds, at most `LONGEST_POLL`; absent is no wait."""
    if raw is None:
        return 0.0
    if not _MILLISECONDS.fullmatch(raw):
        raise InvalidInput("timeout", "must be a number of milliseconds")
    return min(int(raw) / 1000.0, LONGEST_POLL)


def parse_login(body: bytes) -> Login:
    """Read `POST /login`."""
    raw = _object(body)
    kind, identifier = raw.get("type"), raw.get("identifier", {})
    if not isinstance(kind, str):
        raise BadJson("type", "must be a string")
    user = identifier.get("user") if isinstance(identifier, dict) else None
    device = raw.get("device_id")
    return Login(
        kind=kind,
        token=_text_or_none(raw.get("token"), "token"),
        user=_text_or_none(user or raw.get("user"), "user"),
        device=None if device is None else parse_device_id(device, "device_id"),
    )


FILTERS = {"0": True, "1": False}
"""Whether presence is wanted, by the id of a filter. No other part of a filter concerns us."""


def parse_filter(body: bytes) -> str:
    """Read `POST /user/{id}/filter`; returns the id of the filter."""
    return "0" if _filter_takes_presence(_object(body)) else "1"


def _wants_presence(raw: str) -> bool:
    if not raw:
        return True
    if raw.startswith("{"):
        return _filter_takes_presence(_object(raw.encode(errors="surrogatepass")))
    if raw not in FILTERS:
        raise InvalidInput("filter", "is not known")
    return FILTERS[raw]


def _filter_takes_presence(raw: Mapping[str, Any]) -> bool:
    presence = raw.get("presence", {})
    if not isinstance(presence, dict):
        raise BadJson("presence", "must be an object")
    types, not_types = presence.get("types"), presence.get("not_types", [])
    if not _is_list_of_texts(not_types) or not (types is None or _is_list_of_texts(types)):
        raise BadJson("types", "must be a list of strings")
    is_wanted = types is None or any(map(_means_presence, types))
    return is_wanted and not any(map(_means_presence, not_types))


def _means_presence(pattern: str) -> bool:
    """Whether *pattern*, in which `*` stands for anything, takes `m.presence`."""
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), "m.presence") is not None


def _is_list_of_texts(raw: object) -> bool:
    return isinstance(raw, list) and len(raw) <= 100 and all(isinstance(each, str) for each in raw)


def _text_or_none(raw: object, field: str) -> str | None:
    if raw is not None and not isinstance(raw, str):
        raise BadJson(field, "must be a string")
    return raw


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        raw = load_json(body)
    except InvalidInput as refusal:
        raise NotJson(refusal.field, refusal.problem) from refusal
    if not isinstance(raw, dict):
        raise BadJson("body", "must be a JSON object")
    return raw


# -- the draft ---------------------------------------------------------------------------------


@value
class EventsQuery:
    """The query of `GET /events`. Without a *timeout* it is a stream, else a poll."""

    state: State | None
    device: DeviceId | None
    timeout: float | None
    since: str | None


def parse_events(query: Mapping[str, str], headers: Mapping[str, str]) -> EventsQuery:
    """Read the query, and the header by which a browser resumes."""
    state, device, timeout = query.get("state"), query.get("device"), query.get("timeout")
    return EventsQuery(
        state=None if state is None else parse_state(state),
        device=None if device is None else parse_device_id(device),
        timeout=None if timeout is None else parse_timeout(timeout),
        since=headers.get("last-event-id", query.get("since")),
    )


def parse_state(raw: object) -> State:
    """One of the three states of a device."""
    for state in State:
        if state.value == raw:
            return state
    raise InvalidInput("state", "must be one of online, idle, offline")
