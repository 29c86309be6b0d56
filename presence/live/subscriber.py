"""A connection as the living part sees it, and the announcements that it is offered."""

import enum
from collections.abc import Hashable, Iterator, Mapping
from typing import Protocol

import attrs

from actors import Lane
from presence.core.public_changes import (
    MemberAdded,
    MemberRemoved,
    PresenceChanged,
    ServerRenamed,
    Update,
)
from presence.core.snapshot import ServerSnapshot
from presence.core.types import ConnectionId, DeviceId, SelfView, ServerId, UserId
from presence.live.welcome import Welcome


class Encoder(Protocol):
    """Turns updates into the frames of one dialect. Told apart by identity."""

    @property
    def names_servers(self) -> bool:
        """Whether its frames say in which server a user was added or removed.

        Otherwise they only say how a user is, so the removal from one server
        concerns those alone who see the user in no other.
        """

    def encode(self, update: Update) -> bytes | None:
        """Return whole frames; None where the dialect has no event for *update*.

        Called once per update, not once per subscriber.
        """


class Announcement:
    """One update on its way out, encoded once per dialect. *version*: that of the change."""

    __slots__ = ("_frames", "_steps", "update", "version")

    def __init__(self, update: Update, version: int, earlier: tuple[Update, ...] = ()) -> None:
        self.update = update
        self.version = version
        self._steps = (*earlier, update)
        self._frames: dict[Encoder, bytes | None] = {}

    def merged_with(self, newer: "Announcement") -> "Announcement":
        """The announcement to send where *newer*, of the same key, came before this was sent.

        Subscribers have the view from before this one or, if they connected
        meanwhile, one in between. So a dialect sends the newest view if it has
        an event for any of these steps. Some subscribers get a repeat.
        """
        return Announcement(newer.update, newer.version, tuple(self._steps_to(newer.update)))

    def _steps_to(self, update: Update) -> Iterator[Update]:
        """*update* as a step from each view that a subscriber may have."""
        for step in self._steps:
            match update, step:
                case PresenceChanged(view=view), PresenceChanged():
                    yield attrs.evolve(step, view=view)
                case MemberAdded(), MemberAdded(before=before) | MemberRemoved(before=before):
                    yield attrs.evolve(update, before=before)

    def frame(self, encoder: Encoder) -> bytes | None:
        """The frame of this dialect, None where it has none."""
        if encoder not in self._frames:
            frame = None
            for step in self._steps:
                frame = encoder.encode(step)
                if frame is not None:
                    break
            self._frames[encoder] = frame
        return self._frames[encoder]

    @property
    def key(self) -> Hashable:
        """The key of what it is about: a user's presence, a membership, or a server."""
        match self.update:
            case PresenceChanged(view=view):
                return view.user_id
            case MemberAdded(server_id=server_id, view=view):
                return (server_id, view.user_id)
            case MemberRemoved(server_id=server_id, user_id=user_id):
                return (server_id, user_id)
            case ServerRenamed(snapshot=snapshot):
                return (snapshot.id, None)


SubscriberLane = Lane[Announcement]
"""How announcements reach all connections of one kind."""


class EndReason(enum.Enum):
    """Why the server ends a connection. The dialect has a code for each."""

    STOPPING = "server is stopping"
    TOKEN = "token expired or revoked"
    DISCONNECTED = "disconnected by administration"
    REPLACED = "replaced by another login"
    TOO_MANY_DEVICES = "too many devices"
    CRASHED = "internal error"


class Subscriber(Protocol):
    """One open connection. None of its methods waits or raises."""

    @property
    def connection(self) -> ConnectionId: ...

    @property
    def user_id(self) -> UserId: ...

    @property
    def device(self) -> DeviceId: ...

    @property
    def issued_at(self) -> float:
        """When its token was issued (Unix time)."""

    @property
    def lane(self) -> SubscriberLane:
        """How announcements reach it."""

    @property
    def wants_snapshots(self) -> bool:
        """Whether `welcome` brings snapshots of its servers; it has them without a wait if not."""

    def welcome(self, welcome: Welcome) -> None:
        """Send the snapshot. The connection is subscribed without a pause in between."""

    def show_self(self, view: SelfView) -> None:
        """The self view changed."""

    def add_server(self, snapshot: ServerSnapshot) -> None:
        """The user joined a server."""

    def remove_server(self, server_id: ServerId) -> None:
        """The user left a server."""

    def end(self, reason: EndReason) -> None:
        """Close the connection soon; nothing more is sent. May be called again."""


Subscribers = Mapping[ConnectionId, Subscriber]
