"""The addresses for operators: health, metrics, the API's description, development tokens."""

from collections.abc import Callable, Mapping
from ipaddress import ip_address

import attrs
import orjson

from presence.dialects.together import rest
from presence.frontends.authentication import Authentication
from presence.live.service import PresenceService
from presence.transport.http.request import (
    JSON,
    Handler,
    HttpError,
    Request,
    Response,
    json_response,
    retry_after,
)
from presence.transport.http.router import Route

PROXY_HEADERS = frozenset({"x-forwarded-for", "x-real-ip", "forwarded", "via"})
METRICS = (("content-type", "text/plain; version=0.0.4; charset=utf-8"),)


@attrs.frozen
class Operations:
    """The addresses for operators. *issue_token* is None outside development mode."""

    service: PresenceService
    authentication: Authentication
    render_metrics: Callable[[], bytes]
    openapi: Mapping[str, object]
    issue_token: Callable[[rest.DevToken], str] | None

    def routes(self) -> list[Route]:
        routes = [
            Route("GET", "/healthz", self.get_health),
            Route("GET", "/readyz", self.get_readiness),
            Route("GET", "/metrics", self.get_metrics),
            Route("GET", "/openapi.json", self._constant(orjson.dumps(self.openapi))),
        ]
        if self.issue_token is not None:
            routes.append(Route("POST", "/auth/dev-token", self.post_dev_token))
        return routes

    def _constant(self, body: bytes) -> Handler:
        async def handle(request: Request) -> Response:
            return Response(200, body, (*JSON, ("cache-control", "no-cache")))

        return handle

    async def get_health(self, request: Request) -> Response:
        return json_response(200, {"status": "ok"})

    async def get_readiness(self, request: Request) -> Response:
        """503 while draining; a failing store is only "degraded", for the server still serves."""
        if self.service.is_draining:
            problem = {"status": "draining", "error": "the server is stopping"}
            return json_response(503, problem, retry_after(1))
        is_failing = self.service.is_store_failing
        return json_response(200, {"status": "degraded" if is_failing else "ready"})

    async def get_metrics(self, request: Request) -> Response:
        if not is_local(request):
            self.authentication.of_administrator(request)
        return Response(200, self.render_metrics(), METRICS)

    async def post_dev_token(self, request: Request) -> Response:
        if self.issue_token is None or not is_local(request):
            raise HttpError(404, "not found")
        wanted = rest.parse_dev_token(await request.body.read())
        return Response(200, rest.token_json(self.issue_token(wanted)), JSON)


def is_local(request: Request) -> bool:
    """True for a peer on this machine that no proxy stands in front of."""
    try:
        is_loopback = ip_address(request.peer).is_loopback
    except ValueError:
        return False
    return is_loopback and PROXY_HEADERS.isdisjoint(request.headers)
