"""Bodies and queries of Together REST and the administration: bytes in, values out.

Every function raises `InvalidInput` naming the field; nothing else comes out of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

import attrs
from cattrs import Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from presence.core.ids import parse_server_id, parse_user_id
from presence.core.text import clean_username
from presence.core.types import ServerId, Status, UserId
from presence.core.user.patch import UNSET, PresencePatch, Unset
from presence.core.value import value
from presence.dialects.together.fields import parse_bool, parse_status, parse_texts
from presence.dialects.together.strict_json import MAX_VALUES, load_json
from presence.dialects.together.times import parse_end
from presence.errors import InvalidInput

MAX_IDS_ASKED = 500
MAX_PAGE = 500
MAX_MEMBERS = 10_000
MAX_CLAIMED_SERVERS = 500
DEFAULT_PAGE = 100
SHORTEST_LEASE = 10
LONGEST_LEASE = 14_400

_LIMIT = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_PRINTABLE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

T = TypeVar("T")


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
    patch = _structure(body, _Patch)
    # Not recursive: a value may be nested deeper than Python can walk.
    named = attrs.asdict(patch, recurse=False, filter=lambda _, value: value is not UNSET)
    texts = parse_texts(named, now_wall)
    return PresencePatch(
        intent=patch.status,
        until=_parse_until(patch, now_wall),
        custom_status=texts.custom_status,
        custom_status_until=texts.custom_status_until,
        activity=texts.activity,
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

    Texts that cannot be ids are left out, like users who do not exist.
    """
    return _structure(body, _PresenceQuery).ids


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
    return _structure(body or b"{}", ServerPut)


def parse_user_put(body: bytes) -> UserPut:
    """Read `PUT /users/{id}`; no body at all is an empty object."""
    return _structure(body or b"{}", UserPut)


def parse_member_list(body: bytes) -> Iterator[UserId]:
    """Read `PUT /servers/{id}/members`: the members in the order given, repeats included.

    Each is judged when it is asked for, so that thousands need not be judged at a time.
    """
    members = _structure(body, _MemberList, max_values=MAX_MEMBERS + MAX_VALUES).members
    return (parse_user_id(member, "members") for member in members)


def parse_dev_token(body: bytes) -> DevToken:
    """Read `POST /auth/dev-token`."""
    return _structure(body, DevToken)


# How each class is read: cattrs alone would turn 5 into "5" and "abc" into ["a", "b", "c"], so
# every field has a hook of its own, which names the field in what it raises.

_converter = Converter(detailed_validation=False, forbid_extra_keys=True)


def _structure(body: bytes, cls: type[T], max_values: int = MAX_VALUES) -> T:
    raw = load_json(body, max_values=max_values)
    if not isinstance(raw, dict):
        raise InvalidInput("body", "must be a JSON object")
    try:
        return _converter.structure(raw, cls)
    except ForbiddenExtraKeysError as error:
        raise _unknown_key(min(error.extra_fields)) from None
    except KeyError as error:
        raise InvalidInput(str(error.args[0]), "is missing") from None


def _unknown_key(key: str) -> InvalidInput:
    # The name comes from outside and goes into answers and logs.
    if _PRINTABLE_KEY.fullmatch(key):
        return InvalidInput(key, "is not a known key")
    return InvalidInput("body", "has an unknown key")


def _as_given(raw: object, _: Any) -> object:
    return raw


def _read_status(raw: object, _: Any) -> Status:
    return parse_status(raw)


def _read_appear_offline(raw: object, _: Any) -> bool:
    return parse_bool(raw, "appear_offline")


def _read_lease(raw: object, _: Any) -> float:
    # Not isinstance: true would be the number 1. Written so that NaN is refused too.
    is_number = type(raw) is int or type(raw) is float
    if not is_number or not SHORTEST_LEASE <= cast("float", raw) <= LONGEST_LEASE:
        bounds = f"from {SHORTEST_LEASE} to {LONGEST_LEASE}"
        raise InvalidInput("lease", f"must be a number of seconds {bounds}")
    return float(cast("float", raw))


def _read_name(raw: object, _: Any) -> str | None:
    return None if raw is None else clean_username(raw, "name")


def _read_username(raw: object, _: Any) -> str | None:
    return None if raw is None else clean_username(raw)


def _read_ids(raw: object, _: Any) -> tuple[UserId, ...]:
    ids = [_id_or_none(item) for item in _list(raw, "ids", MAX_IDS_ASKED)]
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
    return _list(raw, "members", MAX_MEMBERS)


def _read_user(raw: object, _: Any) -> UserId:
    return parse_user_id(raw, "user")


def _read_servers(raw: object, _: Any) -> tuple[ServerId, ...] | None:
    if raw is None:
        return None
    items = _list(raw, "servers", MAX_CLAIMED_SERVERS)
    return tuple(parse_server_id(item, "servers") for item in items)


def _list(raw: object, field: str, longest: int) -> list[object]:
    if not isinstance(raw, list):
        raise InvalidInput(field, "must be a list")
    if len(raw) > longest:
        raise InvalidInput(field, f"has more than {longest} entries")
    return raw


def _register(cls: type[Any], **hooks: Callable[[Any, Any], Any]) -> None:
    overrides: dict[str, Any] = {name: override(struct_hook=hook) for name, hook in hooks.items()}
    read = make_dict_structure_fn(
        cls,
        _converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=False,
        **overrides,
    )
    _converter.register_structure_hook(cls, read)


_register(
    _Patch,
    status=_read_status,
    until=_as_given,
    appear_offline=_read_appear_offline,
    custom_status=_as_given,
    custom_status_until=_as_given,
    activity=_as_given,
    lease=_read_lease,
)
_register(_PresenceQuery, ids=_read_ids)
_register(_MemberList, members=_read_members)
_register(ServerPut, name=_read_name)
_register(UserPut, username=_read_username)
_register(DevToken, user=_read_user, servers=_read_servers)
