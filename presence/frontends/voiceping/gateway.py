"""The VoicePing gateway: reads upgrades to WebSockets and opens sessions in the right lane."""

import re
from collections.abc import Sequence

from presence.core.ids import parse_device_id
from presence.frontends.client_connection import ConnectParams
from presence.frontends.socket_session import SocketSession
from presence.frontends.socket_times import SocketTimes
from presence.frontends.voiceping.session import SessionPlan
from presence.live.claims import Claims
from presence.transport.http.request import Request
from presence.transport.websocket.connection import WebSocket

PATH_END = "/voiceping"
TEXT_SUBPROTOCOL = "voiceping.text"
TOKEN_HEADERS = ("token", "voicepingtoken")
DEVICE_HEADERS = ("device_id", "deviceid")

_BETWEEN = re.compile("[, ]+")


class VoicePingGateway:
    """Lets users in at paths that end in `/voiceping`, and wherever a header has their token.

    Browsers can send no header: there the token and the device are the first
    two of the subprotocols that they offer, `voiceping.text` left out.
    """

    def __init__(self, plan: SessionPlan, times: SocketTimes) -> None:
        self._plan = plan
        self._times = times

    def takes(self, request: Request) -> bool:
        return _is_own_path(request) or _header(request, TOKEN_HEADERS) is not None

    def token_of(self, request: Request) -> str | None:
        return _header(request, TOKEN_HEADERS) or _credential(request, 0)

    def subprotocol_of(self, request: Request) -> str | None:
        """One must be chosen where any is offered, or browsers close the connection."""
        offered = _offered(request)
        return TEXT_SUBPROTOCOL if TEXT_SUBPROTOCOL in offered else next(iter(offered), None)

    def connect_params_of(self, request: Request, claims: Claims) -> ConnectParams:
        """The device, which a token may have named; raises `InvalidInput` for a bad id."""
        device = _header(request, DEVICE_HEADERS) or _credential(request, 1)
        named = None if device is None else parse_device_id(device)
        return ConnectParams(device=claims.device or named)

    def open_session(
        self, socket: WebSocket, claims: Claims, params: ConnectParams, subprotocol: str | None
    ) -> SocketSession:
        """Until the client speaks it gets MessagePack, or text if it asked for that."""
        is_text = subprotocol == TEXT_SUBPROTOCOL
        lane = self._plan.texts if is_text else self._plan.arrays
        session = self._plan.session(socket, claims, params, lane, self._times)
        socket.watch_control(session.on_control_frame)
        return session


def _is_own_path(request: Request) -> bool:
    return request.path.endswith(PATH_END)


def _header(request: Request, names: Sequence[str]) -> str | None:
    """The first of these headers that says anything."""
    return next((value for name in names if (value := request.headers.get(name))), None)


def _credential(request: Request, index: int) -> str | None:
    """The subprotocol that a page offers at this place, where these may be credentials."""
    if not _is_own_path(request):
        return None
    offered = [name for name in _offered(request) if name != TEXT_SUBPROTOCOL]
    return offered[index] if index < len(offered) else None


def _offered(request: Request) -> list[str]:
    """The subprotocols as real clients join them: by commas, and by spaces."""
    header = request.headers.get("sec-websocket-protocol", "")
    return [name for name in _BETWEEN.split(header) if name]
