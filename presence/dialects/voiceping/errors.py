"""Refusals of VoicePing: no answer says so; a frame is dropped and its reason counted."""

import enum
from typing import Final

from presence.dialects.close_codes import CloseCode

MOST_BAD_FRAMES: Final = 20
BAD_FRAMES_WITHIN: Final = 60.0
TOO_MANY_BAD: Final = (CloseCode.TOO_MANY_BAD_FRAMES, "too many bad frames")


class Malformed(ValueError):
    """The received bytes are no frame; the text says why, for debugging a client."""


class DropReason(enum.Enum):
    """Why a frame was dropped; the value is a counter label. All are bad frames."""

    MALFORMED = "malformed"
    FOREIGN_ID = "foreign_id"
    BAD_STATUS = "bad_status"
