"""Rows that changed and are not yet committed."""

import math

import attrs

from presence.core.record import Record
from presence.core.types import ServerId, UserId
from presence.live.ports import Batch, MembershipRow, Revocation


@attrs.define
class DirtyRows:
    """Rows that are not yet committed, the newest version of each; None deletes the row."""

    users: dict[UserId, Record | None] = attrs.field(factory=dict)
    servers: dict[ServerId, str | None] = attrs.field(factory=dict)
    memberships: dict[tuple[UserId, ServerId], MembershipRow | None] = attrs.field(factory=dict)
    revocations: dict[UserId, Revocation] = attrs.field(factory=dict)
    settled_epoch: int | None = None

    def __len__(self) -> int:
        rows = len(self.users) + len(self.servers) + len(self.memberships) + len(self.revocations)
        return rows + (self.settled_epoch is not None)

    def merged_with(self, newer: "DirtyRows") -> "DirtyRows":
        """The rows to write after a failed write of these, when *newer* ones have come in."""
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
        """These rows as one batch for the store."""
        return Batch(
            committed_at=committed_at,
            users=self.users,
            servers=self.servers,
            memberships=self.memberships,
            revocations=self.revocations,
            settled_epoch=self.settled_epoch,
        )


def check_storable(record: Record) -> None:
    """Raise ValueError for a record that no database could keep.

    Checked in the task that saves it: in a batch it would make every write fail.
    """
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
