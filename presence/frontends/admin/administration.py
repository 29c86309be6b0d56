"""The REST addresses of administration; every one needs an admin token."""

from collections.abc import Awaitable, Callable, Iterator

import trio

from presence.core.ids import parse_server_id, parse_user_id
from presence.core.types import ServerId, UserId
from presence.dialects.together import rest
from presence.frontends.authentication import Authentication
from presence.live.service import NoSuchServer, NoSuchUser, PresenceService
from presence.transport.http.request import JSON, Handler, Headers, HttpError, Request, Response
from presence.transport.http.router import Route

MEMBERS_BODY_BYTES = 2 << 20
MEMBERS_PER_TURN = 500
Persisted = Callable[[int], Awaitable[Headers]]


class AdministrationRest:
    """Changes are answered with 204 once they are stored."""

    def __init__(
        self,
        service: PresenceService,
        authentication: Authentication,
        persisted: Persisted,
    ) -> None:
        self._administration = service.administration
        self._authentication = authentication
        self._persisted = persisted

    def routes(self) -> list[Route]:
        written = [
            ("PUT", "/servers/{id}", self.put_server),
            ("DELETE", "/servers/{id}", self.delete_server),
            ("PUT", "/servers/{id}/members", self.put_members),
            ("PUT", "/servers/{id}/members/{user}", self.put_member),
            ("DELETE", "/servers/{id}/members/{user}", self.delete_member),
            ("PUT", "/users/{id}", self.put_user),
            ("DELETE", "/users/{id}", self.delete_user),
            ("POST", "/users/{id}/revoke", self.revoke),
            ("POST", "/users/{id}/disconnect", self.disconnect),
        ]
        return [
            Route("GET", "/servers", self.get_servers),
            *(Route(method, pattern, self._written(write)) for method, pattern, write in written),
        ]

    def _written(self, write: Callable[[Request], Awaitable[int]]) -> Handler:
        """A handler that lets administrators *write* and answers when that is stored."""

        async def handle(request: Request) -> Response:
            self._authentication.of_administrator(request)
            try:
                ticket = await write(request)
            except (NoSuchServer, NoSuchUser) as error:
                raise HttpError(404, "not found") from error
            return Response(204, headers=await self._persisted(ticket))

        return handle

    async def get_servers(self, request: Request) -> Response:
        self._authentication.of_administrator(request)
        return Response(200, rest.servers_json(dict(self._administration.servers())), JSON)

    async def put_server(self, request: Request) -> int:
        name = rest.parse_server_put(await request.body.read()).name
        return await self._administration.put_server(_server_of(request), name)

    async def delete_server(self, request: Request) -> int:
        return self._administration.delete_server(_server_of(request))

    async def put_members(self, request: Request) -> int:
        body = await request.body.read(MEMBERS_BODY_BYTES)
        members = await _collect(rest.parse_member_list(body))
        return await self._administration.put_members(_server_of(request), members)

    async def put_member(self, request: Request) -> int:
        user_id = parse_user_id(request.parameters["user"])
        return await self._administration.put_member(_server_of(request), user_id)

    async def delete_member(self, request: Request) -> int:
        user_id = parse_user_id(request.parameters["user"])
        return self._administration.delete_member(_server_of(request), user_id)

    async def put_user(self, request: Request) -> int:
        name = rest.parse_user_put(await request.body.read()).username
        return await self._administration.put_user(_user_of(request), name)

    async def delete_user(self, request: Request) -> int:
        return await self._administration.delete_user(_user_of(request))

    async def revoke(self, request: Request) -> int:
        return await self._administration.revoke(_user_of(request))

    async def disconnect(self, request: Request) -> int:
        await self._administration.disconnect(_user_of(request))
        return 0


async def _collect(members: Iterator[UserId]) -> tuple[UserId, ...]:
    """All of *members*, each once; others have a turn in between."""
    collected: dict[UserId, None] = {}
    for number, user_id in enumerate(members, 1):
        collected[user_id] = None
        if number % MEMBERS_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
    return tuple(collected)


def _server_of(request: Request) -> ServerId:
    return parse_server_id(request.parameters["id"])


def _user_of(request: Request) -> UserId:
    return parse_user_id(request.parameters["id"])
