"""The events of a user whose row cannot be read for the time being.

The stored row may say that the user hides, so until it can be read others are
told nothing. Then the user that was read lives through what happened meanwhile,
and only the outcome is shown: who connected and hid was never seen online.
"""

from collections import deque
from collections.abc import Sequence

import attrs

from presence.core.events import Event
from presence.core.types import Moment
from presence.core.user.user import User
from presence.core.versions import Versions
from presence.live.claims import Claims

MOST_KEPT = 1000
"""Events, and claims, kept of one user; the oldest are forgotten, which shows nothing."""


class DeferredEvents:
    """The events and the claims of one user, in their order."""

    def __init__(self) -> None:
        self._events: deque[tuple[Event, Moment]] = deque(maxlen=MOST_KEPT)
        self._claims: deque[Claims] = deque(maxlen=MOST_KEPT)

    @property
    def claims(self) -> Sequence[Claims]:
        return self._claims

    def note(self, event: Event, now: Moment) -> None:
        self._events.append((event, now))

    def note_claims(self, claims: Claims) -> None:
        self._claims.append(claims)

    def replay_onto(self, user: User) -> User:
        """*user* after all that, with the public view that it has now."""
        shown = attrs.evolve(user)
        user.versions = Versions(user.versions.epoch)  # of views that nobody gets
        for event, now in self._events:
            user.apply(event, now)
        return attrs.evolve(
            user,
            versions=shown.versions,
            public=shown.public,
            public_text_end=shown.public_text_end,
            is_announced=shown.is_announced,
            saved=None,
            told=None,
            wake_at=None,
        )
