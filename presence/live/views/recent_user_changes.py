"""Recent additions and deletions of users, to correct lists that were read before them."""

import itertools
from collections import deque
from collections.abc import Iterator

from presence.core.types import UserId

_REMEMBERED = 10_000


class RecentUserChanges:
    """The latest changes: users who were announced for the first time, or deleted."""

    def __init__(self) -> None:
        self.count = 0
        """The number of all changes so far. A list is as old as the count at its reading."""
        self._latest: deque[tuple[UserId, bool]] = deque(maxlen=_REMEMBERED)

    def note(self, user_id: UserId, *, is_announced: bool) -> None:
        """Note that the user was announced or, unless *is_announced*, deleted."""
        self.count += 1
        self._latest.append((user_id, is_announced))

    def since(self, count: int) -> Iterator[tuple[UserId, bool]]:
        """The changes after the first *count*, oldest first, as far as they are remembered."""
        missed = min(self.count - count, len(self._latest))
        return itertools.islice(self._latest, len(self._latest) - missed, None)

    def gained(self, count: int, up_to: str) -> int | None:
        """Return how many users up to the id *up_to* came since the first *count* changes.

        Negative if more were deleted; None if not all changes are remembered.
        """
        if self.count - count > len(self._latest):
            return None
        turns = self.since(count)
        return sum(1 if is_announced else -1 for user_id, is_announced in turns if user_id <= up_to)
