"""Server-Sent Events: the lines that a browser's `EventSource` reads."""

from typing import Final

from presence.dialects.framing import Framing

DATA_LINES: Final = Framing(lambda size: b"data: ", b"\n\n")
"""Events without a name; a payload has no line break."""


def stream_event(kind: str, data: bytes, position: int | None = None) -> bytes:
    """One event; *data* has no line break."""
    place = b"" if position is None else b"id: %d\n" % position
    return b"event: %s\n%sdata: %s\n\n" % (kind.encode(), place, data)


KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment, which clients ignore: it shows a dead connection to both ends."""
