"""A live picture of one's users, on Trio: it connects, and comes back by itself.

async with open_presence("http://127.0.0.1:8080", user="bot") as presence:
    await presence.set(Status.DND, custom_status="Deploying")
    async with presence.changes() as changes:
        async for change in changes:
            print(change.user.username, change.user.status.value)
"""

import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError

from presence.client.backoff import Backoff
from presence.client.connection import (
    FINAL_CLOSE_CODES,
    Connection,
    ConnectionState,
    PresenceLost,
    PresenceRefused,
)
from presence.client.gateway import Gateway
from presence.client.model import (
    Change,
    ProtocolError,
    SelfView,
    Server,
    User,
    read_self,
    read_user,
)
from presence.client.protocol import Event, Mirror, Ready
from presence.client.rest import PAGE, RequestFailed, RestClient
from presence.client.self_change import Ends, SelfChange
from presence.client.watcher import Watcher
from presence.core.types import State, Status
from presence.core.user.patch import UNSET, Unset

EXPIRED: Final = 4001

GetToken = Callable[[], Awaitable[str]]


@asynccontextmanager
async def open_presence(
    url: str,
    token: str | None = None,
    *,
    get_token: GetToken | None = None,
    user: str | None = None,
    device: str | None = None,
    state: State = State.ONLINE,
    status: Status | None = None,
    reconnect: Backoff = Backoff(),  # noqa: B008  # a value
    ssl_context: ssl.SSLContext | None = None,
    answer_after: float = 10.0,
) -> AsyncIterator["Presence"]:
    """Keep a connection to the server at *url* within the block; say goodbye at its end.

    *get_token* is asked for each attempt, where given. *user* stands for a token
    on a development server. *status* is the intent to come with, where no other
    device of the user is attached.
    """
    presence = Presence(
        url, token, get_token, user, device, state, status, reconnect, ssl_context, answer_after
    )
    error: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(presence.run)
        try:
            yield presence
        except Exception as raised:  # raised again below, not wrapped by the nursery
            error = raised
        finally:
            await presence.say_goodbye()
            nursery.cancel_scope.cancel()
    if error is not None:
        raise error


