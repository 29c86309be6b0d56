"""Finds the handler of a request and says what a web page may do with the answer."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import attrs

from presence.transport.http.cors import PREFLIGHT, PUBLIC_CORS, OriginRules
from presence.transport.http.request import (
    ErrorRenderer,
    Handler,
    Headers,
    HttpError,
    Request,
    Response,
    ask,
    render_json_error,
)


@attrs.frozen
class Route:
    """A handler for one method and a pattern such as `/users/{id}/status`.

    A `{name}` takes one segment, never an empty one; a literal segment wins
    over it. `is_public`: a page of any origin may call it. `render_error` is that of
    the group of routes that it belongs to.
    """

    method: str
    pattern: str
    handler: Handler
    is_public: bool = False
    render_error: ErrorRenderer = render_json_error


NO_PREFIXES: Final[Mapping[str, ErrorRenderer]] = {}
NO_STORE: Headers = (("cache-control", "no-store"),)


def _count_nothing(peer: str) -> None:
    pass


class _Node:
    """A node in the tree of patterns: all that share their first segments."""

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: tuple[str, _Node] | None = None
        self.routes: dict[str, Route] = {}

    def child(self, segment: str) -> "_Node":
        if not (segment.startswith("{") and segment.endswith("}")):
            return self.literals.setdefault(segment, _Node())
        name = segment[1:-1]
        if self.parameter is None:
            self.parameter = (name, _Node())
        if self.parameter[0] != name:
            raise ValueError(f"two names for one segment: {self.parameter[0]} and {name}")
        return self.parameter[1]

    def find(self, segments: list[str], parameters: dict[str, str]) -> "_Node | None":
        if not segments:
            return self if self.routes else None
        first, rest = segments[0], segments[1:]
        literal = self.literals.get(first)
        if literal is not None and (found := literal.find(rest, parameters)):
            return found
        if self.parameter is None or not first:
            return None
        name, node = self.parameter
        found = node.find(rest, parameters)
        if found is not None:
            parameters[name] = first
        return found


class Router:
    """Answers every request: by a route, with 404, 405 or 403, or a preflight.

    *count_refused* counts, by its address, a request that reaches no handler;
    it raises `HttpError` where there were too many. *public_prefixes* renders, by
    the first segment of the path, errors where no route is found; a page of any
    origin may read these.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        origins: OriginRules,
        count_refused: Callable[[str], None] = _count_nothing,
        public_prefixes: Mapping[str, ErrorRenderer] = NO_PREFIXES,
    ) -> None:
        self._root = _Node()
        self._public_prefixes = public_prefixes
        self._origins = origins
        self._count_refused = count_refused
        self._methods = {"OPTIONS"}
        for route in routes:
            node = self._root
            for segment in route.pattern.split("/")[1:]:
                node = node.child(segment)
            if route.method in node.routes:
                raise ValueError(f"two handlers for {route.method} {route.pattern}")
            node.routes[route.method] = route
            self._methods.add(route.method)

    def render_error(self, request: Request, error: HttpError) -> Response:
        """Render an error that ended the handler of *request*, in the form of its routes."""
        segments = split_path(request.path) or []
        route = _route_of(request, self._root.find(segments, {}))
        return self._renderer_of(route, segments)(error)

    def _renderer_of(self, route: Route | None, segments: list[str] | None) -> ErrorRenderer:
        if route is not None:
            return route.render_error
        return self._public_prefixes.get(segments[0] if segments else "", render_json_error)

    async def answer(self, request: Request) -> Response:
        segments = split_path(request.path)
        parameters: dict[str, str] = {}
        node = None if segments is None else self._root.find(segments, parameters)
        route = _route_of(request, node)
        is_public = (segments or [""])[0] in self._public_prefixes
        if node is not None:
            is_public = any(route.is_public for route in node.routes.values())
        cors = PUBLIC_CORS if is_public else self._origins.cors_headers(request.headers)

        async def dispatch(request: Request) -> Response:
            if segments is None:
                raise self._refuse(request, 400, "the path is not UTF-8 with correct escapes")
            forbidden = self._origins.refusal(request, is_public=is_public)
            if forbidden is not None:
                raise self._refuse(request, 403, forbidden)
            return await self._dispatch(request, node, route)

        # Errors become answers here, so that a page may read them too.
        request = attrs.evolve(request, parameters=parameters)
        response = await ask(dispatch, request, self._renderer_of(route, segments))
        return _without_storing(response).with_headers(cors)

    async def _dispatch(
        self, request: Request, node: _Node | None, route: Route | None
    ) -> Response:
        if request.path == "*":
            return Response(204, headers=_allow(self._methods))
        if node is None:
            raise self._refuse(request, 404, "not found")
        if route is not None:
            return await route.handler(request)
        if request.method == "OPTIONS":
            return Response(204, headers=PREFLIGHT + _allow(node.routes))
        raise self._refuse(request, 405, "method not allowed", _allow(node.routes))

    def _refuse(
        self, request: Request, status: int, problem: str, headers: Headers = ()
    ) -> HttpError:
        self._count_refused(request.peer)
        return HttpError(status, problem, headers)


def _route_of(request: Request, node: _Node | None) -> Route | None:
    if node is None:
        return None
    return node.routes.get("GET" if request.method == "HEAD" else request.method)


def _without_storing(response: Response) -> Response:
    """Nobody on the way keeps what is about people; a handler may say otherwise."""
    if any(name == "cache-control" for name, _ in response.headers):
        return response
    return response.with_headers(NO_STORE)


def _allow(methods: Iterable[str]) -> Headers:
    allowed = {"OPTIONS", *methods}
    if "GET" in allowed:
        allowed.add("HEAD")
    return (("allow", ", ".join(sorted(allowed))),)


_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def split_path(path: str) -> list[str] | None:
    """Split at the slashes, then decode each segment; None if one is not strict UTF-8.

    An escaped slash stays part of its segment.
    """
    if "%" not in path:
        return path.split("/")[1:]
    if _BROKEN_ESCAPE.search(path):
        return None
    try:
        return [unquote_to_bytes(segment).decode() for segment in path.split("/")[1:]]
    except UnicodeDecodeError:
        return None
