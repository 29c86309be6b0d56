"""The Together gateway: `GET /ws`, checked before the upgrade, then a session."""

from collections.abc import Hashable, Mapping, Sequence

from presence.core.ids import parse_device_id
from presence.core.snapshot import ServerSnapshot
from presence.core.types import SelfView, ServerId, State, Status
from presence.dialects.together import inbound, outbound
from presence.errors import InvalidInput
from presence.frontends.rate_limited_session import OVER_RATE, RateLimitedSession
from presence.frontends.socket_session import SELF, ConnectParams, Session, SocketTimes
from presence.live.claims import Claims
from presence.live.node import Node
from presence.live.subscriber import (
    Announcement,
    Dialect,
    MemberAdded,
    MemberRemoved,
    News,
    PresenceChanged,
    Welcome,
)
from presence.metrics import Count, Counters
from presence.transport.http.request import Request
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.frame_batch import FrameBatch
from presence.transport.websocket.connection import WebSocket
from presence.transport.websocket.frames import TEXT, frame_head, text_frame

PATH = "/ws"
SUBPROTOCOL = "bearer"
ACK_FRAME = text_frame(outbound.HEARTBEAT_ACK)
STATES = frozenset(each.value for each in State)


class TogetherSpeech:
    """Says everything in JSON text frames."""

    def __init__(self, fd_table: FdTable) -> None:
        self._fd_table = fd_table
        self._members = outbound.MemberTexts()

    def admit(self, session: Session) -> int:
        return self._fd_table.take(session.outbox)

    def dismiss(self, slot: int) -> None:
        self._fd_table.unregister(slot)

    def frame(self, news: News, version: int) -> bytes | None:
        match news:
            case PresenceChanged(is_repeat=True):
                return None  # a client of this dialect hears changes only
            case PresenceChanged(view=view):
                return text_frame(outbound.presence_update(view))
            case MemberAdded(server_id=server_id, view=view):
                return text_frame(outbound.member_add(server_id, view))
            case MemberRemoved(server_id=server_id, user_id=user_id):
                return text_frame(outbound.member_remove(server_id, user_id))

    def render(self, values: Sequence[tuple[Hashable, Announcement]]) -> FrameBatch | None:
        return pack(self, values)

    def offer_all(self, packet: FrameBatch, fd_table: Sequence[int]) -> None:
        self._fd_table.write_to_all(packet, fd_table)

    def welcome(self, welcome: Welcome) -> list[bytes]:
        fragments = map(self._fragment, welcome.servers)
        return framed(outbound.ready_chunks(welcome.self_view, fragments))

    def show_self(self, view: SelfView) -> bytes:
        return text_frame(outbound.self_update(view))

    def add_server(self, snapshot: ServerSnapshot) -> list[bytes]:
        return framed(outbound.server_add_chunks(self._fragment(snapshot)))

    def remove_server(self, server_id: ServerId) -> bytes:
        return text_frame(outbound.server_remove(server_id))

    def _fragment(self, snapshot: ServerSnapshot) -> bytes:
        """The server in JSON, encoded once for all who get this snapshot."""
        fragment = snapshot.encodings.get(self)
        if fragment is None:
            fragment = outbound.server_fragment(snapshot, self._members)
            snapshot.encodings[self] = fragment
        return fragment


def pack(dialect: Dialect, values: Sequence[tuple[Hashable, Announcement]]) -> FrameBatch | None:
    """The frames of some announcements for one dialect, each encoded once; None if it has none."""
    frames: dict[Hashable, bytes] = {}
    vanished: list[Hashable] = []
    for key, value in values:
        if frame := value.frame(dialect):
            frames[key] = frame
            if isinstance(value.news, MemberRemoved):
                vanished.append(value.news.user_id)
    return FrameBatch(frames, tuple(vanished)) if frames else None


def framed(chunks: list[bytes]) -> list[bytes]:
    """One text frame around *chunks*, which stay as they are."""
    return [frame_head(TEXT, sum(map(len, chunks))), *chunks]


class TogetherSession(RateLimitedSession):
    """What a client of the gateway may say: a heartbeat, and how it is."""

    __slots__ = ()

    _speech: TogetherSpeech

    def on_message(self, message: str | bytes) -> None:
        now = self._node.clock.now()
        command = inbound.parse_frame(message, now.wall)
        is_within_rate = self._take_frame(now.mono)
        match command:
            case inbound.PresenceUpdate(change):
                self._submit(change, may_go_now=is_within_rate)
            case inbound.Dropped(reason):
                self._drop(reason.value)
            case _ if not is_within_rate:
                self._drop(OVER_RATE)
            case _:
                self._socket.stream.push(ACK_FRAME)

    def welcome(self, welcome: Welcome) -> None:
        self._socket.stream.push_snapshot(self._speech.welcome(welcome))

    def show_self(self, view: SelfView) -> None:
        self._socket.stream.offer(SELF, self._speech.show_self(view))

    def add_server(self, snapshot: ServerSnapshot) -> None:
        for member in snapshot.members:  # the snapshot is newer than what waits of them
            self._socket.stream.drop(member.user_id)
        self._socket.stream.push_snapshot(self._speech.add_server(snapshot))

    def remove_server(self, server_id: ServerId) -> None:
        self._socket.stream.push(self._speech.remove_server(server_id))


class TogetherGateway:
    """Lets users in at `/ws`."""

    def __init__(
        self,
        node: Node,
        counters: Counters,
        times: SocketTimes,
        max_frames_per_second: int,
        fd_table: FdTable,
    ) -> None:
        self._node = node
        self._counters = counters
        self._times = times
        self._max_frames_per_second = max_frames_per_second
        self._speech = TogetherSpeech(fd_table)

    def takes(self, request: Request) -> bool:
        return request.path == PATH

    def token_of(self, request: Request) -> str | None:
        return _bearer_of(request) or request.query.get("token")

    def subprotocol_of(self, request: Request) -> str | None:
        return SUBPROTOCOL if _bearer_of(request) else None

    def connect_params_of(self, request: Request, claims: Claims) -> ConnectParams:
        return parse_connect_params(request.query, claims)

    def open_session(
        self, socket: WebSocket, claims: Claims, params: ConnectParams, subprotocol: str | None
    ) -> Session:
        self._counters.add(Count.CONNECTIONS, "together")
        return TogetherSession(
            self._node,
            socket,
            self._speech,
            claims,
            params,
            self._times,
            self._max_frames_per_second,
            self._counters,
        )


def _bearer_of(request: Request) -> str | None:
    """The token of a page, which can send no header: it offers `bearer` and the token."""
    offered = request.subprotocols
    return offered[1] if len(offered) == 2 and offered[0] == SUBPROTOCOL else None


def parse_connect_params(query: Mapping[str, str], claims: Claims) -> ConnectParams:
    """What the connect request asks for; raises `InvalidInput` naming the parameter.

    A token that names a device is good for that device only.
    """
    state = query.get("state")
    if state is not None and state not in STATES:
        raise InvalidInput("state", "must be online, idle or offline")
    status = query.get("status")
    if status is not None and status not in {each.value for each in Status}:
        raise InvalidInput("status", "must be online, away, dnd or offline")
    device = query.get("device")
    named = None if device is None else parse_device_id(device)
    return ConnectParams(
        device=claims.device or named,
        state=None if state is None else State(state),
        intent=None if status is None else Status(status),
    )
