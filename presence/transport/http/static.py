"""Files that are served as they are: read once, with an ETag, and compressed where it helps."""

import gzip
import hashlib
from collections.abc import Mapping
from typing import Final

import attrs

from presence.transport.http.request import Headers, Request, Response

TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}
"""The types that a file may have, by the end of its name."""

REVALIDATE: Final = ("cache-control", "no-cache")
"""A browser keeps the file, but asks whether it is still the newest."""


@attrs.frozen
class StaticFile:
    """The bytes of one file and the headers of its answers. Immutable and shared."""

    body: bytes
    compressed: bytes
    etag: str
    headers: Headers

    async def answer(self, request: Request) -> Response:
        """Answer GET and HEAD: 304 to a client that has these very bytes."""
        headers = (("etag", self.etag), REVALIDATE, *self.headers)
        if _names(request.headers.get("if-none-match", ""), self.etag):
            return Response(304, headers=headers)
        headers += (("vary", "Accept-Encoding"),)
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(200, self.compressed, (*headers, ("content-encoding", "gzip")))
        return Response(200, self.body, headers)


def build_static_file(name: str, body: bytes, headers: Headers = ()) -> StaticFile:
    """The answers for *body*, whose type follows from the end of *name*."""
    kind = TYPES[name[name.rindex(".") :]]
    tag = hashlib.sha256(body).hexdigest()[:32]
    own = (("content-type", kind), ("x-content-type-options", "nosniff"), *headers)
    return StaticFile(body, gzip.compress(body, 9, mtime=0), f'W/"{tag}"', own)


def accepts_gzip(header: str) -> bool:
    """Say whether an Accept-Encoding header names gzip, and not with a weight of zero."""
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name == "gzip":
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, weight = parameter.partition("=")
    return name.strip() == "q" and not weight.strip().strip("0.")


def _names(header: str, etag: str) -> bool:
    """Say whether an If-None-Match header names *etag*, or any: a weak comparison."""
    tags = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
