"""How VoicePing writes a status and a user id."""

import re
from typing import Final

from presence.core.types import Status
from presence.dialects.voiceping.frames import Id

OFFLINE: Final = 0
ONLINE: Final = 1
BUSY: Final = 2

# Away is online to VoicePing: whoever is not offline can be talked to.
_CODES: Final = {
    Status.OFFLINE: OFFLINE,
    Status.ONLINE: ONLINE,
    Status.AWAY: ONLINE,
    Status.DND: BUSY,
}
_INTENTS: Final = (Status.OFFLINE, Status.ONLINE, Status.DND)
_NAMES: Final = ("offline", "online", "busy")

# Sixteen digits fit every integer of MessagePack, and hold every id of digits that we take.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


def code_of(status: Status) -> int:
    """The number that stands for *status*; online and away share one."""
    return _CODES[status]


def intent_of(code: int) -> Status:
    """The intent that *code* (0, 1 or 2) sets."""
    return _INTENTS[code]


def name_of(code: int) -> str:
    """The word for *code* (0, 1 or 2) in REST."""
    return _NAMES[code]


def wire_id(user_id: Id) -> int | str:
    """The id as clients expect it: a number where it is all digits, else the text."""
    return int(user_id) if _NUMBER.fullmatch(user_id) else user_id
