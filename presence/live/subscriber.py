"""A connection as the living part sees it, and the announcements it is offered."""

import enum
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs

from presence.core.snapshot import ServerSnapshot
from presence.core.types import ConnectionId, DeviceId, PublicView, SelfView, ServerId, UserId
from presence.core.value import value


@value
class PresenceChanged:
    """What others see of a user changed from *before* to *view*.

    *is_forwarded*: the user said its status itself; a dialect that repeats such
    words says it again where it did not change, others have nothing to say
    where it `is_repeat`.
    """

    before: PublicView
    view: PublicView
    is_forwarded: bool = False

    @property
    def is_repeat(self) -> bool:
        """True where the view is what it was."""
        return self.before.version == self.view.version


@value
class MemberAdded:
    """A user appeared in a server, or is told of anew there because its name changed.

    It stands for the change of status from *before*; None: it was not seen
    there.
    """

    server_id: ServerId
    view: PublicView
    before: PublicView | None = None


@value
class MemberRemoved:
    """A user is no longer seen in a server, where it was seen as *before* (None: offline)."""

    server_id: ServerId
    user_id: UserId
    before: PublicView | None = None

    @property
    def was_visible(self) -> bool:
        """Whether others saw it online, away or busy."""
        return self.before is not None and self.before.is_visible


News = PresenceChanged | MemberAdded | MemberRemoved


class Dialect(Protocol):
    """How one protocol says the news: called once per update, not once per listener."""

    def frame(self, news: News, version: int) -> bytes | None:
        """The bytes that go out, whole frames; None where the protocol has no such event."""

    def admit(self, subscriber: Any) -> Hashable:
        """What the broadcaster calls *subscriber* until `dismiss`; see `actors.Lane`."""

    def dismiss(self, address: Any) -> None:
        """It is told nothing more."""

    def offer_all(self, packet: Any, addresses: "Sequence[Any]") -> None:
        """Send what was rendered to each of these connections, or keep it until there is room.

        What waits is the newest of each key. A removal that ends visibility
        takes along what waits of that user.
        """

    def render(self, values: Sequence[tuple[Hashable, "Announcement"]]) -> Any:
        """The packet for all listeners who get the same; None where they get nothing."""


class Announcement:
    """One piece of news on its way out, encoded once per dialect."""

    __slots__ = ("_frames", "_steps", "news", "version")

    def __init__(self, news: News, version: int, earlier: tuple[News, ...] = ()) -> None:
        self.news = news
        self.version = version
        self._steps = (*earlier, news)
        self._frames: dict[Dialect, bytes | None] = {}

    def merged_with(self, newer: "Announcement") -> "Announcement":
        """The one that goes out where *newer* of the same key came before this could.

        Listeners stand at the view before this one or, if they came meanwhile,
        at one in between; so a dialect says the newest view if any of these
        steps to it is one that it has a frame for. Some get a repeat.
        """
        return Announcement(newer.news, newer.version, tuple(self._steps_to(newer.news)))

    def _steps_to(self, news: News) -> Iterator[News]:
        """*news* as a step from each view that a listener may stand at."""
        for step in self._steps:
            match news, step:
                case PresenceChanged(view=view), PresenceChanged():
                    yield attrs.evolve(step, view=view)
                case MemberAdded(), MemberAdded(before=before) | MemberRemoved(before=before):
                    yield attrs.evolve(news, before=before)

    def frame(self, dialect: Dialect) -> bytes | None:
        if dialect not in self._frames:
            self._frames[dialect] = self._encode(dialect)
        return self._frames[dialect]

    def _encode(self, dialect: Dialect) -> bytes | None:
        for step in self._steps:
            frame = dialect.frame(step, self.version)
            if frame is not None:
                return frame
        return None

    @property
    def key(self) -> Hashable:
        """What a newer announcement replaces: a user's presence, or its place in one server."""
        match self.news:
            case PresenceChanged(view=view):
                return view.user_id
            case MemberAdded(server_id=server_id, view=view):
                return (server_id, view.user_id)
            case MemberRemoved(server_id=server_id, user_id=user_id):
                return (server_id, user_id)


class EndReason(enum.Enum):
    """Why the server ends a connection. The dialect has a code for each."""

    STOPPING = "server is stopping"
    TOKEN = "token expired or revoked"
    DISCONNECTED = "disconnected by administration"
    REPLACED = "replaced by another login"
    TOO_MANY_DEVICES = "too many devices"
    CRASHED = "internal error"


@value
class Welcome:
    """What a connection gets first: oneself, one's servers, and how new all of it is."""

    self_view: SelfView
    servers: Sequence[ServerSnapshot]
    latest_version: int


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

    def welcome(self, welcome: Welcome) -> None:
        """Send the snapshot. It is subscribed in the same breath."""

    @property
    def lane(self) -> Dialect:
        """The dialect that it is spoken to in."""

    def show_self(self, view: SelfView) -> None:
        """The self view changed."""

    def add_server(self, snapshot: ServerSnapshot) -> None:
        """The user joined a server."""

    def remove_server(self, server_id: ServerId) -> None:
        """The user left a server."""

    def end(self, reason: EndReason) -> None:
        """Close the connection soon; nothing more is sent. May be called again."""


Subscribers = Mapping[ConnectionId, Subscriber]
