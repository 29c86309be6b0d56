"""One open connection of one user, whatever carries it: a socket, or a poll that waits."""

import math
from abc import ABC, abstractmethod

import attrs

from presence.core.events import Commanded, Connected, Ended, Ending
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
from presence.live.messages import Arrive, Message
from presence.live.node import Node
from presence.live.subscriber import EndReason, SubscriberLane, Welcome

ARRIVE_TIMEOUT = 30.0


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

    __slots__ = ("_claims", "_connection", "_device", "_ending", "_node", "_params")

    def __init__(self, node: Node, claims: Claims, params: ConnectParams) -> None:
        self._node = node
        self._claims = claims
        self._params = params
        self._connection = node.connections.new_connection()
        # A device of its own; the epoch tells it from those of earlier incarnations.
        own_name = f"~{node.incarnation.versions.epoch}.{self._connection}"
        self._device = params.device or DeviceId(own_name)
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
        self._node.connections.add(self, self._params.state or State.ONLINE)
        if math.isfinite(self._claims.expires_at):
            ends_at = self._node.clock.now().mono_of(self._claims.expires_at)
            self._node.timer.set(
                ("token", self._connection), ends_at, lambda stalled: self.end(EndReason.TOKEN)
            )

    async def arrive(self) -> None:
        """Attach the device; returns once the connection has its snapshot, or was ended.

        Raises `AskTimedOut` after `ARRIVE_TIMEOUT` seconds, `ActorCrashed` or
        `ActorStopped`.
        """
        params = self._params
        connected = Connected(self._connection, self._device, params.state, params.intent)
        await self._node.users.ask(
            self.user_id,
            lambda reply: Arrive(connected, self._claims, self, reply),
            timeout=ARRIVE_TIMEOUT,
            slot=("arrive", self._connection),
        )

    def command(self, change: PresencePatch) -> None:
        """Have the user's actor make *change*; one command waits, newer ones merge with it."""
        commanded = Commanded(change, self._connection, may_wait=True)
        slot = ("command", self._connection)
        self._node.users.handle_inline(
            self._claims.user_id, commanded, slot=slot, merge=merge_commands
        )

    def leave(self, ending: Ending) -> None:
        """Unregister the connection, which is over, and let the user's actor know."""
        node = self._node
        node.connections.remove(self)
        node.fanout.unsubscribe(self)
        node.timer.cancel(("token", self._connection))
        if not node.is_draining:  # a stop of the server publishes nothing
            ended = Ended(self._connection, ending)
            node.users.tell_nowait(self.user_id, ended, slot=("ended", self._connection))


def ending_for(reason: EndReason) -> Ending:
    """How a connection ends that the server ends for *reason*.

    After a newer login the user is still there, so its device needs no grace.
    """
    return Ending.CLEAN if reason is EndReason.REPLACED else Ending.LOST


def merge_commands(older: Message, newer: Message) -> Message:
    """One command that does what two of the same connection would do."""
    if not (isinstance(older, Commanded) and isinstance(newer, Commanded)):
        return newer
    return attrs.evolve(newer, change=older.change.merged_with(newer.change))
