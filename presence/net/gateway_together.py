"""The Together gateway: `GET /ws`, checked before the upgrade, then a session."""

from collections.abc import Awaitable, Hashable, Mapping, Sequence
from functools import partial

from presence.core.changes import NO_CHANGE, Change
from presence.core.events import Ending
from presence.core.identity import parse_device_id
from presence.core.rate import SlidingWindow
from presence.core.snapshot import ServerSnapshot
from presence.core.types import SelfView, ServerId, State, Status, UserId
from presence.dialects.together import gateway_in, gateway_out
from presence.errors import Refused
from presence.live.claims import Claims
from presence.live.listener import (
    Announcement,
    EndReason,
    MemberAdded,
    MemberRemoved,
    News,
    PresenceChanged,
    Welcome,
)
from presence.live.node import Node
from presence.log import Count, Counters
from presence.net.authentication import Authentication, retry_after
from presence.net.request import HttpError, Request, Response, error_response
from presence.net.session import CLOSE_CODES, Session, SocketTimes, Wishes, pack
from presence.net.websocket import Admitted, WebSocket
from presence.net.wire.frames import TEXT, frame_head, text_frame
from presence.net.wire.packet import Packet
from presence.net.wire.walk import Writer, write_to_all

PATH = "/ws"
SUBPROTOCOL = "bearer"
TOO_MANY = "too many connections of this user"
ACK_FRAME = text_frame(gateway_out.HEARTBEAT_ACK)
WISHED_STATES = {"idle": State.IDLE, "offline": State.OFFLINE}


class TogetherSpeech:
    """Says everything in JSON text frames."""

    def __init__(self) -> None:
        self._members = gateway_out.MemberTexts()

    def frame(self, news: News, version: int) -> bytes | None:
        match news:
            case PresenceChanged(is_repeat=True):
                return None  # a client of this dialect hears changes only
            case PresenceChanged(view=view):
                return text_frame(gateway_out.presence_update(view))
            case MemberAdded(server_id=server_id, view=view):
                return text_frame(gateway_out.member_add(server_id, view))
            case MemberRemoved(server_id=server_id, user_id=user_id):
                return text_frame(gateway_out.member_remove(server_id, user_id))

    def render(self, values: Sequence[tuple[Hashable, Announcement]]) -> Packet | None:
        return pack(self, values)

    def offer_all(self, packet: Packet, readers: Sequence[Writer]) -> None:
        write_to_all(packet, readers)

    def welcome(self, welcome: Welcome) -> list[bytes]:
        fragments = map(self._fragment, welcome.servers)
        return framed(gateway_out.ready_chunks(welcome.self_view, fragments))

    def show_self(self, view: SelfView) -> bytes:
        return text_frame(gateway_out.self_update(view))

    def add_server(self, snapshot: ServerSnapshot) -> list[bytes]:
        return framed(gateway_out.server_add_chunks(self._fragment(snapshot)))

    def remove_server(self, server_id: ServerId) -> bytes:
        return text_frame(gateway_out.server_remove(server_id))

    def _fragment(self, snapshot: ServerSnapshot) -> bytes:
        """The server in JSON, encoded once for all who get this snapshot."""
        fragment = snapshot.encodings.get(self)
        if fragment is None:
            fragment = gateway_out.server_fragment(snapshot, self._members)
            snapshot.encodings[self] = fragment
        return fragment


def framed(chunks: list[bytes]) -> list[bytes]:
    """One text frame around *chunks*, which stay as they are."""
    return [frame_head(TEXT, sum(map(len, chunks))), *chunks]


