"""A long poll from its request to its answer: catch up, else wait, else say where it stands."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import attrs
import trio

from presence.core.events import Ending
from presence.core.types import PublicView, SelfView
from presence.dialects.matrix.encoder import Renderer
from presence.dialects.matrix.positions import Position, fingerprint
from presence.errors import TokenProblem, TokenRefused
from presence.frontends.authentication import CHALLENGE
from presence.frontends.client_connection import ConnectParams
from presence.frontends.matrix.poll import PollConnection, PollLane
from presence.frontends.user_limit import UserLimit
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.live.subscriber import EndReason
from presence.transport.http.request import HttpError, retry_after

R = TypeVar("R", bound=Renderer)


@attrs.frozen
class PollAnswer:
    """The events since the position that was asked for, and the position after them.

    `own` is the event about the user itself, None where it is as the client
    knows it. Where `is_snapshot`, the events tell of all users not offline.
    """

    position: Position
    events: list[bytes]
    own: bytes | None
    is_snapshot: bool


class Polling(Generic[R]):
    """Answers the polls of one kind of client. *own_event* encodes the user's own state."""

    def __init__(
        self,
        service: PresenceService,
        user_limit: UserLimit,
        lane: PollLane[R],
        own_event: Callable[[SelfView], bytes],
    ) -> None:
        self._service = service
        self._user_limit = user_limit
        self._lane = lane
        self._own_event = own_event

    async def poll(
        self, claims: Claims, params: ConnectParams, since: Position | None, timeout: float
    ) -> PollAnswer:
        """Attach the device, answer with what changed after *since*, detach it with a timer.

        Without a change waits for one, at most *timeout* seconds. Raises `HttpError`,
        `UserUnavailable`, `UserCrashed` or `StoreUnavailable`.
        """
        connection = self._open(claims, params)
        connection.register()
        try:
            await connection.arrive()
            _refuse_ended(connection)
            return await self._wait_and_answer(connection, since, timeout)
        finally:
            connection.leave(Ending.POLL)

    def _open(self, claims: Claims, params: ConnectParams) -> PollConnection[R]:
        if self._service.is_draining:
            raise HttpError(503, "the server is stopping", retry_after(1))
        problem = self._user_limit.refusal(claims.user_id, params.device)
        if problem is not None:
            raise HttpError(429, problem, retry_after(1))
        return PollConnection(self._service, claims, params, self._lane)

    async def _wait_and_answer(
        self, connection: PollConnection[R], since: Position | None, timeout: float
    ) -> PollAnswer:
        missed = None if since is None else await self._missed(connection, since)
        is_snapshot = missed is None
        if missed is None:
            missed = await self._snapshot(connection, since)
        if not missed and not is_snapshot and not self._has_news(connection, since):
            with trio.move_on_after(timeout) as waiting:
                await connection.wait()
            if waiting.cancelled_caught:
                connection.note_idle()
        return self._answer(connection, since, missed, is_snapshot=is_snapshot)

    async def _missed(
        self, connection: PollConnection[R], since: Position
    ) -> list[PublicView] | None:
        connection.note_told()
        return await self._service.changes_since(connection.user_id, since.version)

    async def _snapshot(
        self, connection: PollConnection[R], since: Position | None
    ) -> list[PublicView]:
        """All visible users; to a client that knew some, also those who went offline."""
        user_id, gone = connection.user_id, list[PublicView]()
        if since is not None and since.version <= self._service.latest_version:
            gone = await self._service.offline_since(user_id, since.version)
        connection.note_told()
        present = self._service.present_to(user_id)
        came_back = {view.user_id for view in present}
        return [*[view for view in gone if view.user_id not in came_back], *present]

    def _has_news(self, connection: PollConnection[R], since: Position | None) -> bool:
        return since is None or self._own_of(connection)[1] != since.own

    def _own_of(self, connection: PollConnection[R]) -> tuple[bytes, str]:
        view = connection.self_view
        own = b"" if view is None else self._own_event(view)
        return own, fingerprint(own)

    def _answer(
        self,
        connection: PollConnection[R],
        since: Position | None,
        missed: Iterable[PublicView],
        *,
        is_snapshot: bool,
    ) -> PollAnswer:
        _refuse_ended(connection)
        own, mark = self._own_of(connection)
        is_new = since is None or since.own != mark
        events = connection.take_events(missed)
        position = Position(connection.version, mark)
        return PollAnswer(position, events, own if is_new else None, is_snapshot)


def _refuse_ended(connection: PollConnection[R]) -> None:
    """Raise the error for a poll that the server ended, unless it only stops."""
    match connection.end_reason:
        case None | EndReason.STOPPING:
            return
        case EndReason.TOO_MANY_DEVICES:
            raise HttpError(429, "too many devices", retry_after(10))
        case EndReason.CRASHED:
            raise HttpError(500, "internal error")
        case _:
            refusal = TokenRefused(TokenProblem.REVOKED)
            raise HttpError(401, str(refusal), CHALLENGE, refusal)
