"""Users, servers and changes as a client knows them: values, and how they are read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from presence.core.types import Status
from presence.errors import PresenceError

Json = Mapping[str, Any]


class ProtocolError(PresenceError):
    """The server sent something that no presence server sends."""


@attrs.frozen
class User:
    """Another user, as one may see it."""

    id: str
    username: str
    status: Status
    custom_status: str | None
    activity: str | None
    version: int


@attrs.frozen
class SelfView:
    """Oneself, as one really is.

    `lease_until`: when the status ends that holds without a client; None while
    one is connected, and where the server did not say.
    """

    id: str
    username: str
    status: Status
    intent: Status
    until: datetime | None
    appear_offline: bool
    custom_status: str | None
    custom_status_until: datetime | None
    activity: str | None
    lease_until: datetime | None = None


@attrs.frozen
class Server:
    """A server that one belongs to. `is_complete`: all its members are known."""

    id: str
    name: str
    member_count: int
    is_complete: bool


@attrs.frozen
class Change:
    """A user is another than before; *previous* is None for one that was not known.

    `is_catch_up`: it changed while there was no connection.
    """

    user: User
    previous: User | None
    is_catch_up: bool = False


def read_user(raw: Json) -> User:
    """A user as members, updates and REST have it; raises `ProtocolError`."""
    return User(
        id=_text(raw, "user_id" if "user_id" in raw else "id"),
        username=_text(raw, "username"),
        status=_status(raw, "status"),
        custom_status=_text_or_none(raw, "custom_status"),
        activity=_text_or_none(raw, "activity"),
        version=_number(raw, "version"),
    )


def read_self(raw: Json) -> SelfView:
    """The self view; raises `ProtocolError`."""
    return SelfView(
        id=_text(raw, "id"),
        username=_text(raw, "username"),
        status=_status(raw, "status"),
        intent=_status(raw, "intent"),
        until=_time_or_none(raw, "until"),
        appear_offline=raw.get("appear_offline") is True,
        custom_status=_text_or_none(raw, "custom_status"),
        custom_status_until=_time_or_none(raw, "custom_status_until"),
        activity=_text_or_none(raw, "activity"),
        lease_until=_time_or_none(raw, "lease_until"),
    )


def read_server(raw: Json) -> tuple[Server, Sequence[User]]:
    """A server with the members that it lists; raises `ProtocolError`."""
    members = raw.get("members")
    if not isinstance(members, list):
        raise ProtocolError("a server came without members")
    users = [read_user(member) for member in members]
    is_complete = raw.get("large") is not True
    count = len(users) if is_complete else _number(raw, "member_count")
    return Server(_text(raw, "id"), _text(raw, "name"), count, is_complete), users


def _text(raw: Json, key: str) -> str:
    found = raw.get(key)
    if not isinstance(found, str):
        raise ProtocolError(f"{key} is no text")
    return found


def _text_or_none(raw: Json, key: str) -> str | None:
    return None if raw.get(key) is None else _text(raw, key)


def _number(raw: Json, key: str) -> int:
    found = raw.get(key)
    if type(found) is not int:
        raise ProtocolError(f"{key} is no number")
    return found


def _status(raw: Json, key: str) -> Status:
    try:
        return Status(_text(raw, key))
    except ValueError as error:
        raise ProtocolError(f"{key} is no status") from error


def _time_or_none(raw: Json, key: str) -> datetime | None:
    text = _text_or_none(raw, key)
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        raise ProtocolError(f"{key} is no time") from error
