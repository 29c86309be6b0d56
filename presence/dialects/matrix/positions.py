"""Positions in the stream of changes.

A position is `<version>.<own>`: the newest public change, and a fingerprint of
the user's own state, which has no version. To a client it is opaque.
"""

import re
import zlib

from presence.core.value import value

_POSITION = re.compile(r"([0-9]{1,19})\.([0-9a-f]{8})", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,19}", re.ASCII)


@value
class Position:
    """Everything up to *version* was told, and the own state with the fingerprint *own*."""

    version: int
    own: str

    def __str__(self) -> str:
        return f"{self.version}.{self.own}"


def parse_position(raw: str | None) -> Position | None:
    """The position; None where it is absent or unreadable, which is answered by a snapshot."""
    found = None if raw is None else _POSITION.fullmatch(raw)
    return None if found is None else Position(int(found[1]), found[2])


def parse_version(raw: str | None) -> int | None:
    """The version of an event stream's `Last-Event-ID`; None as in `parse_position`."""
    found = None if raw is None else _VERSION.fullmatch(raw)
    return None if found is None else int(found[0])


def fingerprint(own_event: bytes) -> str:
    """Eight digits that tell one own state of a user from another."""
    return f"{zlib.crc32(own_event):08x}"
