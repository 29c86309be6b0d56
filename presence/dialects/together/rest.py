"""Together REST and the administration: what bodies and queries say, and the bodies of answers.

Every `parse_` function raises `InvalidInput` naming the field, and nothing else.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import attrs
import orjson

from presence.core.ids import parse_server_id, parse_user_id
from presence.core.text import clean_username
from presence.core.types import PublicView, SelfView, ServerId, Status, UserId
from presence.core.user.patch import UNSET, PresencePatch, Unset
from presence.core.value import value
from presence.dialects.together.fields import parse_bool, parse_lease, parse_status, parse_texts
from presence.dialects.together.strict_json import MAX_VALUES
from presence.dialects.together.structure import as_given, read_list, register, structure
from presence.dialects.together.times import format_time, parse_end
from presence.dialects.together.views import member_object, self_object, user_object
from presence.errors import InvalidInput

MAX_IDS_ASKED = 500
MAX_PAGE = 500
MAX_MEMBERS = 10_000
MAX_CLAIMED_SERVERS = 500
DEFAULT_PAGE = 100

_LIMIT = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@value
class Page:
    """Which part of a member list is asked for: at most *limit* users after *after*."""

    limit: int = DEFAULT_PAGE
    after: UserId | None = None


@value
class ServerPut:
    """A server to create or rename; None leaves the name as it is."""

    name: str | None = None


@value
class UserPut:
    """A user to create or rename; None leaves the name as it is."""

    username: str | None = None


@value
class DevToken:
    """The user of a wanted token; *servers* None means a token without that claim."""

    user: UserId
    servers: tuple[ServerId, ...] | None = None


@value
class _Patch:
    status: Status | Unset = UNSET
    until: Any = UNSET
    appear_offline: bool | Unset = UNSET
    custom_status: Any = UNSET
    custom_status_until: Any = UNSET
    activity: Any = UNSET
    lease: float | Unset = UNSET


@value
class _PresenceQuery:
    ids: tuple[UserId, ...]


@value
class _MemberList:
    members: list[object]


def parse_patch(body: bytes, now_wall: float) -> PresencePatch:
    """Read `PATCH /users/@me`; an empty object is `EMPTY_PATCH`.

    The state stays UNSET: here no connection speaks of itself.
    """
    patch = structure(body, _Patch)
    # Not recursive: a value may be nested deeper than Python can walk.
    named = attrs.asdict(patch, recurse=False, filter=lambda _, value: value is not UNSET)
    texts = parse_texts(named, now_wall)
    return PresencePatch(
        intent=patch.status,
        until=_parse_until(patch, now_wall),
        **texts,
        appear_offline=patch.appear_offline,
        lease=patch.lease,
    )


def _parse_until(patch: _Patch, now_wall: float) -> float | None:
    if patch.until is UNSET:
        return None
    if patch.status is UNSET:
        raise InvalidInput("until", "needs a status")
    return parse_end(patch.until, now_wall, "until")


def parse_presence_query(body: bytes) -> tuple[UserId, ...]:
    """Read `POST /users/presence`: the ids in the order asked, repeats included.

    TextFields that cannot be ids are left out, like users who do not exist.
    """
    return structure(body, _PresenceQuery).ids


def parse_page(query: Mapping[str, str]) -> Page:
    """Read `?limit=` and `?after=`; other parameters are not ours to judge."""
    limit, after = query.get("limit"), query.get("after")
    return Page(
        limit=DEFAULT_PAGE if limit is None else _parse_limit(limit),
        after=None if after is None else parse_user_id(after, "after"),
    )


def _parse_limit(raw: str) -> int:
    if not _LIMIT.fullmatch(raw) or int(raw) > MAX_PAGE:
        raise InvalidInput("limit", f"must be a number from 1 to {MAX_PAGE}")
    return int(raw)


def parse_server_put(body: bytes) -> ServerPut:
    """Read `PUT /servers/{id}`; no body at all is an empty object."""
    return structure(body or b"{}", ServerPut)


def parse_user_put(body: bytes) -> UserPut:
    """Read `PUT /users/{id}`; no body at all is an empty object."""
    return structure(body or b"{}", UserPut)


def parse_member_list(body: bytes) -> Iterator[UserId]:
    """Read `PUT /servers/{id}/members`: the members in the order given, repeats included.

    Each is judged when it is asked for, so that thousands need not be judged at a time.
    """
    members = structure(body, _MemberList, max_values=MAX_MEMBERS + MAX_VALUES).members
    return (parse_user_id(member, "members") for member in members)


def parse_dev_token(body: bytes) -> DevToken:
    """Read `POST /auth/dev-token`."""
    return structure(body, DevToken)


# -- the bodies of answers ---------------------------------------------------------------------


def self_view_json(view: SelfView, lease_until: float | None = None) -> bytes:
    """The body for `GET` and `PATCH /users/@me`.

    *lease_until* (Unix time) is the end of the lease, None where no lease holds.
    """
    return orjson.dumps({**self_object(view), "lease_until": format_time(lease_until)})


def user_json(view: PublicView) -> bytes:
    """The body for `GET /users/{id}`."""
    return orjson.dumps(user_object(view))


def users_json(views: Iterable[PublicView]) -> bytes:
    """The body for `POST /users/presence`, in the order given."""
    return orjson.dumps({"users": [user_object(view) for view in views]})


def members_page_json(views: Iterable[PublicView]) -> bytes:
    """The body for `GET /servers/{id}/members`, in the order given."""
    return orjson.dumps({"members": [member_object(view) for view in views]})


def link_header(server_id: ServerId, limit: int, last: UserId) -> str:
    """The `Link` header to the page after the one that ended with *last*.

    For the caller to send only while there is a next page.
    """
    path = f"/servers/{quote(server_id, safe='')}/members"
    return f'<{path}?limit={limit}&after={quote(last, safe="")}>; rel="next"'


def servers_json(names: Mapping[ServerId, str]) -> bytes:
    """The body for `GET /servers`, by server id."""
    servers = [{"id": server_id, "name": names[server_id]} for server_id in sorted(names)]
    return orjson.dumps({"servers": servers})


def token_json(token: str) -> bytes:
    """The body for `POST /auth/dev-token`."""
    return orjson.dumps({"token": token})


# -- how the fields of bodies are read ---------------------------------------------------------


def _read_status(raw: object, _: Any) -> Status:
    return parse_status(raw)


def _read_appear_offline(raw: object, _: Any) -> bool:
    return parse_bool(raw, "appear_offline")


def _read_lease(raw: object, _: Any) -> float:
    return parse_lease(raw)


def _read_name(raw: object, _: Any) -> str | None:
    return None if raw is None else clean_username(raw, "name")


def _read_username(raw: object, _: Any) -> str | None:
    return None if raw is None else clean_username(raw)


def _read_ids(raw: object, _: Any) -> tuple[UserId, ...]:
    ids = [_id_or_none(item) for item in read_list(raw, "ids", MAX_IDS_ASKED)]
    return tuple(user_id for user_id in ids if user_id is not None)


def _id_or_none(raw: object) -> UserId | None:
    """None for a text that cannot be an id; anything but a text is refused."""
    if not isinstance(raw, str):
        raise InvalidInput("ids", "must be a list of strings")
    try:
        return parse_user_id(raw)
    except InvalidInput:
        return None


def _read_members(raw: object, _: Any) -> list[object]:
    return read_list(raw, "members", MAX_MEMBERS)


def _read_user(raw: object, _: Any) -> UserId:
    return parse_user_id(raw, "user")


def _read_servers(raw: object, _: Any) -> tuple[ServerId, ...] | None:
    if raw is None:
        return None
    items = read_list(raw, "servers", MAX_CLAIMED_SERVERS)
    return tuple(parse_server_id(item, "servers") for item in items)


register(
    _Patch,
    status=_read_status,
    until=as_given,
    appear_offline=_read_appear_offline,
    custom_status=as_given,
    custom_status_until=as_given,
    activity=as_given,
    lease=_read_lease,
)
register(_PresenceQuery, ids=_read_ids)
register(_MemberList, members=_read_members)
register(ServerPut, name=_read_name)
register(UserPut, username=_read_username)
register(DevToken, user=_read_user, servers=_read_servers)
