"""The fields that a gateway frame and a REST body have in common."""

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from presence.core.rule_settings import LONGEST_LEASE, SHORTEST_LEASE
from presence.core.text import clean_text
from presence.core.types import Status, Text
from presence.core.user.patch import UNSET
from presence.dialects.together.times import parse_end
from presence.errors import InvalidInput

_STATUSES = {status.value: status for status in Status}


def parse_status(raw: object, field: str = "status") -> Status:
    """One of the four statuses, in lower case; anything else raises `InvalidInput`."""
    # Not Status(raw): its error would print the value, which may be nested too deep for that.
    if isinstance(raw, str) and raw in _STATUSES:
        return _STATUSES[raw]
    raise InvalidInput(field, "must be one of online, away, dnd, offline")


def parse_bool(raw: object, field: str) -> bool:
    """True or false; numbers, null and strings raise `InvalidInput`."""
    if not isinstance(raw, bool):
        raise InvalidInput(field, "must be true or false")
    return raw


def parse_lease(raw: object) -> float:
    """Seconds within the bounds of a lease; anything else raises `InvalidInput`."""
    # Not isinstance: true would be the number 1. Written so that NaN is refused too.
    is_number = type(raw) is int or type(raw) is float
    if not is_number or not SHORTEST_LEASE <= cast("float", raw) <= LONGEST_LEASE:
        bounds = f"from {SHORTEST_LEASE:.0f} to {LONGEST_LEASE:.0f}"
        raise InvalidInput("lease", f"must be a number of seconds {bounds}")
    return float(cast("float", raw))


class TextFields(TypedDict, total=False):
    """The texts that one command names, as `PresencePatch` takes them."""

    custom_status: Text | None
    custom_status_until: float | None
    activity: Text | None


def parse_texts(fields: Mapping[str, Any], now_wall: float) -> TextFields:
    """Read what *fields* says about texts, or raise `InvalidInput`.

    A custom status that is null or blank has no end, whatever end is given.
    """
    texts: TextFields = {}
    if "custom_status" in fields:
        texts["custom_status"] = clean_text(fields["custom_status"], "custom_status")
    if "custom_status_until" in fields:
        until = parse_end(fields["custom_status_until"], now_wall, "custom_status_until")
        is_cleared = texts.get("custom_status", UNSET) is None
        texts["custom_status_until"] = None if is_cleared else until
    if "activity" in fields:
        texts["activity"] = clean_text(fields["activity"], "activity")
    return texts
