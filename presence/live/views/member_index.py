"""The ids of one server's members, in the order of its snapshots and in that of its pages."""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Set

from presence.core.types import UserId


class MemberIndex:
    """Members by id, those not offline first; kept in order as they come, change and go.

    Offline members after *known_up_to* are left out, where it is given.
    """

    __slots__ = ("_known_up_to", "_others", "_visible")

    def __init__(
        self,
        members: Iterable[UserId],
        visible: Set[UserId],
        known_up_to: UserId | None = None,
    ) -> None:
        self._visible = sorted(visible)
        self._others = sorted(key for key in members if key not in visible)
        self._known_up_to = known_up_to

    def __len__(self) -> int:
        return len(self._visible) + len(self._others)

    def place(self, user_id: UserId, *, is_visible: bool) -> None:
        """Add or move a member, who is not offline if *is_visible*."""
        there, elsewhere = self._visible, self._others
        if not is_visible:
            there, elsewhere = elsewhere, there
        _discard(elsewhere, user_id)
        if (is_visible or self._knows(user_id)) and not _has(there, user_id):
            insort(there, user_id)

    def remove(self, user_id: UserId) -> None:
        """Remove a member; does nothing if the user is none."""
        _discard(self._visible, user_id)
        _discard(self._others, user_id)

    def reaches(self, count: int) -> bool:
        """Say whether the first *count* members are certainly listed."""
        return self._known_up_to is None or len(self) >= count

    def first(self, count: int) -> list[UserId]:
        """The first *count* ids, or all there are."""
        first = self._visible[:count]
        return first + self._others[: count - len(first)]

    def after(self, user_id: str) -> Iterator[UserId]:
        """The ids greater than *user_id*, by id; to be used up before anything changes."""
        parts = (self._visible, self._others)
        return heapq.merge(
            *(map(ids.__getitem__, range(bisect_right(ids, user_id), len(ids))) for ids in parts)
        )

    def _knows(self, user_id: UserId) -> bool:
        return self._known_up_to is None or user_id <= self._known_up_to


def _has(ids: list[UserId], user_id: UserId) -> bool:
    index = bisect_left(ids, user_id)
    return index < len(ids) and ids[index] == user_id


def _discard(ids: list[UserId], user_id: UserId) -> None:
    if _has(ids, user_id):
        del ids[bisect_left(ids, user_id)]
