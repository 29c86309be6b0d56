"""One VoicePing connection: what its client says, and how it is answered.

A WebSocket client is answered in the form that it last spoke, a pipe in lines.
"""

from collections.abc import Iterable

import attrs

from presence.core.events import Ending
from presence.core.sliding_window import SlidingWindow
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, ServerId, Status
from presence.core.user.patch import PresencePatch
from presence.dialects.voiceping import inbound
from presence.dialects.voiceping.codes import OFFLINE, code_of
from presence.dialects.voiceping.encoder import VoicePingEncoder
from presence.dialects.voiceping.errors import (
    BAD_FRAMES_WITHIN,
    MOST_BAD_FRAMES,
    TOO_MANY_BAD,
    DropReason,
)
from presence.dialects.voiceping.frames import Frame
from presence.dialects.voiceping.message_pack import encode_array
from presence.dialects.voiceping.outbound import connection_ack, login_duplicated
from presence.dialects.voiceping.pings import ping_payload
from presence.dialects.voiceping.text import encode_text
from presence.frontends.client_connection import ConnectParams
from presence.frontends.lane import SocketLane, newest_of_each
from presence.frontends.outbox_connection import SELF
from presence.frontends.rate_limited_session import RateLimitedSession
from presence.frontends.socket_session import Socket
from presence.frontends.socket_times import SocketTimes
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.live.subscriber import EndReason
from presence.live.welcome import Welcome
from presence.metrics import ConnectionKind, Count, Counters, Drop
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.stream import SocketEnded
from presence.transport.websocket.frame_limiter import PING
from presence.transport.websocket.frames import binary_frame, text_frame


def _line(frame: Frame) -> bytes:
    return encode_text(frame) + b"\n"


def _text(frame: Frame) -> bytes:
    return text_frame(encode_text(frame))


def _array(frame: Frame) -> bytes:
    return binary_frame(encode_array(frame))


VoicePingLane = SocketLane[VoicePingEncoder]


@attrs.frozen(eq=False)
class SessionPlan:
    """Shared by the VoicePing sessions of all ports; makes them.

    `lines` is how a pipe is spoken to, `texts` and `arrays` a WebSocket.
    """

    service: PresenceService
    counters: Counters
    max_frames_per_second: int
    single_login: bool
    fd_table: FdTable
    lines: VoicePingLane = attrs.field(init=False)
    texts: VoicePingLane = attrs.field(init=False)
    arrays: VoicePingLane = attrs.field(init=False)

    @lines.default
    def _lane_of_lines(self) -> VoicePingLane:
        return SocketLane(VoicePingEncoder(_line), self.fd_table)

    @texts.default
    def _lane_of_texts(self) -> VoicePingLane:
        return SocketLane(VoicePingEncoder(_text), self.fd_table)

    @arrays.default
    def _lane_of_arrays(self) -> VoicePingLane:
        return SocketLane(VoicePingEncoder(_array), self.fd_table)

    def session(
        self,
        socket: Socket,
        claims: Claims,
        params: ConnectParams,
        lane: VoicePingLane,
        times: SocketTimes | None,
    ) -> "VoicePingSession":
        """A session on *socket*, counted as a connection; *lane* holds until its client sends."""
        kind = ConnectionKind.PIPE if lane is self.lines else ConnectionKind.VOICEPING
        self.counters.add(Count.CONNECTIONS, kind)
        return VoicePingSession(self, socket, claims, params, lane, times)

    def lane_for(self, message: str | bytes) -> VoicePingLane:
        """The lane of a WebSocket client that sends messages of this kind."""
        return self.texts if isinstance(message, str) else self.arrays


