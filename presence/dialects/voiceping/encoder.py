"""Status frames: a VoicePing client learns of others whether they are offline, online or busy.

The dialect has one event for everything that others see of a user. So a frame
goes out where its number changes, and where a client sent its own status
itself.
"""

from collections.abc import Callable, Iterable

from presence.core.public_changes import (
    MemberAdded,
    MemberRemoved,
    PresenceChanged,
    Update,
)
from presence.core.types import PublicView, Status, UserId
from presence.dialects.voiceping.codes import code_of
from presence.dialects.voiceping.frames import Frame
from presence.dialects.voiceping.outbound import status_frame

KEPT_FRAMES = 200_000
"""Number of users whose last frame is kept, for all clients that get the same one."""


class VoicePingEncoder:
    """Encodes updates and snapshots as status frames.

    *frame* is the form of the connection: the bytes that carry one message.
    """

    names_servers = False

    def __init__(self, frame: Callable[[Frame], bytes]) -> None:
        self.frame = frame
        self._kept: dict[UserId, tuple[Status, bytes]] = {}

    def encode(self, update: Update) -> bytes | None:
        """The frame of *update*; None where it changes no number, or names a server only."""
        match update:
            case PresenceChanged(before=before, view=view, is_forwarded=is_forwarded):
                return self._changed(before, view, is_forwarded=is_forwarded)
            case MemberAdded(view=view, before=None):
                return self.status(view.user_id, view.status) if view.is_visible else None
            case MemberAdded(view=view, before=PublicView() as before):
                return self._changed(before, view)
            case MemberRemoved(user_id=user_id, was_visible=was_visible):
                return self.status(user_id, Status.OFFLINE) if was_visible else None
            case _:
                return None

    def status(self, user_id: UserId, status: Status) -> bytes:
        """The frame that says how the user is; the last one of each user is kept."""
        kept = self._kept.get(user_id)
        if kept is not None and kept[0] is status:
            return kept[1]
        frame = self.frame(status_frame(user_id, code_of(status)))
        if len(self._kept) >= KEPT_FRAMES:
            self._kept.clear()
        self._kept[user_id] = (status, frame)
        return frame

    def present(self, views: Iterable[PublicView]) -> bytes:
        """One frame for each of *views*, joined."""
        get = self._kept.get  # thousands of users, for each client that connects
        return b"".join(
            [
                kept[1]
                if (kept := get(view.user_id)) is not None and kept[0] is view.status
                else self.status(view.user_id, view.status)
                for view in views
            ]
        )

    def _changed(
        self, before: PublicView, view: PublicView, *, is_forwarded: bool = False
    ) -> bytes | None:
        is_new = is_forwarded or code_of(before.status) != code_of(view.status)
        return self.status(view.user_id, view.status) if is_new else None
