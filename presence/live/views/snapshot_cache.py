"""Snapshots of servers that are still true, shared by all connections that need them."""

from collections import OrderedDict
from collections.abc import Mapping

from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, ServerId, UserId

_NONE: Mapping[UserId, PublicView] = {}


class SnapshotCache:
    """The most recently used snapshots, of at most *capacity* listed members together.

    All callers get the same object, and with it the encodings that the dialects
    made of it. The owner reports every change; the unchanged views of a snapshot
    are reused for the next one.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._listed = 0
        self._snapshots: dict[ServerId, ServerSnapshot] = {}
        self._views: OrderedDict[ServerId, dict[UserId, PublicView]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._snapshots)

    def get(self, server_id: ServerId) -> ServerSnapshot | None:
        snapshot = self._snapshots.get(server_id)
        if snapshot is not None:
            self._views.move_to_end(server_id)
        return snapshot

    def views_of(self, server_id: ServerId) -> Mapping[UserId, PublicView]:
        """The views of the latest snapshot that are still true."""
        return self._views.get(server_id, _NONE)

    def keep(self, snapshot: ServerSnapshot) -> None:
        self.drop(snapshot.id)
        self._snapshots[snapshot.id] = snapshot
        self._views[snapshot.id] = {view.user_id: view for view in snapshot.members}
        self._listed += len(self._views[snapshot.id])
        while self._listed > self._capacity:
            self.drop(next(iter(self._views)))

    def spoil(self, server_id: ServerId, user_id: UserId) -> None:
        """Invalidate the snapshot: this member of the server changed, came or went."""
        self._snapshots.pop(server_id, None)
        views = self._views.get(server_id)
        if views is not None and views.pop(user_id, None) is not None:
            self._listed -= 1

    def drop(self, server_id: ServerId) -> None:
        """Forget the snapshot and the views of this server."""
        self._snapshots.pop(server_id, None)
        self._listed -= len(self._views.pop(server_id, _NONE))
