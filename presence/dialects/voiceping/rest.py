"""Users as VoicePing's REST tells of them."""

from typing import Any

from presence.core.types import Status, UserId
from presence.dialects.voiceping.codes import code_of, name_of, wire_id


def user_object(user_id: UserId, username: str, status: Status) -> dict[str, Any]:
    """One entry of the user list; the id is a number where it is all digits."""
    code = code_of(status)
    return {
        "id": wire_id(user_id),
        "username": username,
        "status": name_of(code),
        "statusValue": code,
    }
