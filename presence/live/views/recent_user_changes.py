"""Who came to be shown and who was deleted of late: what lists read before do not know."""

import itertools
from collections import deque
from collections.abc import Iterator

from presence.core.types import UserId

_REMEMBERED = 10_000


class RecentUserChanges:
    """The last turns: users of whom others heard for the first time, or who were deleted."""

    def __init__(self) -> None:
        self.count = 0
        """Of all turns so far. A list is as old as the count was when it was read."""
        self._latest: deque[tuple[UserId, bool]] = deque(maxlen=_REMEMBERED)

    def note(self, user_id: UserId, *, is_announced: bool) -> None:
        """The user is shown from now on, or else was deleted."""
        self.count += 1
        self._latest.append((user_id, is_announced))

    def since(self, count: int) -> Iterator[tuple[UserId, bool]]:
        """The turns after the first *count*, oldest first, as far as they are remembered."""
        missed = min(self.count - count, len(self._latest))
        return itertools.islice(self._latest, len(self._latest) - missed, None)

    def gained(self, count: int, up_to: str) -> int | None:
        """How many more users up to the id *up_to* are shown than after the first *count* turns.

        Negative where users went; None where not all of these turns are remembered.
        """
        if self.count - count > len(self._latest):
            return None
        turns = self.since(count)
        return sum(1 if is_announced else -1 for user_id, is_announced in turns if user_id <= up_to)
