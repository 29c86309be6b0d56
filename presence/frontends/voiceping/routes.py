"""The REST addresses of VoicePing: the users whom one may see, in pages and one by one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from presence.core.ids import parse_user_id
from presence.core.types import EVERYONE, PublicView, SelfView, UserId
from presence.dialects.voiceping.rest import user_object
from presence.errors import InvalidInput
from presence.frontends.actor_failures import actor_failures
from presence.frontends.authentication import Authentication
from presence.frontends.together.routes import ASK_TIMEOUT
from presence.live.claims import Claims
from presence.live.messages import Look
from presence.live.node import Node
from presence.live.views.user_pages import UserPages
from presence.transport.http.request import HttpError, Request, Response, json_response
from presence.transport.http.router import Route

USERS = "/api/v2/users"
MOST_PAGES = 999_999_999
MOST_PER_PAGE = 500
DEFAULT_PER_PAGE = 100

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@attrs.frozen
class Page:
    """Which part of a list is asked for: page *number*, from 1, of *size* users each."""

    number: int = 1
    size: int = DEFAULT_PER_PAGE

    @property
    def first(self) -> int:
        """How many users come before it."""
        return (self.number - 1) * self.size

    def links(self, *, has_next: bool) -> str:
        """The `Link` header of its answer."""
        links = [self._link(1, "first")]
        if self.number > 1:
            links.append(self._link(self.number - 1, "prev"))
        if has_next:
            links.append(self._link(self.number + 1, "next"))
        return ", ".join(links)

    def _link(self, number: int, relation: str) -> str:
        return f'<{USERS}?page={number}&per_page={self.size}>; rel="{relation}"'


def parse_page(query: Mapping[str, str]) -> Page:
    """Read `?page=` and `?per_page=`, or raise `InvalidInput`; the rest is not ours to judge."""
    return Page(
        number=_parse_number(query, "page", Page().number, MOST_PAGES),
        size=_parse_number(query, "per_page", DEFAULT_PER_PAGE, MOST_PER_PAGE),
    )


def _parse_number(query: Mapping[str, str], field: str, default: int, largest: int) -> int:
    raw = query.get(field)
    if raw is None:
        return default
    if not _NUMBER.fullmatch(raw) or int(raw) > largest:
        raise InvalidInput(field, f"must be a number from 1 to {largest}")
    return int(raw)


class VoicePingRest:
    """Answers about others come from the roster, about oneself from one's actor.

    One always sees oneself, and so as one is, also while hidden.
    """

    def __init__(self, node: Node, authentication: Authentication) -> None:
        self._node = node
        self._authentication = authentication
        self._pages = UserPages(node.public_views)

    def routes(self) -> list[Route]:
        return [
            Route("GET", USERS, self.get_users),
            Route("GET", f"{USERS}/{{id}}", self.get_user),
        ]

    async def get_users(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        page = parse_page(request.query)
        own = claims.user_id
        servers = {EVERYONE} if claims.is_admin else self._node.memberships.servers_of(own)
        ids = await self._pages.ids(servers, own, page.first, page.size + 1)
        users = await self._users(own, ids[: page.size])
        link = page.links(has_next=len(ids) > page.size)
        return json_response(200, users, (("link", link),))

    async def get_user(self, request: Request) -> Response:
        claims = self._authentication.of_request(request)
        user_id = _user_id_of(request)
        users = await self._users(claims.user_id, [user_id] if self._sees(claims, user_id) else [])
        if not users:
            raise HttpError(404, "not found")
        return json_response(200, users[0])

    def _sees(self, claims: Claims, user_id: UserId) -> bool:
        own = claims.user_id
        return claims.is_admin or user_id == own or self._node.memberships.can_see(own, user_id)

    async def _users(self, own: UserId, ids: Sequence[UserId]) -> list[dict[str, Any]]:
        """Those of *ids* who are shown to others, and *own*, in that order."""
        others = [user_id for user_id in ids if user_id != own]
        views: dict[UserId, PublicView | SelfView] = {}
        views |= {view.user_id: view for view in await self._node.public_views.views(others)}
        if own in ids:
            views[own] = await self._look(own)
        shown = [(user_id, views[user_id]) for user_id in ids if user_id in views]
        return [user_object(user_id, view.username, view.status) for user_id, view in shown]

    async def _look(self, user_id: UserId) -> SelfView:
        with actor_failures():
            return (await self._node.users.ask(user_id, Look, timeout=ASK_TIMEOUT)).self_view


def _user_id_of(request: Request) -> UserId:
    try:
        return parse_user_id(request.parameters["id"])
    except InvalidInput as refusal:  # what cannot exist is answered like what does not
        raise HttpError(404, "not found") from refusal
