"""One server as a member gets it when it connects or joins."""

from collections.abc import Hashable, Sequence

import attrs

from presence.core.types import PublicView, ServerId
from presence.core.value import value


@value
class ServerSnapshot:
    """A server and its members, those not offline first, then by user id.

    Above `large_threshold` members the list is cut there and `is_large` is
    true; the rest comes in pages. The counts are those of all members.

    Many connections share one snapshot while nothing changes: in `encodings`
    each dialect keeps, under itself, the bytes that it made of it.
    """

    id: ServerId
    name: str
    members: Sequence[PublicView]
    is_large: bool
    member_count: int
    online_count: int
    encodings: dict[Hashable, bytes] = attrs.field(
        init=False, factory=dict, eq=False, repr=False, hash=False
    )