class TogetherSession(Session):
    """What a client of the gateway may say: a heartbeat, and how it is.

    Above the frame rate changes of presence merge and wait, other frames are
    dropped.
    """

    __slots__ = ("_counters", "_frames", "_postponed")

    def __init__(
        self,
        node: Node,
        socket: WebSocket,
        speech: TogetherSpeech,
        claims: Claims,
        wishes: Wishes,
        times: SocketTimes,
        max_frames_per_second: int,
        counters: Counters,
    ) -> None:
        super().__init__(node, socket, speech, claims, wishes, times)
        self._frames = SlidingWindow(max_frames_per_second, 1.0)
        self._postponed: Change = NO_CHANGE
        self._counters = counters

    def hear(self, message: str | bytes) -> None:
        now = self._node.clock.now()
        command = gateway_in.parse_frame(message, now.wall)
        is_over_rate = self._frames.is_full(now.mono)
        if not is_over_rate:
            self._frames.count(now.mono)
        match command:
            case gateway_in.PresenceUpdate(change):
                self._postponed = self._postponed.merged_with(change)
                if is_over_rate and change.intent is not Status.OFFLINE:  # hiding never waits
                    self._wait_for_room()
                else:
                    self._send_postponed()
            case gateway_in.Dropped(reason):
                self._counters.add(Count.FRAMES_DROPPED, reason.value)
            case _ if is_over_rate:
                self._counters.add(Count.FRAMES_DROPPED, "over_rate")
            case _:
                self._socket.stream.push(ACK_FRAME)

    def _leave(self, ending: Ending) -> None:
        if not self._node.is_draining:
            self._send_postponed()  # the last is never lost
        super()._leave(ending)
        self._counters.add(Count.CONNECTIONS_ENDED, ending.value)

    def _wait_for_room(self) -> None:
        self._node.timer.set(
            ("frames", self._connection),
            self._frames.opens_at(),
            lambda stalled: self._send_postponed(),
        )

    def _send_postponed(self) -> None:
        change, self._postponed = self._postponed, NO_CHANGE
        if change != NO_CHANGE:
            self.command(change)


class TogetherGateway:
    """Lets users in at `/ws`."""

    def __init__(
        self,
        node: Node,
        authentication: Authentication,
        counters: Counters,
        times: SocketTimes,
        *,
        max_connections_per_user: int,
        max_frames_per_second: int,
    ) -> None:
        self._node = node
        self._authentication = authentication
        self._counters = counters
        self._times = times
        self._max_connections_per_user = max_connections_per_user
        self._max_frames_per_second = max_frames_per_second
        self._speech = TogetherSpeech()

    async def admit(self, request: Request) -> Response | Admitted:
        """Answer 404, 503, 401, 400 or 429, or admit."""
        if request.path != PATH:
            return error_response(404, "not found")
        if self._node.is_draining:
            return error_response(503, "the server is stopping", retry_after(1))
        offered = request.subprotocols
        token = request.query.get("token")
        is_bearer = len(offered) == 2 and offered[0] == SUBPROTOCOL
        if is_bearer:
            token = offered[1]
        try:
            claims = self._authentication.claims_of(request, token)
            wishes = parse_wishes(request.query, claims)
        except HttpError as refusal:
            return error_response(refusal.status, refusal.problem, refusal.headers)
        except Refused as refusal:
            return error_response(400, str(refusal))
        if self._has_enough(claims.user_id):
            return error_response(429, TOO_MANY, retry_after(10))

        serve = partial(self._serve, claims, wishes)
        return Admitted(SUBPROTOCOL if is_bearer else None, serve)

    def _serve(self, claims: Claims, wishes: Wishes, socket: WebSocket) -> Awaitable[object]:
        if self._has_enough(claims.user_id):  # others came in during the handshake
            return socket.close(CLOSE_CODES[EndReason.SLOW], TOO_MANY)
        self._counters.add(Count.CONNECTIONS, "together")
        session = TogetherSession(
            self._node,
            socket,
            self._speech,
            claims,
            wishes,
            self._times,
            self._max_frames_per_second,
            self._counters,
        )
        return session.run()

    def _has_enough(self, user_id: UserId) -> bool:
        limit = self._max_connections_per_user
        if not limit or self._node.directory.count_of(user_id) < limit:
            return False
        self._counters.add(Count.CONNECTIONS_REFUSED, "user_limit")
        return True


def parse_wishes(query: Mapping[str, str], claims: Claims) -> Wishes:
    """What the connect request asks for; raises `Refused` naming the parameter.

    A token that names a device is good for that device only.
    """
    state = query.get("state")
    if state is not None and state not in WISHED_STATES:
        raise Refused("state", "must be idle or offline")
    status = query.get("status")
    if status is not None and status not in {each.value for each in Status}:
        raise Refused("status", "must be online, away, dnd or offline")
    device = query.get("device")
    named = None if device is None else parse_device_id(device)
    return Wishes(
        device=claims.device or named,
        state=None if state is None else WISHED_STATES[state],
        intent=None if status is None else Status(status),
    )
