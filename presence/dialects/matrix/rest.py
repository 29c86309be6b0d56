"""The draft's operations over REST: bodies in, values out. Raises `InvalidInput` naming the field.

Unlike the client API this interface is our own, so keys that it does not know are refused.
"""

from collections.abc import Mapping, Set
from typing import Any

from presence.core.text import clean_text
from presence.core.types import Status, Text
from presence.core.user.patch import UNSET, PresencePatch, Unset
from presence.dialects.matrix.inbound import parse_state
from presence.dialects.together.fields import parse_bool, parse_lease, parse_status
from presence.dialects.together.strict_json import load_json
from presence.errors import InvalidInput


def parse_status_put(body: bytes) -> PresencePatch:
    """Read `PUT /presence/{user}/status`; `busy` is another word for dnd."""
    raw = _object(body, {"status", "custom_status"})
    intent: Status | Unset = UNSET
    text: Text | Unset | None = UNSET
    if "status" in raw:
        intent = Status.DND if raw["status"] == "busy" else parse_status(raw["status"])
    if "custom_status" in raw:
        text = clean_text(raw["custom_status"], "custom_status")
    return PresencePatch(intent=intent, custom_status=text)


def parse_device_put(body: bytes) -> PresencePatch:
    """Read `PUT /presence/{user}/devices/{device}`."""
    raw = _object(body, {"state", "lease"})
    if "state" not in raw:
        raise InvalidInput("state", "is missing")
    lease = parse_lease(raw["lease"]) if "lease" in raw else UNSET
    return PresencePatch(state=parse_state(raw["state"]), lease=lease)


def parse_appear_offline_put(body: bytes) -> PresencePatch:
    """Read `PUT /presence/{user}/appear_offline`."""
    raw = _object(body, {"appear_offline"})
    if "appear_offline" not in raw:
        raise InvalidInput("appear_offline", "is missing")
    return PresencePatch(appear_offline=parse_bool(raw["appear_offline"], "appear_offline"))


def _object(body: bytes, known: Set[str]) -> Mapping[str, Any]:
    raw = load_json(body)
    if not isinstance(raw, dict):
        raise InvalidInput("body", "must be a JSON object")
    if not raw.keys() <= known:
        raise InvalidInput("body", "has an unknown key")
    return raw
