"""The head of a request: its headers and its query as mappings, and what is refused of them."""

import re
from urllib.parse import parse_qsl

import h11

from presence.net.limits import NetLimits
from presence.net.request import HttpError

MAX_QUERY_FIELDS = 50

_HOST = re.compile(r"[A-Za-z0-9._~\[\]:-]*")


def join_headers(head: h11.Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def check_head(head: h11.Request, headers: dict[str, str], limits: NetLimits) -> None:
    """Refuse heads over a limit, and those that a proxy in front could read differently."""
    size = len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers)
    if size > limits.max_head_bytes:
        raise HttpError(431, "request head too large")
    if head.http_version not in (b"1.0", b"1.1"):
        raise HttpError(505, "only HTTP/1.1 is spoken here")
    if head.method == b"CONNECT" or not head.target.startswith(b"/") or b"#" in head.target:
        raise HttpError(400, "malformed request target")
    if not _HOST.fullmatch(headers.get("host", "")):
        raise HttpError(400, "malformed host")
    if "transfer-encoding" in headers:
        if "content-length" in headers or head.http_version == b"1.0":
            raise HttpError(400, "the length of the body is ambiguous")
    elif limits.max_body_bytes and int(headers.get("content-length", 0)) > limits.max_body_bytes:
        raise HttpError(413, "body too large")


def parse_query(query: str) -> dict[str, str]:
    """Decode a query strictly; no name may come twice."""
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError:
        raise HttpError(400, "the query is not UTF-8 or has too many fields") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise HttpError(400, "a name comes twice in the query")
    return fields
