"""Snapshots that are still true, for all who connect while nothing changes."""

from collections import OrderedDict

from presence.core.snapshot import ServerSnapshot
from presence.core.types import ServerId


class KeptSnapshots:
    """The snapshots used last, of at most *capacity* listed members together.

    Whoever takes the same snapshot gets the same object, and with it what the
    dialects made of it. Its owner drops what is no longer true.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._listed = 0
        self._snapshots: OrderedDict[ServerId, ServerSnapshot] = OrderedDict()

    def __len__(self) -> int:
        return len(self._snapshots)

    def get(self, server_id: ServerId) -> ServerSnapshot | None:
        snapshot = self._snapshots.get(server_id)
        if snapshot is not None:
            self._snapshots.move_to_end(server_id)
        return snapshot

    def keep(self, snapshot: ServerSnapshot) -> None:
        self.drop(snapshot.id)
        self._snapshots[snapshot.id] = snapshot
        self._listed += len(snapshot.members)
        while self._listed > self._capacity:
            self.drop(next(iter(self._snapshots)))

    def drop(self, server_id: ServerId) -> None:
        """Forget the snapshot of this server, if there is one."""
        snapshot = self._snapshots.pop(server_id, None)
        if snapshot is not None:
            self._listed -= len(snapshot.members)
