"""HTTP requests and answers as values."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import attrs
import orjson

from presence.errors import PresenceError, Refused, StoreUnavailable

Headers = tuple[tuple[str, str], ...]


class HttpError(PresenceError):
    """Ends a handler with an answer of this status."""

    def __init__(self, status: int, problem: str, headers: Headers = ()) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.headers = headers


@attrs.frozen
class Request:
    """One request, its body read completely.

    `path` is as sent, without the query; `parameters` are the decoded segments
    of the route. Header names are lower case; a repeated header's values are
    joined with ", ". `peer` is the client's address, as a trusted proxy tells.
    """

    method: str
    path: str
    query: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    peer: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """What the upgrade offers, in the client's order."""
        offered = self.headers.get("sec-websocket-protocol", "").split(",")
        return tuple(name for part in offered if (name := part.strip()))


@attrs.frozen
class Response:
    """An answer; `content-length` and `date` are added when it is sent."""

    status: int
    body: bytes = b""
    headers: Headers = ()

    def with_headers(self, headers: Headers) -> "Response":
        return attrs.evolve(self, headers=self.headers + headers) if headers else self


Handler = Callable[[Request], Awaitable[Response]]
Answer = TypeVar("Answer")

RETRY_LATER: Headers = (("retry-after", "10"),)

JSON: Headers = (("content-type", "application/json"),)


def json_response(status: int, value: object, headers: Headers = ()) -> Response:
    return Response(status, orjson.dumps(value), JSON + headers)


def error_response(status: int, problem: str, headers: Headers = ()) -> Response:
    """Answer `{"error": problem}`; *problem* is a sentence of ours, not the client's bytes."""
    return json_response(status, {"error": problem}, headers)


async def ask(
    handler: Callable[[Request], Awaitable[Answer]], request: Request
) -> Answer | Response:
    """Call *handler*; the errors that have a name become answers."""
    try:
        return await handler(request)
    except HttpError as error:
        return error_response(error.status, error.problem, error.headers)
    except Refused as error:
        return error_response(400, str(error))
    except StoreUnavailable:
        return error_response(503, "the store cannot be read now", RETRY_LATER)
