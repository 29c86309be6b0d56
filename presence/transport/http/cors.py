"""Which web pages may talk to this server. Pure.

Browsers send `Origin`; programs do not. A program that forges it could as well leave it out.
"""

from collections.abc import Collection, Mapping
from ipaddress import AddressValueError, IPv4Address

import attrs

from presence.transport.http.request import Headers, Request

CORS_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
CORS_HEADERS = "authorization, content-type"
CORS_EXPOSED = "retry-after, presence-persisted, link"
CORS_AGE = "600"


@attrs.frozen
class OriginRules:
    """The origins of the settings, and whether this is development mode."""

    origins: Collection[str] = ()
    is_development: bool = False

    def refusal(self, request: Request, *, is_public: bool = False) -> str | None:
        """Return why the request must be refused with 403, None if it may pass.

        *is_public*: pages of any origin may ask; the host must be right all the same.
        """
        if self.is_development and not is_loopback_host(request.host):
            return "in development mode the host must be this machine"
        origin = request.headers.get("origin")
        if origin is not None and not is_public and not self.allows(origin, request.host):
            return "origin not allowed"
        return None

    def allows(self, origin: str, host: str) -> bool:
        """Say whether *origin* is exactly the own *host*, by http or https, or a listed one.

        Several origins reach us joined by a comma and equal none.
        """
        if origin in self.origins:
            return origin != "null"
        scheme, separator, origin_host = origin.partition("://")
        return bool(separator and host) and scheme in ("http", "https") and origin_host == host

    def cors_headers(self, headers: Mapping[str, str]) -> Headers:
        """Headers that let an allowed page read the answer to a request with *headers*.

        None where no page asks.
        """
        origin = headers.get("origin")
        if origin is None or not self.allows(origin, headers.get("host", "")):
            return ()
        return (
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", CORS_EXPOSED),
            ("vary", "Origin"),
        )


PUBLIC_CORS: Headers = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", CORS_EXPOSED),
)
"""For routes that any page may read: they know nobody by a cookie."""

PREFLIGHT: Headers = (
    ("access-control-allow-methods", CORS_METHODS),
    ("access-control-allow-headers", CORS_HEADERS),
    ("access-control-max-age", CORS_AGE),
)


def is_loopback_host(host: str) -> bool:
    """Say whether a Host header names this machine: localhost, 127.0.0.0/8 or [::1]."""
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        return name + bracket == "[::1]" and _is_port(port)
    name, colon, port = host.partition(":")
    if not _is_port(colon + port):
        return False
    if name.lower() == "localhost":
        return True
    try:
        return IPv4Address(name).is_loopback
    except AddressValueError:
        return False


def _is_port(text: str) -> bool:
    digits = text[1:]
    return not text or (text[0] == ":" and digits.isascii() and digits.isdigit())
