"""Refusals of Together: a frame is dropped and counted, a request is answered with a sentence."""

import enum
from typing import Final

NOT_FOUND: Final = "not found"
NEEDS_DEVICE: Final = "activity needs a status beside it while no device of the user is attached"
TOO_MANY_CHANGES: Final = "too many changes of presence"
TOO_MANY_DEVICES: Final = "too many devices"


class DropReason(enum.Enum):
    """Why a frame was dropped; the value is a counter label."""

    BINARY = "binary"
    BAD_JSON = "bad_json"
    NOT_AN_OBJECT = "not_an_object"
    UNKNOWN_OP = "unknown_op"
    BAD_DATA = "bad_data"
    BAD_STATUS = "bad_status"
    BAD_AFK = "bad_afk"
    BAD_TIME = "bad_time"
    BAD_TEXT = "bad_text"


DROP_REASONS: Final = {
    "frame": DropReason.BAD_JSON,
    "status": DropReason.BAD_STATUS,
    "afk": DropReason.BAD_AFK,
    "until": DropReason.BAD_TIME,
    "custom_status_until": DropReason.BAD_TIME,
    "custom_status": DropReason.BAD_TEXT,
    "activity": DropReason.BAD_TEXT,
}
"""The reason for a frame whose field of this name is refused."""
