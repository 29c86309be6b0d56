"""One WebSocket of the gateway: what its client sends."""

from presence.dialects.together import inbound
from presence.frontends.rate_limited_session import RateLimitedSession
from presence.frontends.together.gateway_connection import GatewayConnection
from presence.metrics import Drop


class TogetherSession(GatewayConnection, RateLimitedSession):
    """Takes heartbeats and changes of presence."""

    __slots__ = ()

    def on_message(self, message: str | bytes) -> None:
        now = self._service.now()
        command = inbound.parse_frame(message, now.wall)
        is_within_rate = self._frames.take(now.mono)
        match command:
            case inbound.PresenceUpdate(change):
                self._submit(change, may_go_now=is_within_rate)
            case inbound.Dropped(reason):
                self._drop(reason)
            case _ if not is_within_rate:
                self._drop(Drop.OVER_RATE)
            case _:
                self._socket.stream.push(self._lane.encoder.heartbeat_ack)
