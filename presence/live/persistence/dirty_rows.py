"""What the store does not know yet, or may not have known when it was asked."""

import contextlib
import math
from collections import deque
from collections.abc import Iterator

import attrs

from presence.core.record import Record
from presence.core.types import ServerId, UserId
from presence.live.ports import Batch, MembershipRow, Revocation


@attrs.define
class DirtyRows:
    """Rows that are not yet committed, the newest of each; None: it is to go."""

    users: dict[UserId, Record | None] = attrs.field(factory=dict)
    servers: dict[ServerId, str | None] = attrs.field(factory=dict)
    memberships: dict[tuple[UserId, ServerId], MembershipRow | None] = attrs.field(factory=dict)
    revocations: dict[UserId, Revocation] = attrs.field(factory=dict)
    settled_epoch: int | None = None

    def __len__(self) -> int:
        rows = len(self.users) + len(self.servers) + len(self.memberships) + len(self.revocations)
        return rows + (self.settled_epoch is not None)

    def merged_with(self, newer: "DirtyRows") -> "DirtyRows":
        """What to write after this could not be written and *newer* came in."""
        if not self:
            return newer
        is_settled_later = newer.settled_epoch is not None
        return DirtyRows(
            users=self.users | newer.users,
            servers=self.servers | newer.servers,
            memberships=self.memberships | newer.memberships,
            revocations=self.revocations | newer.revocations,
            settled_epoch=newer.settled_epoch if is_settled_later else self.settled_epoch,
        )

    def as_batch(self, committed_at: float) -> Batch:
        """These changes for the store, which sees them as they are now."""
        return Batch(
            committed_at=committed_at,
            users=self.users,
            servers=self.servers,
            memberships=self.memberships,
            revocations=self.revocations,
            settled_epoch=self.settled_epoch,
        )


class CommitsDuringReads:
    """Batches committed while a read was under way, which may not have seen them."""

    def __init__(self) -> None:
        self._last_read = 0
        self._reads: dict[int, None] = {}  # under way, oldest first
        self._kept: deque[tuple[int, dict[UserId, Record | None]]] = deque()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep, until the end of this block, what is committed from now on."""
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
        """What is kept, newest first."""
        return (users for _, users in reversed(self._kept))


def check_storable(record: Record) -> None:
    """Refuse, in the task of who saves it, a record that would make every batch fail."""
    view = record.view
    texts = (view.username, view.custom_status, view.activity)
    own_texts = (record.name, record.custom_status, record.activity)
    for text in (*texts, *own_texts, *record.device_states, *record.awaited_states):
        if text is not None:
            text.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    times = (view.custom_status_until, view.last_seen, record.custom_status_until)
    for time in (*times, record.intent_until, record.claims_at, record.named_at):
        if time is not None and not math.isfinite(time):
            raise ValueError(f"the record of {view.user_id} has a time that is none")
