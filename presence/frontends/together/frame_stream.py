"""The frames of the gateway as an event stream, for clients that get no WebSocket."""

from typing import ClassVar

from presence.core.events import Ending
from presence.dialects.together import outbound
from presence.frontends.event_stream import EventStream
from presence.frontends.socket_session import CLOSE_CODES
from presence.frontends.together.gateway_connection import GatewayConnection
from presence.live.subscriber import EndReason


class FrameStream(GatewayConnection, EventStream):
    """Each frame is the data of an event; the last event has the code of a close frame."""

    ending: ClassVar[Ending] = Ending.LOST

    __slots__ = ()

    def last_event(self, reason: EndReason) -> bytes:
        return outbound.close_event(CLOSE_CODES[reason], reason.value)
