"""The Together gateway: `GET /ws`, checked before the upgrade, then a session."""

from collections.abc import Mapping
from functools import partial

from presence.core.ids import parse_device_id
from presence.core.types import State, Status
from presence.dialects.framing import Framing
from presence.dialects.together.encoder import TogetherEncoder
from presence.errors import InvalidInput
from presence.frontends.client_connection import ConnectParams
from presence.frontends.lane import SocketLane
from presence.frontends.socket_session import SocketSession
from presence.frontends.socket_times import SocketTimes
from presence.frontends.together.session import TogetherSession
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.metrics import ConnectionKind, Count, Counters
from presence.transport.http.request import Request
from presence.transport.sockets.fd_table import FdTable
from presence.transport.websocket.connection import WebSocket
from presence.transport.websocket.frames import TEXT, frame_head

PATH = "/ws"
SUBPROTOCOL = "bearer"
STATES = frozenset(each.value for each in State)
TEXT_FRAMES = Framing(partial(frame_head, TEXT))


class TogetherGateway:
    """Lets users in at `/ws`."""

    def __init__(
        self,
        service: PresenceService,
        counters: Counters,
        times: SocketTimes,
        max_frames_per_second: int,
        fd_table: FdTable,
    ) -> None:
        self._service = service
        self._counters = counters
        self._times = times
        self._max_frames_per_second = max_frames_per_second
        self._lane = SocketLane(TogetherEncoder(TEXT_FRAMES), fd_table)

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
    ) -> SocketSession:
        self._counters.add(Count.CONNECTIONS, ConnectionKind.TOGETHER)
        return TogetherSession(
            self._service,
            socket,
            self._lane,
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
    """The parameters of the connect request; raises `InvalidInput` naming the parameter.

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
