"""What one changes of oneself, as a value and as the body of a request."""

from datetime import UTC, datetime, timedelta

import attrs

from presence.core.types import Status
from presence.core.user.patch import UNSET, Unset

Ends = datetime | timedelta | Unset | None
"""When something ends: at a moment, after a time, never (None), or as before (UNSET)."""


@attrs.frozen(kw_only=True)
class SelfChange:
    """What is left out stays, None clears.

    *lease* is how long the status holds while no client of the user is connected.
    """

    status: Status | Unset = UNSET
    until: Ends = UNSET
    custom_status: str | Unset | None = UNSET
    custom_status_until: Ends = UNSET
    activity: str | Unset | None = UNSET
    appear_offline: bool | Unset = UNSET
    lease: timedelta | Unset = UNSET

    def body(self) -> dict[str, object]:
        """The body of `PATCH /users/@me`."""
        named = attrs.asdict(self, filter=lambda _, value: value is not UNSET)
        return {name: _as_sent(value) for name, value in named.items()}


def _as_sent(value: object) -> object:
    match value:
        case Status():
            return value.value
        case timedelta():  # counted by the server, whatever the clock says here
            return value.total_seconds()
        case datetime():
            return value.astimezone(UTC).isoformat()
    return value
