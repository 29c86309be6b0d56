"""The REST addresses of VoicePing: the users that the caller may see, in pages or singly."""

from collections.abc import Sequence
from typing import Any

from presence.core.ids import parse_user_id
from presence.core.types import PublicView, SelfView, UserId
from presence.dialects.voiceping.rest import USERS, parse_page, user_object
from presence.errors import InvalidInput
from presence.frontends.authentication import Authentication
from presence.live.claims import Claims
from presence.live.service import PresenceService
from presence.transport.http.request import HttpError, Request, Response, json_response
from presence.transport.http.router import Route


class VoicePingRest:
    """Answers with public views of others, and with the caller's own self view.

    Callers always see themselves as they are, also while they are hidden.
    """

    def __init__(self, service: PresenceService, authentication: Authentication) -> None:
        self._service = service
        self._authentication = authentication

    def routes(self) -> list[Route]:
        return [
            Route("GET", USERS, self.get_users),
            Route("GET", f"{USERS}/{{id}}", self.get_user),
        ]

    async def get_users(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        page = parse_page(request.query)
        ids = await self._service.user_ids(claims, page.first, page.size + 1)
        users = await self._users(claims, ids[: page.size])
        link = page.links(has_next=len(ids) > page.size)
        return json_response(200, users, (("link", link),))

    async def get_user(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        users = await self._users(claims, [_user_id_of(request)])
        if not users:
            raise HttpError(404, "not found")
        return json_response(200, users[0])

    async def _users(self, claims: Claims, ids: Sequence[UserId]) -> list[dict[str, Any]]:
        """The announced users among *ids* that the caller may see, in that order."""
        own = claims.user_id
        others = [user_id for user_id in ids if user_id != own]
        views: dict[UserId, PublicView | SelfView] = {}
        views |= {view.user_id: view for view in await self._service.views(claims, others)}
        if own in ids:
            views[own] = (await self._service.look(own)).self_view
        seen = [(user_id, views[user_id]) for user_id in ids if user_id in views]
        return [user_object(user_id, view.username, view.status) for user_id, view in seen]


def _user_id_of(request: Request) -> UserId:
    try:
        return parse_user_id(request.parameters["id"])
    except InvalidInput as refusal:  # an impossible id is answered like an unknown one
        raise HttpError(404, "not found") from refusal
