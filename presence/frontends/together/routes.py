"""The REST addresses of Together: one's own presence, and what one may see of others."""

from collections.abc import Sequence

from presence.core.events import Commanded
from presence.core.ids import parse_server_id, parse_user_id
from presence.core.types import PublicView, ServerId, UserId
from presence.dialects.together import rest, rest_answers
from presence.errors import InvalidInput
from presence.frontends.actor_failures import actor_failures
from presence.frontends.authentication import Authentication
from presence.live.claims import Claims
from presence.live.messages import Applied, Command, Limited, Look, Unattached
from presence.live.node import Node
from presence.transport.http.request import JSON, Headers, HttpError, Request, Response, retry_after
from presence.transport.http.router import Route

ASK_TIMEOUT = 10.0
PERSISTED_WITHIN = 1.0
NEEDS_DEVICE = "activity needs a status beside it while no device of the user is attached"
NOT_PERSISTED: Headers = (("presence-persisted", "false"),)


class TogetherRest:
    """Answers about others come from the roster, about oneself from one's actor."""

    def __init__(self, node: Node, authentication: Authentication) -> None:
        self._node = node
        self._authentication = authentication

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/users/@me", self.get_self),
            Route("PATCH", "/users/@me", self.patch_self),
            Route("POST", "/users/presence", self.get_many),
            Route("GET", "/users/{id}", self.get_user),
            Route("GET", "/servers/{id}/members", self.get_members),
        ]

    async def get_self(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        with actor_failures():
            oneself = await self._node.users.ask(claims.user_id, Look, timeout=ASK_TIMEOUT)
        body = rest_answers.self_view_json(oneself.self_view, oneself.lease_until)
        return Response(200, body, JSON)

    async def patch_self(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        change = rest.parse_patch(await request.body.read(), self._node.clock.now().wall)
        commanded = Commanded(change, connection=None, may_wait=False)
        with actor_failures():
            answer: Applied | Limited | Unattached = await self._node.users.ask(
                claims.user_id,
                lambda reply: Command(commanded, claims, reply),
                timeout=ASK_TIMEOUT,
            )
        if isinstance(answer, Limited):
            wait = retry_after(answer.retry_after)
            raise HttpError(429, "too many changes of presence", wait)
        if isinstance(answer, Unattached):
            raise HttpError(409, NEEDS_DEVICE)
        headers = await self.persisted(answer.ticket)
        body = rest_answers.self_view_json(answer.self_view, answer.lease_until)
        return Response(200, body, JSON + headers)

    async def persisted(self, ticket: int) -> Headers:
        """Wait for the commit; after a second, the header that says it is still to come."""
        writer = self._node.writer
        is_committed = await writer.wait_committed(ticket, within=PERSISTED_WITHIN)
        return () if is_committed else NOT_PERSISTED

    async def get_many(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        wanted = rest.parse_presence_query(await request.body.read())
        views = await self._views(claims, wanted)
        return Response(200, rest_answers.users_json(views), JSON)

    async def get_user(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        views = await self._views(claims, [_user_id_of(request)])
        if not views:
            raise HttpError(404, "not found")
        return Response(200, rest_answers.user_json(views[0]), JSON)

    async def get_members(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        page = rest.parse_page(request.query)
        server_id = _server_id_of(request)
        memberships = self._node.memberships
        is_member = claims.is_admin or server_id in memberships.servers_of(claims.user_id)
        if not is_member or server_id not in memberships.names:
            raise HttpError(404, "not found")
        views = await self._node.public_views.page(server_id, page.after or "", page.limit + 1)
        headers: Headers = JSON
        if len(views) > page.limit:
            views = views[: page.limit]
            link = rest_answers.link_header(server_id, page.limit, views[-1].user_id)
            headers += (("link", link),)
        return Response(200, rest_answers.members_page_json(views), headers)

    async def _views(self, claims: Claims, wanted: Sequence[UserId]) -> list[PublicView]:
        """The public views of those of *wanted* that the bearer may see, in that order."""
        memberships, viewer = self._node.memberships, claims.user_id
        seen = [
            user_id
            for user_id in wanted
            if claims.is_admin or user_id == viewer or memberships.can_see(viewer, user_id)
        ]
        return await self._node.public_views.views(seen)


def _user_id_of(request: Request) -> UserId:
    try:
        return parse_user_id(request.parameters["id"])
    except InvalidInput as refusal:  # what cannot exist is answered like what does not
        raise HttpError(404, "not found") from refusal


def _server_id_of(request: Request) -> ServerId:
    try:
        return parse_server_id(request.parameters["id"])
    except InvalidInput as refusal:
        raise HttpError(404, "not found") from refusal