class VoicePingSession(RateLimitedSession):
    """Handles the frames of a VoicePing client: statuses, pings and tests.

    More than 20 bad frames in a minute end the connection. Frames for the
    voice router are not bad, and do not count in the frame rate: pings go on
    while somebody talks.
    """

    __slots__ = ("_bad_frames", "_code", "_has_said_offline", "_plan")

    _lane: VoicePingLane

    def __init__(
        self,
        plan: SessionPlan,
        socket: Socket,
        claims: Claims,
        params: ConnectParams,
        lane: VoicePingLane,
        times: SocketTimes | None,
    ) -> None:
        super().__init__(
            plan.service,
            socket,
            lane,
            claims,
            params,
            times,
            plan.max_frames_per_second,
            plan.counters,
        )
        self._plan = plan
        self._bad_frames = SlidingWindow(MOST_BAD_FRAMES, BAD_FRAMES_WITHIN)
        self._code: int | None = None
        """The code of its own user that the client last sent or received."""
        self._has_said_offline = False

    @property
    def is_pipe(self) -> bool:
        return self._lane is self._plan.lines

    # -- what the client says ----------------------------------------------------------------

    def on_message(self, message: str | bytes) -> None:
        if self._ending is not None:
            return
        self._answer_like(message)
        command = inbound.read_message(message, self.user_id)
        if isinstance(command, inbound.Ignored):
            self._drop(Drop.NOT_PRESENCE)
            return
        now = self._service.now().mono
        is_within_rate = self._frames.take(now)
        match command:
            case inbound.SetStatus(PresencePatch(intent=Status() as intent) as change):
                self._note_said(code_of(intent))
                self._submit(change, may_go_now=is_within_rate)
            case inbound.Dropped(reason):
                self._drop_bad(reason, now)
            case _ if not is_within_rate:
                self._drop(Drop.OVER_RATE)
            case inbound.Ping():
                self._service.ping(self, may_begin=True)
            case inbound.ConnectionTest(payload):
                ack = connection_ack(self.user_id, payload)
                self._socket.stream.push(self._lane.encoder.frame(ack))

    def on_control_frame(self, opcode: int, payload: bytes) -> None:
        """Act on a PING or PONG of a WebSocket; must not wait.

        A PONG may be the echo of our own ping, so it begins nothing.
        """
        if self._ending is not None:
            return
        match inbound.read_control(payload, self.user_id):
            case inbound.Ping():
                self._service.ping(self, may_begin=opcode == PING)
            case inbound.Dropped(reason):
                self._drop_bad(reason, self._service.now().mono)

    def _answer_like(self, message: str | bytes) -> None:
        """From now on the client is spoken to in the form that it speaks."""
        lane = self._plan.lane_for(message)
        if lane is self._lane or self.is_pipe:
            return

        def change() -> None:
            self._lane = lane

        self._service.change_lane(self, change)

    def _note_said(self, code: int) -> None:
        self._code = code
        self._has_said_offline = code == OFFLINE

    def _drop_bad(self, reason: DropReason, now: float) -> None:
        self._drop(reason)
        if self._bad_frames.is_full(now):
            self._close(*TOO_MANY_BAD, Ending.LOST)
        self._bad_frames.count(now)

    # -- as the living part sees it ----------------------------------------------------------

    def welcome(self, welcome: Welcome) -> None:
        self._code = code_of(welcome.self_view.status)
        self._show(self._present_in(snapshot.id for snapshot in welcome.servers))

    def show_self(self, view: SelfView) -> None:
        code = code_of(view.status)
        if code != self._code:
            self._code = code
            self._socket.stream.offer(SELF, self._lane.encoder.status(self.user_id, view.status))

    def add_server(self, snapshot: ServerSnapshot) -> None:
        present = self._present_in([snapshot.id])
        for view in present:  # this is newer than what waits of them
            self._socket.stream.drop(view.user_id)
        self._show(present)

    def remove_server(self, server_id: ServerId) -> None:
        """Say offline of those who were seen there, and are seen nowhere else."""
        present = (view.user_id for view in self._present_in([server_id]))
        status = self._lane.encoder.status
        gone = [(key, status(key, Status.OFFLINE)) for key in filter(self.is_gone, present)]
        if gone:
            self.outbox.offer_batch(newest_of_each(gone))

    def _present_in(self, servers: Iterable[ServerId]) -> list[PublicView]:
        """All others whom the user sees in *servers* and who are not offline."""
        own = self.user_id
        views = self._service.present_in(servers)
        return [view for view in views if view.user_id != own]

    def _show(self, views: list[PublicView]) -> None:
        if views:
            self._socket.stream.push_snapshot([self._lane.encoder.present(views)])

    # -- its life ----------------------------------------------------------------------------

    @property
    def ping_payload(self) -> bytes:
        return ping_payload(self.user_id)

    async def arrive(self) -> None:
        await super().arrive()
        if self._plan.single_login and self._ending is None:
            self._replace_others()

    def _replace_others(self) -> None:
        """The last login wins; who came later meanwhile stays, and so do other dialects."""
        for other in self._service.connections_of(self.user_id):
            is_older = other.connection < self.connection and other.device != self.device
            if is_older and isinstance(other, VoicePingSession):
                other.give_way()

    def give_way(self) -> None:
        """Tell the client that its user has come from another device, and end."""
        if self._ending is None:
            self._socket.stream.push(self._lane.encoder.frame(login_duplicated(self.user_id)))
            self.end(EndReason.REPLACED)

    def _is_goodbye(self, ended: SocketEnded) -> bool:
        """A pipe has no word for goodbye: it is one to say offline and then to close."""
        stream = self._socket.stream
        is_eof = stream.cut_reason is None and stream.violation is None
        return ended.is_clean or (self.is_pipe and is_eof and self._has_said_offline)
