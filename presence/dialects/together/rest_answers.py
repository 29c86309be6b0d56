"""Answers of Together REST and the administration: values in, the bytes of a body out."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

import orjson

from presence.core.types import PublicView, SelfView, ServerId, UserId
from presence.dialects.together.times import format_time
from presence.dialects.together.views import member_object, self_object, user_object


def self_view_json(view: SelfView, lease_until: float | None = None) -> bytes:
    """The body for `GET` and `PATCH /users/@me`.

    *lease_until* (Unix time) is the end of the lease, None where no lease holds.
    """
    return orjson.dumps({**self_object(view), "lease_until": format_time(lease_until)})


def user_json(view: PublicView) -> bytes:
    """The body for `GET /users/{id}`."""
    return orjson.dumps(user_object(view))


def users_json(views: Iterable[PublicView]) -> bytes:
    """The body for `POST /users/presence`, in the order given."""
    return orjson.dumps({"users": [user_object(view) for view in views]})


def members_page_json(views: Iterable[PublicView]) -> bytes:
    """The body for `GET /servers/{id}/members`, in the order given."""
    return orjson.dumps({"members": [member_object(view) for view in views]})


def link_header(server_id: ServerId, limit: int, last: UserId) -> str:
    """The `Link` header to the page after the one that ended with *last*.

    For the caller to send only while there is a next page.
    """
    path = f"/servers/{quote(server_id, safe='')}/members"
    return f'<{path}?limit={limit}&after={quote(last, safe="")}>; rel="next"'


def servers_json(names: Mapping[ServerId, str]) -> bytes:
    """The body for `GET /servers`, by server id."""
    servers = [{"id": server_id, "name": names[server_id]} for server_id in sorted(names)]
    return orjson.dumps({"servers": servers})


def token_json(token: str) -> bytes:
    """The body for `POST /auth/dev-token`."""
    return orjson.dumps({"token": token})


def error_json(problem: str) -> bytes:
    """The body of every answer that is an error."""
    return orjson.dumps({"error": problem})
