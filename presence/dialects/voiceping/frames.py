"""The five fields that every VoicePing transport carries.

`[channelType, messageType, from, to, payload]`; six items have a message id
before the payload. Of the message types only status and the connection test
concern presence; the others of `KNOWN_TYPES` belong to the voice router.
"""

from typing import Final

from presence.core.value import value

Id = str
"""A user id as text; `0` where the server or nobody is meant."""

GROUP: Final = 0
PRIVATE: Final = 1
CHANNEL_TYPES: Final = frozenset({GROUP, PRIVATE})

STATUS: Final = 5
LOGIN_DUPLICATED: Final = 9
CONNECTION_TEST: Final = 25
CONNECTION_ACK: Final = 26
KNOWN_TYPES: Final = range(28)

SERVER: Final[Id] = "0"
"""The id that stands for the server itself, and for nobody in `to`."""


@value
class Frame:
    """One message: `channelType`, `messageType`, `from`, `to`, the message id if any, `payload`.

    The ids are text on our side, whatever the wire had. A payload is a number,
    a string, bytes, a boolean or None, never a container.
    """

    channel_type: int
    message_type: int
    sender: Id
    recipient: Id
    payload: object
    message_id: object | None = None


def is_for_the_router(channel_type: int, message_type: int) -> bool:
    """True for talk, texts, images and whatever else is no concern of presence."""
    return (
        channel_type in CHANNEL_TYPES
        and message_type in KNOWN_TYPES
        and message_type not in (STATUS, CONNECTION_TEST)
    )
