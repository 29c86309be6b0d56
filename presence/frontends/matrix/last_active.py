"""How long ago a user was last active, as Matrix tells it."""

from presence.core.types import PublicView
from presence.live.service import PresenceService


class LastActive:
    """Computes the time when an event is encoded, from what others may know.

    While a user is visible it is the time since its last public change, so
    what nobody sees moves nothing; while it is offline since it was last seen.
    """

    def __init__(self, service: PresenceService) -> None:
        self._service = service

    def of(self, view: PublicView) -> int | None:
        """Milliseconds; None for a user that was never seen."""
        since = self._service.changed_at(view) if view.is_visible else view.last_seen
        if since is None:
            return None
        return max(0, round(1000 * (self._service.now().wall - since)))
