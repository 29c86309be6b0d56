"""The head of a request: its target, headers and query, and the heads that are refused."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

import attrs
import h11

from presence.transport.http.request import HttpError
from presence.transport.limits import NetLimits

MAX_QUERY_FIELDS = 50

_HOST = re.compile(r"[A-Za-z0-9._~\[\]:-]*")
_ABSOLUTE = re.compile(r"https?://([^/?]+)(.*)", re.IGNORECASE | re.DOTALL)


@attrs.frozen
class Target:
    """The target of a request; `host` only where the target itself names it.

    `path` is `*` for a question about the whole server.
    """

    path: str
    query: str = ""
    host: str | None = None


def parse_target(head: h11.Request) -> Target:
    """Read the target in any form that a server must accept (RFC 9112, 3.2), or refuse with 400."""
    target = head.target.decode("ascii")
    if target == "*" and head.method == b"OPTIONS":
        return Target("*")
    host = None
    if absolute := _ABSOLUTE.fullmatch(target):
        host, target = absolute[1], absolute[2]
        target = target if target.startswith("/") else f"/{target}"
    if head.method == b"CONNECT" or not target.startswith("/") or "#" in target:
        raise HttpError(400, "malformed request target")
    path, _, query = target.partition("?")
    return Target(path, query, host)


def join_headers(head: h11.Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def check_head(head: h11.Request, headers: Mapping[str, str], limits: NetLimits) -> None:
    """Refuse heads over a limit, and those that a proxy in front could read differently."""
    size = len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers)
    if size > limits.max_head_bytes:
        raise HttpError(431, "request head too large")
    if head.http_version not in (b"1.0", b"1.1"):
        raise HttpError(505, "only HTTP/1.1 is spoken here")
    if not _HOST.fullmatch(headers.get("host", "")):
        raise HttpError(400, "malformed host")
    is_chunked = "transfer-encoding" in headers
    if is_chunked and ("content-length" in headers or head.http_version == b"1.0"):
        raise HttpError(400, "the length of the body is ambiguous")


class Query(Mapping[str, str]):
    """The fields of a query. One that is asked for may stand there once only.

    Fields that nobody asks for may repeat: they are not ours to judge.
    """

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._fields = dict(pairs)
        names = [name for name, _ in pairs]
        self._repeated = {name for name in self._fields if names.count(name) > 1}

    def __getitem__(self, name: str) -> str:
        if name in self._repeated:
            raise HttpError(400, f"{name} comes twice in the query")
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def parse_query(query: str) -> Query:
    """Decode a query strictly, or refuse it with 400."""
    try:
        return Query(
            parse_qsl(
                query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
            )
        )
    except ValueError:
        raise HttpError(400, "the query is not UTF-8 or has too many fields") from None
