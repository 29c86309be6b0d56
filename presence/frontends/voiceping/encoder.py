"""What VoicePing clients are told: hardly more than who is offline, online or busy.

The dialect has one event for everything that others see of a user. So a frame
goes out where the number in it is another one, and where a client said its
own status itself [000].
"""

from collections.abc import Callable, Hashable, Iterable, Sequence

import attrs

from presence.core.types import PublicView, Status, UserId
from presence.dialects.voiceping.codes import code_of
from presence.dialects.voiceping.frames import Frame, status_frame
from presence.frontends.socket_session import Session
from presence.live.subscriber import (
    Announcement,
    MemberAdded,
    MemberRemoved,
    News,
    PresenceChanged,
)
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.frame_batch import FrameBatch

KEPT_FRAMES = 200_000
"""Of so many users the last frame is kept, for all who are told the same."""


@attrs.frozen
class RemovalBatch:
    """Frames of which some are for those only who do not see their user any more.

    `steps` are the users with their frames, oldest first, and whether the
    frame says that the user was removed from somewhere.
    """

    steps: Sequence[tuple[UserId, bytes, bool]]

    @property
    def removed(self) -> Sequence[UserId]:
        return [user_id for user_id, _, is_removal in self.steps if is_removal]

    def packet(self, gone: frozenset[UserId]) -> FrameBatch | None:
        """What those get to whom *gone*, of all who were removed, are out of sight."""
        steps = [(key, frame) for key, frame, removal in self.steps if not removal or key in gone]
        return newest_of_each(steps) if steps else None


class VoicePingSpeech:
    """Says everything in status frames, in the form that *encode* gives them."""

    def __init__(self, encode: Callable[[Frame], bytes], fd_table: FdTable) -> None:
        self.encode = encode
        self._fd_table = fd_table
        self._kept: dict[UserId, tuple[Status, bytes]] = {}

    def status(self, user_id: UserId, status: Status) -> bytes:
        """The frame that says how the user is; the last one of each user is kept."""
        kept = self._kept.get(user_id)
        if kept is not None and kept[0] is status:
            return kept[1]
        frame = self.encode(status_frame(user_id, code_of(status)))
        if len(self._kept) >= KEPT_FRAMES:
            self._kept.clear()
        self._kept[user_id] = (status, frame)
        return frame

    def present(self, views: Iterable[PublicView]) -> bytes:
        """One frame for each of *views*, in one piece."""
        get = self._kept.get  # thousands of users, for each who comes
        return b"".join(
            [
                kept[1]
                if (kept := get(view.user_id)) is not None and kept[0] is view.status
                else self.status(view.user_id, view.status)
                for view in views
            ]
        )

    def frame(self, news: News, version: int) -> bytes | None:
        match news:
            case PresenceChanged(before=before, view=view, is_forwarded=is_forwarded):
                return self._changed(before, view, is_forwarded=is_forwarded)
            case MemberAdded(view=view, before=before):
                user_id = view.user_id
                if before is not None:
                    return self._changed(before, view)
                return self.status(user_id, view.status) if view.is_visible else None
            case MemberRemoved(user_id=user_id, was_visible=was_visible):
                return self.status(user_id, Status.OFFLINE) if was_visible else None

    def render(
        self, values: Sequence[tuple[Hashable, Announcement]]
    ) -> FrameBatch | RemovalBatch | None:
        steps = [
            (_user_of(each.news), frame, isinstance(each.news, MemberRemoved))
            for _, each in values
            if (frame := each.frame(self)) is not None
        ]
        if any(is_removal for _, _, is_removal in steps):
            return RemovalBatch(steps)
        return newest_of_each([step[:2] for step in steps]) if steps else None

    def admit(self, session: Session) -> int:
        return self._fd_table.take(session.outbox)

    def dismiss(self, slot: int) -> None:
        self._fd_table.unregister(slot)

    def offer_all(self, packet: FrameBatch | RemovalBatch, fd_table: Sequence[int]) -> None:
        if isinstance(packet, FrameBatch):
            self._fd_table.write_to_all(packet, fd_table)
            return
        removed = packet.removed
        alike: dict[frozenset[UserId], list[int]] = {}
        for slot in fd_table:
            is_gone = self._fd_table.owner(slot).is_gone
            alike.setdefault(frozenset(filter(is_gone, removed)), []).append(slot)
        for gone, group in alike.items():
            own = packet.packet(gone)
            if own is not None:
                self._fd_table.write_to_all(own, group)

    def _changed(
        self, before: PublicView, view: PublicView, *, is_forwarded: bool = False
    ) -> bytes | None:
        is_news = is_forwarded or code_of(before.status) != code_of(view.status)
        return self.status(view.user_id, view.status) if is_news else None


def _user_of(news: News) -> UserId:
    return news.user_id if isinstance(news, MemberRemoved) else news.view.user_id


def newest_of_each(steps: Sequence[tuple[UserId, bytes]]) -> FrameBatch:
    """The packet of *steps*, oldest first: of one user only the newest may wait."""
    frames: dict[Hashable, bytes] = {}
    for user_id, frame in steps:
        frames.pop(user_id, None)  # the newest stands where it was said
        frames[user_id] = frame
    return FrameBatch(frames)
