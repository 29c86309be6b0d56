"""The body of a request, read from the connection when a handler asks for it."""

import math
from collections.abc import Awaitable, Callable, Mapping

import h11
import trio

from presence.transport.http.request import HttpError
from presence.transport.limits import NetLimits

TOO_LARGE = "body too large"


class RequestBody:
    """One body that the head announces, see `request.Body`.

    *next_event* gives the parser's next event and waits for it; *on_whole* is called
    when the body was read to its end.
    """

    is_empty = False

    def __init__(
        self,
        headers: Mapping[str, str],
        limits: NetLimits,
        next_event: Callable[[], Awaitable[object]],
        on_whole: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._next_event = next_event
        self._on_whole = on_whole
        self._coding = headers.get("content-encoding", "identity").strip().lower()
        self._declared = int(headers.get("content-length", 0))

    async def read(self, at_most: int | None = None) -> bytes:
        limit = (self._limits.max_body_bytes if at_most is None else at_most) or math.inf
        if self._coding != "identity":
            raise HttpError(415, "only identity is taken as content-encoding")
        if self._declared > limit:
            raise HttpError(413, TOO_LARGE)
        try:
            with trio.move_on_after(self._limits.body_after or math.inf):
                return await self._read_up_to(limit)
        except h11.RemoteProtocolError as error:
            raise HttpError(400, "malformed request") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise HttpError(400, "the connection was lost") from error
        raise HttpError(408, "the body took too long")

    async def _read_up_to(self, limit: float) -> bytes:
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > limit:
                raise HttpError(413, TOO_LARGE)
        self._on_whole()
        return bytes(body)
