"""HTTP requests and answers as values."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import attrs
import orjson
import trio

from presence.errors import (
    InvalidInput,
    PresenceError,
    StoreUnavailable,
    UserCrashed,
    UserUnavailable,
)

Headers = tuple[tuple[str, str], ...]


class HttpError(PresenceError):
    """An error as a value; ends a handler with an answer of this status.

    *problem* is a sentence of ours, not the client's bytes. *cause* is the error that
    this one answers, for a renderer that has a code of its own for it, such as
    `InvalidInput`, `TokenRefused` or `StoreUnavailable`.
    """

    def __init__(
        self,
        status: int,
        problem: str,
        headers: Headers = (),
        cause: PresenceError | None = None,
    ) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.headers = headers
        self.cause = cause


class Body(Protocol):
    """The body of one request, which stays on the connection until a handler reads it."""

    @property
    def is_empty(self) -> bool:
        """True where the head announces no body."""

    async def read(self, at_most: int | None = None) -> bytes:
        """Return the whole body; to be called once.

        *at_most* bytes are taken (None: the limit of the listener), refused by
        the declared length before any of it is read. Raises `HttpError` 413,
        408, 415 or 400.
        """


class NoBody:
    """The body of a request that has none."""

    is_empty = True

    async def read(self, at_most: int | None = None) -> bytes:
        return b""


NO_BODY = NoBody()


@attrs.frozen
class Request:
    """The head of one request, and its body, not read yet.

    A handler looks at the token before it reads the body: a body that nobody
    reads takes no memory, and ends the connection after the answer.

    `path` is as sent, without the query; `parameters` are the decoded segments
    of the route. Header names are lower case; a repeated header's values are
    joined with ", ". `peer` is the client's address, as a trusted proxy tells.

    A handler is cancelled when its client has gone. `stopping` is set when the server
    stops: a handler that waits for long answers then, within a second.
    """

    method: str
    path: str
    query: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: Body = NO_BODY
    peer: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    is_http_1_0: bool = False
    stopping: trio.Event = attrs.field(factory=trio.Event, eq=False)

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """The subprotocols that the upgrade offers, in the client's order."""
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

CLOSE: Headers = (("connection", "close"),)
"""Of an answer that ends the connection."""

RETRY_LATER: Headers = (("retry-after", "10"),)

JSON: Headers = (("content-type", "application/json"),)


def json_response(status: int, value: object, headers: Headers = ()) -> Response:
    return Response(status, orjson.dumps(value), JSON + headers)


def error_response(status: int, problem: str, headers: Headers = ()) -> Response:
    """Answer `{"error": problem}`; *problem* is a sentence of ours, not the client's bytes."""
    return json_response(status, {"error": problem}, headers)


ErrorRenderer = Callable[[HttpError], Response]
"""Renders an error in the form of one group of routes. Keeps its status and headers."""


def render_json_error(error: HttpError) -> Response:
    """The form where a group of routes has none of its own, and of requests without a route."""
    return error_response(error.status, error.problem, error.headers)


def retry_after(seconds: float) -> Headers:
    """The header that says when to come back: whole seconds, at least one."""
    return (("retry-after", str(max(1, math.ceil(seconds)))),)


async def ask(
    handler: Callable[[Request], Awaitable[Answer]],
    request: Request,
    render: ErrorRenderer = render_json_error,
) -> Answer | Response:
    """Call *handler*; the errors that have a name become answers, by *render*."""
    try:
        return await handler(request)
    except HttpError as error:
        return render(error)
    except InvalidInput as error:
        return render(HttpError(400, str(error), cause=error))
    except StoreUnavailable as error:
        return render(HttpError(503, "the store cannot be read now", RETRY_LATER, error))
    except UserUnavailable as error:
        return render(HttpError(503, "the server is busy or stopping", retry_after(1), error))
    except UserCrashed as error:
        return render(HttpError(500, "internal error", cause=error))
