"""A request that waits for changes, as a connection of its user, and the lane of all of these.

Waiting polls are told of changes once in a round. An answer is put together of
events that were encoded once for all polls.
"""

from collections.abc import Hashable, Iterable, Sequence, Set
from functools import cached_property
from typing import Generic, TypeVar

import attrs
import trio

from presence.core.public_changes import MemberRemoved, subject_of
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, ServerId, UserId
from presence.dialects.matrix.encoder import MatrixEncoder, Renderer
from presence.frontends.client_connection import ClientConnection, ConnectParams
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.live.subscriber import Announcement, EndReason
from presence.live.welcome import Welcome

R = TypeVar("R", bound=Renderer)


@attrs.define(eq=False, slots=False)
class PollPacket:
    """Changes of one round, for all polls that get the same ones. Their newest version.

    `events` are pairs of a user and its event, oldest first. `removed` are users
    whose event is only for those who no longer see them.
    """

    version: int
    events: Sequence[tuple[UserId, bytes]]
    removed: Set[UserId]

    @cached_property
    def joined(self) -> bytes:
        """All events, ready for an answer."""
        return b",".join(event for _, event in self.events)


class PollLane(Generic[R]):
    """The lane of all polls with the same encoder."""

    def __init__(self, encoder: MatrixEncoder[R]) -> None:
        self.encoder = encoder

    def admit(self, poll: "PollConnection[R]") -> "PollConnection[R]":
        return poll

    def dismiss(self, poll: "PollConnection[R]") -> None:
        """Nothing is kept of a poll."""

    def render(self, values: Sequence[tuple[Hashable, Announcement]]) -> PollPacket:
        """The packet, without events where the dialect has none: then it advances positions."""
        events: dict[UserId, bytes] = {}
        removed: set[UserId] = set()
        for _, each in values:
            user_id, event = subject_of(each.update), each.frame(self.encoder)
            if user_id is None or event is None:
                continue
            events.pop(user_id, None)  # the newest takes its place at the end
            events[user_id] = event
            removed.discard(user_id)
            if isinstance(each.update, MemberRemoved):
                removed.add(user_id)
        return PollPacket(max(each.version for _, each in values), [*events.items()], removed)

    def offer_all(self, packet: PollPacket, polls: Sequence["PollConnection[R]"]) -> None:
        for poll in polls:
            poll.offer(packet)


class PollConnection(ClientConnection, Generic[R]):
    """Waits for the first change after it arrived.

    `version` is the position up to which everything is in the answer.
    """

    wants_snapshots = False

    __slots__ = ("_is_woken", "_lane", "_packets", "_wakeup", "end_reason", "self_view", "version")

    def __init__(
        self,
        service: PresenceService,
        claims: Claims,
        params: ConnectParams,
        lane: PollLane[R],
    ) -> None:
        super().__init__(service, claims, params)
        self._lane = lane
        self._packets: list[PollPacket] = []
        self._is_woken = False
        self._wakeup: trio.Event | None = None
        self.self_view: SelfView | None = None
        self.version = 0
        self.end_reason: EndReason | None = None

    # -- as the living part sees it ----------------------------------------------------------

    @property
    def lane(self) -> PollLane[R]:
        return self._lane

    def welcome(self, welcome: Welcome) -> None:
        self.self_view, self.version = welcome.self_view, welcome.latest_version

    def show_self(self, view: SelfView) -> None:
        self.self_view = view
        self._wake()

    def add_server(self, snapshot: ServerSnapshot) -> None:
        views = self._service.present_in([snapshot.id])
        self._keep(views=[view for view in views if view.user_id != self.user_id])

    def remove_server(self, server_id: ServerId) -> None:
        present = [view.user_id for view in self._service.present_in([server_id])]
        self._keep(gone=[user_id for user_id in present if self._is_gone(user_id)])

    def end(self, reason: EndReason) -> None:
        self.end_reason = self.end_reason or reason
        self._wake()

    def offer(self, packet: PollPacket) -> None:
        """Keep *packet* for the answer, and wake the request if it has an event for it."""
        self.version = max(self.version, packet.version)
        if not packet.events:
            return
        if packet.removed:
            packet = self._without_visible(packet)
        if packet.events:
            self._packets.append(packet)
            self._wake()

    def _without_visible(self, packet: PollPacket) -> PollPacket:
        """The packet without removals of users whom the client still sees."""
        left = [
            (user_id, event)
            for user_id, event in packet.events
            if user_id not in packet.removed or self._is_gone(user_id)
        ]
        return PollPacket(packet.version, left, frozenset())

    def _keep(self, views: Iterable[PublicView] = (), gone: Iterable[UserId] = ()) -> None:
        renderer = self._lane.encoder.renderer
        events = [
            *[(view.user_id, renderer.event(view)) for view in views],
            *[(user_id, renderer.removal(user_id)) for user_id in gone],
        ]
        if events:
            self._packets.append(PollPacket(self.version, events, frozenset()))
            self._wake()

    def _is_gone(self, user_id: UserId) -> bool:
        return user_id != self.user_id and not self._service.can_see(self.user_id, user_id)

    # -- as the request sees it --------------------------------------------------------------

    async def wait(self) -> None:
        """Return when there is something to answer with: events, a self view or an end."""
        await trio.lowlevel.checkpoint()
        while not self._is_woken:
            if self._wakeup is None:
                self._wakeup = trio.Event()
            await self._wakeup.wait()

    def take_events(self, missed: Iterable[PublicView]) -> list[bytes]:
        """The events for the answer: those *missed*, then those offered; the newest per user."""
        packets, self._packets = self._packets, []
        event = self._lane.encoder.renderer.event
        caught_up = {view.user_id: event(view) for view in missed}
        if not caught_up and len(packets) == 1:
            return [packets[0].joined]
        for packet in packets:
            for user_id, encoded in packet.events:
                caught_up.pop(user_id, None)
                caught_up[user_id] = encoded
        return list(caught_up.values())

    def note_told(self) -> None:
        """Advance the position to all that is so now: the answer will tell of it.

        To be called before the views are read, without a wait between.
        """
        self.version = self._service.latest_version

    def note_idle(self) -> None:
        """Advance the position where nothing is under way to this connection."""
        if not self._packets and self._service.is_settled:
            self.version = self._service.latest_version

    def _wake(self) -> None:
        self._is_woken = True
        if self._wakeup is not None:
            self._wakeup.set()
