"""Commits that a read of the store may have missed, because it began before them."""

import contextlib
import math
from collections import deque
from collections.abc import Iterator

from presence.core.record import Record
from presence.core.types import UserId


class CommitsDuringReads:
    """Batches committed while a read was under way: the read may have missed them."""

    def __init__(self) -> None:
        self._last_read = 0
        self._reads: dict[int, None] = {}  # under way, oldest first
        self._kept: deque[tuple[int, dict[UserId, Record | None]]] = deque()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep every batch that is committed until the end of this block."""
        self._last_read = number = self._last_read + 1
        self._reads[number] = None
        try:
            yield
        finally:
            del self._reads[number]
            oldest = next(iter(self._reads), math.inf)
            while self._kept and self._kept[0][0] < oldest:
                self._kept.popleft()

    def keep(self, users: dict[UserId, Record | None]) -> None:
        """Note a commit: every read now under way may have missed *users*."""
        if self._reads and users:
            self._kept.append((self._last_read, users))

    def committed(self) -> Iterator[dict[UserId, Record | None]]:
        """The kept batches, newest first."""
        return (users for _, users in reversed(self._kept))