class Presence:
    """Use `open_presence`. What it holds stays while it reconnects, and is stale then."""

    def __init__(
        self,
        url: str,
        token: str | None,
        get_token: GetToken | None,
        user: str | None,
        device: str | None,
        state: State,
        status: Status | None,
        reconnect: Backoff,
        ssl_context: ssl.SSLContext | None,
        answer_after: float,
    ) -> None:
        self._url = url
        self._token = token
        if token is None and get_token is None and user is not None:
            get_token = partial(RestClient(url).get_dev_token, user)
        self._get_token = get_token
        self._device = device
        self._state = state
        self._status = status
        self._backoff = reconnect
        self._answer_after = answer_after
        self._mirror = Mirror()
        self._gateway = Gateway(
            url, ssl_context, lambda text: self._take(self._mirror.receive(text))
        )
        self._watchers: set[Watcher] = set()
        self._turned = trio.Event()
        self._refusal: PresenceRefused | None = None
        self.connection = Connection(ConnectionState.CONNECTING)

    # -- what is known -----------------------------------------------------------------------

    @property
    def me(self) -> SelfView | None:
        """Oneself; None before the first connection."""
        return self._mirror.me

    @property
    def users(self) -> Mapping[str, User]:
        """All others that are known; a live view, stale while `connection.is_stale`."""
        return self._mirror.users

    @property
    def servers(self) -> Mapping[str, Server]:
        """One's servers; likewise."""
        return self._mirror.servers

    async def wait_live(self) -> None:
        """Wait for the connection; raises `PresenceRefused` where none will come."""
        while self.connection.state is not ConnectionState.LIVE:
            if self._refusal is not None:
                raise self._refusal
            await self._turned.wait()

    async def wait_for(self, user_id: str, condition: Callable[[User], bool]) -> User:
        """Wait until *condition* is true of a user that is known; returns that user."""
        async with self.changes(users=[user_id], include_current=True) as changes:
            async for change in changes:
                if condition(change.user):
                    return change.user
        raise PresenceLost("the client was closed")

    @asynccontextmanager
    async def changes(
        self, *, users: Collection[str] | None = None, include_current: bool = False
    ) -> AsyncIterator[AsyncIterator[Change]]:
        """Iterate over the changes of *users*, or of all, from now on.

        A reader that is slow gets the newest state of each user, and delays
        nobody. After a gap each user that is another than before comes once.
        The iteration ends where the server refuses the client for good.
        """
        watcher = Watcher(users)
        if include_current:
            watcher.offer(Change(user, None) for user in self.users.values())
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    # -- what one does -----------------------------------------------------------------------

    async def set(
        self,
        status: Status | Unset = UNSET,
        *,
        until: Ends = UNSET,
        custom_status: str | Unset | None = UNSET,
        custom_status_until: Ends = UNSET,
        activity: str | Unset | None = UNSET,
        appear_offline: bool | Unset = UNSET,
        lease: timedelta | Unset = UNSET,
    ) -> SelfView:
        """Change oneself; what is left out stays, None clears. Returns once it is stored.

        *lease* is how long a status holds while no client is connected. Raises `RequestFailed`.
        """
        change = SelfChange(
            status=status,
            until=until,
            custom_status=custom_status,
            custom_status_until=custom_status_until,
            activity=activity,
            appear_offline=appear_offline,
            lease=lease,
        )
        return read_self(await (await self._rest()).patch_me(change.body()))

    async def set_idle(self, is_idle: bool) -> None:
        """Say that this device is idle, or in use again; the status set by hand stays."""
        self._state = State.IDLE if is_idle else State.ONLINE
        data = {"status": "away", "afk": True} if is_idle else {"afk": False}
        # Without a connection the next one brings the state along.
        await self._gateway.send(json.dumps({"op": "PRESENCE_UPDATE", "d": data}))

    async def get_users(self, ids: Iterable[str]) -> list[User]:
        """Those of *ids* that one may see, in that order; raises `RequestFailed`."""
        return [read_user(each) for each in await (await self._rest()).get_users(list(ids))]

    async def members(self, server_id: str) -> AsyncIterator[User]:
        """All members of a server by id, also those that its snapshot leaves out.

        Read in pages; raises `RequestFailed`.
        """
        after: str | None = None
        while True:
            page = await (await self._rest()).get_members(server_id, after)
            for raw in page:
                yield read_user(raw)
            if len(page) < PAGE:
                return
            after = read_user(page[-1]).id

    async def explain(self) -> Mapping[str, Any]:
        """Why one has one's status, and what changes it next; raises `RequestFailed`."""
        return await (await self._rest()).explain_me()

    # -- its life ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, receive, and come back, until the server refuses for good."""
        attempt = 0
        while self._refusal is None:
            attempt += 1
            if attempt > 1:
                await trio.sleep(self._backoff.wait(attempt - 1))
            problem = await self._connect()
            if self.connection.state is ConnectionState.LIVE:
                attempt = 0
            if self._refusal is None:
                self._turn(ConnectionState.RECONNECTING, attempt, problem)
        self._turn(ConnectionState.CLOSED, attempt, str(self._refusal))
        for watcher in self._watchers:
            watcher.close()

    async def say_goodbye(self) -> None:
        """Leave at once, without a grace."""
        await self._gateway.say_goodbye()

    async def _connect(self) -> str:
        """One connection from its beginning to its end; returns why it ended."""
        try:
            return await self._gateway.run(await self._resource())
        except PresenceRefused as refusal:
            self._refusal = refusal
            return refusal.problem
        except ConnectionRejected as rejected:
            return self._refuse(rejected.status_code)
        except ConnectionClosed as closed:
            return self._end(closed.reason.code if closed.reason else 1006)
        except (HandshakeError, OSError, RequestFailed, ProtocolError) as error:
            return str(error)
        except trio.TooSlowError:
            return "the server did not answer in time"

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Ready(changes):
                    self._turn(ConnectionState.LIVE, 0, None)
                    self._offer(changes)
                case Change():
                    self._offer([event])

    def _offer(self, changes: Iterable[Change]) -> None:
        kept = list(changes)
        for watcher in self._watchers:
            watcher.offer(kept)

    def _turn(self, state: ConnectionState, attempt: int, problem: str | None) -> None:
        was_live = self.connection.state is ConnectionState.LIVE
        live_until = time.time() if was_live else self.connection.live_until
        self.connection = Connection(state, live_until=live_until, attempt=attempt, problem=problem)
        self._turned.set()
        self._turned = trio.Event()

    def _refuse(self, status: int) -> str:
        """A handshake was answered by HTTP; a refused token is final unless another can be had."""
        problem = f"{self._url} answered {status}"
        if status in {400, 403} or (status == 401 and self._get_token is None):
            self._refusal = PresenceRefused(problem, status)
        return problem

    def _end(self, code: int) -> str:
        problem = FINAL_CLOSE_CODES.get(code)
        if problem is None and code == EXPIRED and self._get_token is None:
            problem = "the token expired or was revoked"
        if problem is not None:
            self._refusal = PresenceRefused(problem, code)
        return problem or f"the connection ended with {code}"

    # -- details -----------------------------------------------------------------------------

    async def _current_token(self) -> str:
        if self._get_token is not None:
            return await self._get_token()
        if self._token is None:
            raise PresenceRefused("a token, or a user of a development server, is needed")
        return self._token

    async def _resource(self) -> str:
        """The path and query of the next connection; a reconnect brings state and intent along."""
        status = self._status if self.me is None else self.me.intent
        query = {
            "token": await self._current_token(),
            "device": self._device,
            "state": self._state.value,
            "status": None if status is None else status.value,
        }
        named = urlencode({key: value for key, value in query.items() if value is not None})
        return f"{urlsplit(self._url).path.rstrip('/')}/ws?{named}"

    async def _rest(self) -> RestClient:
        return RestClient(self._url, await self._current_token(), self._answer_after)
