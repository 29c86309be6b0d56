"""Times as Together writes them: RFC 3339, or seconds from now."""

import re
from datetime import UTC, datetime
from typing import Final

from presence.errors import InvalidInput

LONGEST_AHEAD: Final = 365 * 24 * 3600.0
"""How far ahead an end may lie, in seconds."""

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def parse_end(raw: object, now_wall: float, field: str) -> float | None:
    """When something is to end, as Unix time; None for null: by no time.

    A number is seconds from now, a string an RFC 3339 time. A time in the
    past or more than a year ahead raises `InvalidInput` naming *field*.
    """
    if raw is None:
        return None
    # Not isinstance: true would be the number 1.
    if type(raw) is int or type(raw) is float:
        ends_at = now_wall + raw
    elif isinstance(raw, str):
        ends_at = _parse_rfc_3339(raw, field)
    else:
        raise InvalidInput(field, "must be a number of seconds, an RFC 3339 time or null")
    # Written so that NaN is refused too.
    if not now_wall < ends_at <= now_wall + LONGEST_AHEAD:
        raise InvalidInput(field, "must lie in the future, at most 365 days ahead")
    return ends_at


def _parse_rfc_3339(raw: str, field: str) -> float:
    if not _RFC_3339.fullmatch(raw):
        raise InvalidInput(field, "is not an RFC 3339 time")
    try:
        return datetime.fromisoformat(raw.upper()).timestamp()
    except ValueError:
        raise InvalidInput(field, "is not an RFC 3339 time") from None


def format_time(at: float | None) -> str | None:
    """Unix time *at* as RFC 3339 in UTC with milliseconds; None stays None."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
