"""`voiceping:<user_id>`: a text, or the payload of a WebSocket control frame."""

from typing import Final

from presence.dialects.voiceping.frames import Id

PREFIX: Final = "voiceping:"

_LARGEST_CONTROL_PAYLOAD: Final = 125  # bytes, RFC 6455 section 5.5


def ping_payload(user_id: Id) -> bytes:
    """The payload of our own ping, so that a browser's PONG names the user.

    Empty for an id of more than 115 characters, which no control frame holds.
    """
    payload = f"{PREFIX}{user_id}".encode()
    return payload if len(payload) <= _LARGEST_CONTROL_PAYLOAD else b""


def read_ping(text: str) -> Id | None:
    """The id that a ping names, not yet looked at; None where *text* is no ping."""
    return text.removeprefix(PREFIX) if text.startswith(PREFIX) else None
