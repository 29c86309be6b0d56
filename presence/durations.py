"""Spans and moments as people write them on a command line."""

import re
from datetime import date, datetime, time, timedelta
from typing import Final

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(?:[0-9]{1,9}[smhd])+", re.ASCII)
_PART = re.compile(r"([0-9]+)([smhd])", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def parse_span(text: str) -> float | None:
    """Seconds of a span such as 45, 30m or 1h30m; None for any other text."""
    if _SECONDS.fullmatch(text):
        return float(text)
    if not _SPAN.fullmatch(text):
        return None
    return float(sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _PART.findall(text)))


def parse_moment(text: str, now: datetime) -> datetime | None:
    """The moment of `17:00` (the next one), `tomorrow` (its first minute) or an RFC 3339 time.

    *now* is the local time with its zone. None for any other text, and for a
    time without a zone.
    """
    if text == "tomorrow":
        return _at(now.date() + timedelta(days=1), time(), now)
    if clock := _CLOCK.fullmatch(text):
        at = time(int(clock[1]), int(clock[2]))
        today = _at(now.date(), at, now)
        return today if today > now else _at(now.date() + timedelta(days=1), at, now)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _at(day: date, at: time, now: datetime) -> datetime:
    return datetime.combine(day, at, tzinfo=now.tzinfo)
