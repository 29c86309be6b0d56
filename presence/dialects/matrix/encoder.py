"""Updates as the events of one kind of Matrix client; each is encoded once for all of them."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import orjson

from presence.core.public_changes import MemberAdded, MemberRemoved, PresenceChanged, Update
from presence.core.types import PublicView, Status, UserId
from presence.dialects.framing import Framing
from presence.dialects.matrix.ids import matrix_user_id
from presence.dialects.matrix.outbound import (
    Ago,
    draft_object,
    presence_content,
    presence_event,
    presence_of,
    removed_object,
)
from presence.dialects.server_sent_events import stream_event


class Renderer(Protocol):
    """The events of one kind of client."""

    def shown(self, view: PublicView) -> object:
        """The part of *view* that the client is shown: equal parts are no event."""

    def event(self, view: PublicView) -> bytes:
        """The event that says how the user is."""

    def removal(self, user_id: UserId) -> bytes:
        """The event that says of a user who is no longer seen that it is offline."""


R = TypeVar("R", bound=Renderer)


class SyncRenderer:
    """`m.presence` events of the client API."""

    def __init__(self, server_name: str, ago: Ago, *, knows_busy: bool) -> None:
        self._server_name = server_name
        self._ago = ago
        self._knows_busy = knows_busy

    def shown(self, view: PublicView) -> object:
        return presence_of(view.status, knows_busy=self._knows_busy), view.custom_status

    def event(self, view: PublicView) -> bytes:
        content = presence_content(
            view.status, view.custom_status, self._ago(view), knows_busy=self._knows_busy
        )
        return presence_event(matrix_user_id(view.user_id, self._server_name), content)

    def removal(self, user_id: UserId) -> bytes:
        content = presence_content(Status.OFFLINE, None, None, knows_busy=self._knows_busy)
        return presence_event(matrix_user_id(user_id, self._server_name), content)


class DraftRenderer:
    """The draft's events as JSON objects. *latest_version* numbers removals."""

    def __init__(self, ago: Ago, latest_version: Callable[[], int]) -> None:
        self._ago = ago
        self._latest_version = latest_version

    def shown(self, view: PublicView) -> object:
        return view.status, view.custom_status, view.activity

    def event(self, view: PublicView) -> bytes:
        return orjson.dumps(draft_object(view, self._ago(view)))

    def removal(self, user_id: UserId) -> bytes:
        return orjson.dumps(removed_object(user_id, self._latest_version()))


class StreamRenderer(DraftRenderer):
    """The draft's events as Server-Sent Events, each in a frame of *framing*."""

    def __init__(self, ago: Ago, latest_version: Callable[[], int], framing: Framing) -> None:
        super().__init__(ago, latest_version)
        self._frame = framing.frame

    def event(self, view: PublicView) -> bytes:
        return self._frame(stream_event("presence", super().event(view), view.version))

    def removal(self, user_id: UserId) -> bytes:
        event = super().removal(user_id)
        return self._frame(stream_event("presence", event, self._latest_version()))


class MatrixEncoder(Generic[R]):
    """Encodes updates as events of *renderer*; None where its clients would see no change."""

    names_servers = False

    def __init__(self, renderer: R) -> None:
        self.renderer = renderer

    def encode(self, update: Update) -> bytes | None:
        renderer = self.renderer
        match update:
            case PresenceChanged(before=before, view=view) if renderer.shown(
                before
            ) != renderer.shown(view):
                return renderer.event(view)
            case MemberAdded(view=view, before=None):
                return renderer.event(view) if view.is_visible else None
            case MemberAdded(view=view, before=PublicView() as before):
                is_same = renderer.shown(before) == renderer.shown(view)
                return None if is_same else renderer.event(view)
            case MemberRemoved(user_id=user_id, was_visible=True):
                return renderer.removal(user_id)
            case _:
                return None
