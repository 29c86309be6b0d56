"""A client connection that has a socket to itself, whatever goes over it."""

from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, Final, cast

from presence.core.types import UserId
from presence.frontends.client_connection import ClientConnection, ConnectParams
from presence.frontends.lane import SocketLane
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.transport.sockets.outbox import Outbox

SELF: Final = ("self",)
"""The key of a waiting self view; no user id equals it."""


class OutboxConnection(ClientConnection):
    """Announcements reach the client by a lane of sockets, what else there is by `outbox`."""

    __slots__ = ("_lane",)

    def __init__(
        self,
        service: PresenceService,
        claims: Claims,
        params: ConnectParams,
        lane: SocketLane[Any],
    ) -> None:
        super().__init__(service, claims, params)
        self._lane = lane

    @property
    def lane(self) -> SocketLane[Any]:
        return self._lane

    @property
    @abstractmethod
    def outbox(self) -> Outbox: ...

    def is_gone(self, user_id: Hashable) -> bool:
        """Whether the client no longer sees the user, whose waiting presence is then dropped."""
        is_own = user_id == self.user_id
        return not is_own and not self._service.can_see(self.user_id, cast("UserId", user_id))
