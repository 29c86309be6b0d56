"""The REST addresses of Together: the caller's own presence, and that of others."""

from presence.core.ids import parse_server_id, parse_user_id
from presence.core.types import ServerId, UserId
from presence.dialects.together import rest
from presence.dialects.together.errors import (
    NEEDS_DEVICE,
    NOT_FOUND,
    TOO_MANY_CHANGES,
    TOO_MANY_DEVICES,
)
from presence.dialects.together.explanation import explanation_json
from presence.errors import InvalidInput
from presence.frontends.authentication import Authentication
from presence.live.service import (
    Applied,
    Limited,
    NoRoom,
    NoSuchServer,
    PresenceService,
    Unattached,
)
from presence.transport.http.request import JSON, Headers, HttpError, Request, Response, retry_after
from presence.transport.http.router import Route

PERSISTED_WITHIN = 1.0
NOT_PERSISTED: Headers = (("presence-persisted", "false"),)


class TogetherRest:
    """Answers with public views of others, and with the caller's own self view."""

    def __init__(self, service: PresenceService, authentication: Authentication) -> None:
        self._service = service
        self._authentication = authentication

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/users/@me", self.get_self),
            Route("PATCH", "/users/@me", self.patch_self),
            Route("GET", "/users/@me/explain", self.explain_self),
            Route("GET", "/users/{id}/explain", self.explain_user),
            Route("POST", "/users/presence", self.get_many),
            Route("GET", "/users/{id}", self.get_user),
            Route("GET", "/servers/{id}/members", self.get_members),
        ]

    async def get_self(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        oneself = await self._service.look(claims.user_id)
        body = rest.self_view_json(oneself.self_view, oneself.lease_until)
        return Response(200, body, JSON)

    async def patch_self(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        change = rest.parse_patch(await request.body.read(), self._service.now().wall)
        answer = await self._service.change(claims, change)
        match answer:
            case Limited(seconds):
                raise HttpError(429, TOO_MANY_CHANGES, retry_after(seconds))
            case Unattached():
                raise HttpError(409, NEEDS_DEVICE)
            case NoRoom():
                raise HttpError(429, TOO_MANY_DEVICES)
            case Applied(self_view, lease_until, ticket):
                headers = await self.persisted(ticket)
                body = rest.self_view_json(self_view, lease_until)
                return Response(200, body, JSON + headers)

    async def explain_self(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        return await self._explain(claims.user_id)

    async def explain_user(self, request: Request) -> Response:
        claims = self._authentication.of_administrator(request)
        user_id = _user_id_of(request)
        if not await self._service.views(claims, [user_id]):
            raise HttpError(404, NOT_FOUND)
        return await self._explain(user_id)

    async def _explain(self, user_id: UserId) -> Response:
        explanation = await self._service.explain(user_id)
        return Response(200, explanation_json(explanation, self._service.now().wall), JSON)

    async def persisted(self, ticket: int) -> Headers:
        """Wait a second for the commit; then return the header that says it is outstanding."""
        is_stored = await self._service.wait_stored(ticket, within=PERSISTED_WITHIN)
        return () if is_stored else NOT_PERSISTED

    async def get_many(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        wanted = rest.parse_presence_query(await request.body.read())
        views = await self._service.views(claims, wanted)
        return Response(200, rest.users_json(views), JSON)

    async def get_user(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        views = await self._service.views(claims, [_user_id_of(request)])
        if not views:
            raise HttpError(404, NOT_FOUND)
        return Response(200, rest.user_json(views[0]), JSON)

    async def get_members(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        page = rest.parse_page(request.query)
        server_id = _server_id_of(request)
        after, count = page.after or "", page.limit + 1
        try:
            views = await self._service.members(claims, server_id, after, count)
        except NoSuchServer as error:
            raise HttpError(404, NOT_FOUND) from error
        headers: Headers = JSON
        if len(views) > page.limit:
            views = views[: page.limit]
            link = rest.link_header(server_id, page.limit, views[-1].user_id)
            headers += (("link", link),)
        return Response(200, rest.members_page_json(views), headers)


def _user_id_of(request: Request) -> UserId:
    try:
        return parse_user_id(request.parameters["id"])
    except InvalidInput as refusal:  # an impossible id is answered like an unknown one
        raise HttpError(404, NOT_FOUND) from refusal


def _server_id_of(request: Request) -> ServerId:
    try:
        return parse_server_id(request.parameters["id"])
    except InvalidInput as refusal:
        raise HttpError(404, NOT_FOUND) from refusal
