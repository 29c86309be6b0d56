"""Finds the handler of a request and says what a web page may do with the answer."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

import attrs

from presence.net.origin import PREFLIGHT, PUBLIC_CORS, OriginRules
from presence.net.request import Handler, Headers, Request, Response, ask, error_response


@attrs.frozen
class Route:
    """A handler for one method and a pattern such as `/users/{id}/status`.

    A `{name}` takes one segment, never an empty one; a literal segment wins
    over it. `is_public`: a page of any origin may call it.
    """

    method: str
    pattern: str
    handler: Handler
    is_public: bool = False


class _Node:
    """What the patterns say after the same first segments."""

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

    *fallback* gets what no pattern matches, instead of a 404.
    """

    def __init__(
        self, routes: Iterable[Route], origins: OriginRules, fallback: Handler | None = None
    ) -> None:
        self._root = _Node()
        self._origins = origins
        self._fallback = fallback
        for route in routes:
            node = self._root
            for segment in route.pattern.split("/")[1:]:
                node = node.child(segment)
            if route.method in node.routes:
                raise ValueError(f"two handlers for {route.method} {route.pattern}")
            node.routes[route.method] = route

    async def answer(self, request: Request) -> Response:
        segments = split_path(request.path)
        if segments is None:
            return error_response(400, "the path is not UTF-8 with correct percent escapes")
        parameters: dict[str, str] = {}
        node = self._root.find(segments, parameters)
        is_public = node is not None and any(route.is_public for route in node.routes.values())
        refusal = self._origins.refusal(request, is_public=is_public)
        if refusal is not None:
            return error_response(403, refusal)
        response = await self._dispatch(attrs.evolve(request, parameters=parameters), node)
        cors = PUBLIC_CORS if is_public else self._origins.cors_headers(request)
        return response.with_headers(cors)

    async def _dispatch(self, request: Request, node: _Node | None) -> Response:
        if node is None:
            if self._fallback is not None:
                return await ask(self._fallback, request)
            return error_response(404, "not found")
        method = "GET" if request.method == "HEAD" else request.method
        route = node.routes.get(method)
        if route is not None:
            # Errors become answers here, so that a page may read them too.
            return await ask(route.handler, request)
        if method == "OPTIONS":
            return Response(204, headers=PREFLIGHT + _allow(node))
        return error_response(405, "method not allowed", _allow(node))


def _allow(node: _Node) -> Headers:
    methods = {"OPTIONS", *node.routes}
    if "GET" in methods:
        methods.add("HEAD")
    return (("allow", ", ".join(sorted(methods))),)


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
