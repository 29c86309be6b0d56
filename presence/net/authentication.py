"""Who is asking: tokens, revocations, development users, and how often they may ask."""

import math
from collections.abc import Callable

from presence.core.identity import parse_user_id
from presence.errors import Refused, TokenRefused
from presence.live.claims import Claims, Verify
from presence.live.clock import Clock
from presence.net.admission import RequestRates, address_group
from presence.net.request import HttpError, Request

CHALLENGE = (("www-authenticate", "Bearer"),)


class Authentication:
    """Reads the claims of a request; the same for REST and for upgrades."""

    def __init__(
        self,
        verify: Verify,
        is_revoked: Callable[[Claims], bool],
        rates: RequestRates,
        clock: Clock,
        *,
        is_development: bool,
        on_refused: Callable[[str], None],
    ) -> None:
        self._verify = verify
        self._is_revoked = is_revoked
        self._rates = rates
        self._clock = clock
        self._is_development = is_development
        self._on_refused = on_refused

    def claims_of(self, request: Request, token: str | None = None) -> Claims:
        """The claims of the request's token, *token* or the bearer's; else raises 401."""
        token = token or bearer_of(request)
        now = self._clock.now().wall
        if token is None and self._is_development and "user" in request.query:
            return self._development_user(request.query["user"], now)
        if token is None:
            self._on_refused("missing")
            raise HttpError(401, "a token is needed", CHALLENGE)
        try:
            claims = self._verify(token, now)
            if self._is_revoked(claims):
                raise TokenRefused("revoked")
        except TokenRefused as refusal:
            self._on_refused(refusal.reason)
            raise HttpError(401, str(refusal), CHALLENGE) from refusal
        return claims

    def of_request(self, request: Request) -> Claims:
        """As `claims_of`, counted against the request rate of the user or the address."""
        try:
            claims = self.claims_of(request)
        except HttpError:
            self._count(("address", address_group(request.peer)))
            raise
        if not claims.is_admin:
            self._count(("user", claims.user_id))
        return claims

    def of_administrator(self, request: Request) -> Claims:
        """As `of_request`; raises 403 for anybody but an administrator."""
        claims = self.of_request(request)
        if not claims.is_admin:
            raise HttpError(403, "an admin token is needed")
        return claims

    def _count(self, key: tuple[str, str]) -> None:
        wait = self._rates.take(key, self._clock.now().mono)
        if wait is not None:
            raise HttpError(429, "too many requests", retry_after(wait))

    def _development_user(self, raw: str, now: float) -> Claims:
        try:
            user_id = parse_user_id(raw, "user")
        except Refused as refusal:
            raise HttpError(401, str(refusal), CHALLENGE) from refusal
        return Claims(user_id, expires_at=math.inf, issued_at=now)


def bearer_of(request: Request) -> str | None:
    """The token of the Authorization header, if it is a bearer's."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def retry_after(seconds: float) -> tuple[tuple[str, str], ...]:
    """The header that says when to come back: whole seconds, at least one."""
    return (("retry-after", str(max(1, math.ceil(seconds)))),)
