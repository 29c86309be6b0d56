"""Pages of all users that a caller may see, in order of their ids."""

from collections.abc import Sequence, Set

from presence.core.types import EVERYONE, ServerId, UserId
from presence.core.value import value
from presence.live.views.public_views import PublicViews

STEP = 1_000
"""The most ids that are read at once on the way to a page."""


@value
class _PageCursor:
    """A place in a list: *position* ids are not greater than *after*.

    *turns* is the count of `RecentUserChanges` at that time; None where it is not used.
    """

    turns: int | None
    position: int = 0
    after: str = ""


class UserPages:
    """Finds users by their position in the list; remembers positions in `everyone`.

    Without these landmarks a client that reads a million users page by page would
    have half of them read again for every page. There is at most one landmark for
    each step of the list.
    """

    def __init__(self, public_views: PublicViews) -> None:
        self._public_views = public_views
        self._landmarks: dict[int, _PageCursor] = {}
        """Known positions in `everyone`, by the number of whole steps before each."""

    async def ids(
        self, servers: Set[ServerId], own: UserId, first: int, count: int
    ) -> Sequence[UserId]:
        """Return at most *count* ids after the first *first* ones, in order.

        The list is the members of *servers* and *own*. Reads in bounded steps;
        raises `StoreUnavailable`.
        """
        # One more id on the left shows on which side of it *own* belongs if it is in no server.
        before = min(first, 1)
        found = await self._ids_from(servers, first - before, count + before)
        if own not in found and not await self._is_passed(servers, own, found[:before]):
            found = sorted([*found, own])
        return found[before : before + count]

    async def _is_passed(self, servers: Set[ServerId], own: UserId, left: Sequence[UserId]) -> bool:
        """Whether *own* is listed left of the first id that was found."""
        if not left or own > left[0]:
            return False
        # No character of an id is greater than this, so nothing fits between it and *own*.
        before = own[:-1] + chr(ord(own[-1]) - 1) + "\x7f"
        return own in await self._public_views.ids_after(servers, before, 1)

    async def _ids_from(
        self, servers: Set[ServerId], position: int, count: int
    ) -> Sequence[UserId]:
        place = self._nearest(position) if EVERYONE in servers else _PageCursor(turns=None)
        while place.position < position:
            ahead = min(position - place.position, STEP)
            ids = await self._public_views.ids_after(servers, place.after, ahead)
            if not ids:
                return []
            place = self._passed(place, ids)
        return await self._public_views.ids_after(servers, place.after, count)

    # -- landmarks ---------------------------------------------------------------------------

    def _nearest(self, position: int) -> _PageCursor:
        """The last known place of `everyone` that is not after *position*."""
        farthest = max(self._landmarks, default=0)
        for steps in range(min(position // STEP, farthest), -1, -1):
            known = self._landmarks.pop(steps, None)
            place = known and self._as_now(known)
            if place is not None:
                self._landmarks[steps] = place
                if place.position <= position:
                    return place
        return _PageCursor(self._public_views.recent_user_changes.count)

    def _passed(self, place: _PageCursor, ids: Sequence[UserId]) -> _PageCursor:
        """The place behind *ids*, which were just read after *place*."""
        now = self._as_now(place)
        if now is None:  # too many changes since: its position is unknown
            return _PageCursor(None, place.position + len(ids), ids[-1])
        passed = _PageCursor(now.turns, now.position + len(ids), ids[-1])
        self._landmarks[passed.position // STEP] = passed
        return passed

    def _as_now(self, place: _PageCursor) -> _PageCursor | None:
        """The place after the changes since; None if not all of them are remembered."""
        if place.turns is None:
            return None
        recent_user_changes = self._public_views.recent_user_changes
        gained = recent_user_changes.gained(place.turns, place.after)
        if gained is None:
            return None
        return _PageCursor(recent_user_changes.count, place.position + gained, place.after)
