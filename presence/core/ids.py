"""Which user, server and device ids are valid."""

import re

from presence.core.types import DeviceId, ServerId, UserId
from presence.errors import InvalidInput

_ID = re.compile(r"[A-Za-z0-9._~@+=-]{1,128}", re.ASCII)
_CANONICAL_NUMBER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_LARGEST_NUMBER = 2**53 - 1
_RESERVED = frozenset({"0", "@me", ".", "..", "presence"})


def parse_user_id(raw: object, field: str = "user id") -> UserId:
    """Accept *raw* as a user id, or raise `InvalidInput` naming *field*.

    An all-digit id is canonical (`7`, never `07`) and at most 2**53 - 1.
    """
    if not isinstance(raw, str) or not _ID.fullmatch(raw) or raw in _RESERVED:
        raise InvalidInput(field, "is not a valid user id")
    if raw.isdigit() and not (_CANONICAL_NUMBER.fullmatch(raw) and int(raw) <= _LARGEST_NUMBER):
        raise InvalidInput(field, "is not a canonical number of at most 2^53-1")
    return UserId(raw)


def parse_server_id(raw: object, field: str = "server id") -> ServerId:
    """Accept *raw* as a server id, or raise `InvalidInput` naming *field*."""
    return ServerId(_parse_plain(raw, field))


def parse_device_id(raw: object, field: str = "device") -> DeviceId:
    """Accept *raw* as a device id, or raise `InvalidInput` naming *field*."""
    return DeviceId(_parse_plain(raw, field))


def _parse_plain(raw: object, field: str) -> str:
    if not isinstance(raw, str) or not _ID.fullmatch(raw) or raw in {".", ".."}:
        raise InvalidInput(field, "must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ @ + = -")
    return raw
