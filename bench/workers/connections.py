"""Connections that are no sockets: they count what they are told."""

from collections.abc import Hashable, Sequence
from typing import Any

from presence.core.public_changes import Update
from presence.core.snapshot import ServerSnapshot
from presence.core.types import ConnectionId, DeviceId, SelfView, ServerId, Status, UserId
from presence.live.subscriber import Announcement, EndReason
from presence.live.welcome import Welcome

DEVICE = DeviceId("phone")


class Mute:
    """A lane and a dialect that has no event for anything."""

    names_servers = False

    def encode(self, update: Update) -> bytes | None:
        return None

    def render(self, values: Sequence[tuple[Hashable, Announcement]]) -> Any:
        return None

    def admit(self, listener: "CountingConnection") -> "CountingConnection":
        return listener

    def dismiss(self, address: "CountingConnection") -> None:
        """Nothing is kept of it."""

    def offer_all(self, packet: Any, addresses: Sequence[Any]) -> None:
        """Nothing was rendered, so nothing is offered."""


MUTE = Mute()


class Tally:
    """The updates that all connections together got."""

    def __init__(self) -> None:
        self.shown_offline = 0
        self.shown_online = 0

    def forget(self) -> None:
        self.shown_offline = self.shown_online = 0


class CountingConnection:
    """One device of one user. `offline` and `online`: how often it was told that it is so."""

    __slots__ = ("connection", "offline", "online", "tally", "user_id")

    issued_at = 0.0
    lane = MUTE
    device = DEVICE
    wants_snapshots = True

    def __init__(self, connection: ConnectionId, user_id: UserId, tally: Tally) -> None:
        self.connection = connection
        self.user_id = user_id
        self.tally = tally
        self.offline = self.online = 0

    def welcome(self, welcome: Welcome) -> None:
        """It counts changes, not what it begins with."""

    def show_self(self, view: SelfView) -> None:
        if view.status is Status.OFFLINE:
            self.offline += 1
            self.tally.shown_offline += 1
        else:
            self.online += 1
            self.tally.shown_online += 1

    def add_server(self, snapshot: ServerSnapshot) -> None:
        """Nobody joins a server."""

    def remove_server(self, server_id: ServerId) -> None:
        """Nobody leaves a server."""

    def end(self, reason: EndReason) -> None:
        """There is nothing to close."""
