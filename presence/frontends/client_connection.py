"""One open connection of one user, whatever carries it: a socket, or a poll that waits."""

import math
from abc import ABC, abstractmethod

import attrs

from presence.core.events import Ending
from presence.core.snapshot import ServerSnapshot
from presence.core.types import (
    ConnectionId,
    DeviceId,
    SelfView,
    ServerId,
    State,
    Status,
    UserId,
)
from presence.core.user.patch import PresencePatch
from presence.live.claims import Claims
from presence.live.service import ConnectionTimer, PresenceService
from presence.live.subscriber import EndReason, SubscriberLane
from presence.live.welcome import Welcome


@attrs.frozen
class ConnectParams:
    """The parameters of a connect request; the intent only counts where no device is attached."""

    device: DeviceId | None = None
    state: State | None = None
    intent: Status | None = None


class ClientConnection(ABC):
    """A subscriber that registers, arrives, sends commands and leaves.

    Call `register` first, and `leave` in the end in any case. Between the two
    the user's actor may call any of the subscriber's methods.
    """

    wants_snapshots = True

    __slots__ = ("_claims", "_connection", "_device", "_ending", "_params", "_service")

    def __init__(self, service: PresenceService, claims: Claims, params: ConnectParams) -> None:
        self._service = service
        self._claims = claims
        self._params = params
        self._connection = service.new_connection()
        self._device = params.device or service.own_device(self._connection)
        self._ending: Ending | None = None

    # -- as the living part sees it ----------------------------------------------------------

    @property
    @abstractmethod
    def lane(self) -> SubscriberLane: ...

    @abstractmethod
    def welcome(self, welcome: Welcome) -> None: ...

    @abstractmethod
    def show_self(self, view: SelfView) -> None: ...

    @abstractmethod
    def add_server(self, snapshot: ServerSnapshot) -> None: ...

    @abstractmethod
    def remove_server(self, server_id: ServerId) -> None: ...

    @abstractmethod
    def end(self, reason: EndReason) -> None: ...

    @property
    def connection(self) -> ConnectionId:
        return self._connection

    @property
    def user_id(self) -> UserId:
        return self._claims.user_id

    @property
    def device(self) -> DeviceId:
        return self._device

    @property
    def issued_at(self) -> float:
        return self._claims.issued_at

    # -- its life ----------------------------------------------------------------------------

    def register(self) -> None:
        """Count the connection as one of its user, and end it when its token expires."""
        self._service.register(self, self._params.state)
        if math.isfinite(self._claims.expires_at):
            ends_at = self._service.now().mono_of(self._claims.expires_at)
            self._service.set_timer(
                self, ConnectionTimer.TOKEN, ends_at, lambda stalled: self.end(EndReason.TOKEN)
            )

    async def arrive(self) -> None:
        """Attach the device; returns once the connection has its snapshot, or was ended.

        Raises `UserUnavailable` or `UserCrashed`.
        """
        params = self._params
        await self._service.connect(self, self._claims, params.state, params.intent)

    def command(self, change: PresencePatch) -> None:
        """Have the user's actor make *change*; one command waits, newer ones merge with it."""
        self._service.command(self, change)

    def leave(self, ending: Ending) -> None:
        """Unregister the connection, which is over, and let the user's actor know."""
        self._service.leave(self, ending)


def ending_for(reason: EndReason) -> Ending:
    """How a connection ends that the server ends for *reason*.

    After a newer login the user is still there, so its device needs no grace.
    """
    return Ending.CLEAN if reason is EndReason.REPLACED else Ending.LOST
