"""Authentication: tokens, revocations, development users, and how often they may ask."""

import math
from collections.abc import Callable

from presence.core.ids import parse_user_id
from presence.core.types import Moment, ServerId, UserId
from presence.errors import InvalidInput, TokenProblem, TokenRefused
from presence.live.claims import Claims, Verify
from presence.transport.admission import RequestRates
from presence.transport.http.request import CLOSE, Headers, HttpError, Request, retry_after

CHALLENGE = (("www-authenticate", "Bearer"),)
NO_TOKEN = "a token is needed"


class Authentication:
    """Reads the claims of a token; shared by all routes, gateways and ports.

    Users without a token, in development mode, claim the *development_servers*;
    None: they claim no servers.
    """

    def __init__(
        self,
        verify: Verify,
        is_revoked: Callable[[Claims], bool],
        rates: RequestRates,
        now: Callable[[], Moment],
        *,
        is_development: bool,
        on_refused: Callable[[TokenProblem], None],
        development_servers: tuple[ServerId, ...] | None = None,
    ) -> None:
        self._verify = verify
        self._is_revoked = is_revoked
        self._rates = rates
        self._now = now
        self._is_development = is_development
        self._on_refused = on_refused
        self._development_servers = development_servers

    def claims_of(self, request: Request, token: str | None = None) -> Claims:
        """The claims of the request's token, *token* or the bearer's.

        Raises 401 otherwise. Its cause is a `TokenRefused`: without a token, `MISSING`.
        """
        token = token or bearer_of(request)
        if token is None and self._is_development and "user" in request.query:
            return self._development_user(request.query["user"])
        try:
            return self.of_named_user(None) if token is None else self.of_token(token)
        except TokenRefused as refusal:
            problem = NO_TOKEN if refusal.reason is TokenProblem.MISSING else str(refusal)
            raise HttpError(401, problem, CHALLENGE, refusal) from refusal

    def of_token(self, token: str) -> Claims:
        """The claims of *token*; a refusal is counted and raises `TokenRefused`."""
        try:
            claims = self._verify(token, self._now().wall)
            if self._is_revoked(claims):
                raise TokenRefused(TokenProblem.REVOKED)
        except TokenRefused as refusal:
            self._on_refused(refusal.reason)
            raise
        return claims

    def of_named_user(self, user_id: UserId | None) -> Claims:
        """The claims of a client that sends no token but may name its *user_id*.

        Accepted in development mode only; otherwise counted, and raises `TokenRefused`.
        """
        if user_id is None or not self._is_development:
            self._on_refused(TokenProblem.MISSING)
            raise TokenRefused(TokenProblem.MISSING)
        return self._development_claims(user_id)

    def of_request(self, request: Request, token: str | None = None) -> Claims:
        """As `claims_of`, counted against the request rate of the user or the address."""
        try:
            claims = self.claims_of(request, token)
        except HttpError:
            self.count_refused(request.peer)
            raise
        if not claims.is_admin:
            self._require_room(self._rates.take(("user", claims.user_id), self._now().mono))
        return claims

    def count_refused(self, peer: str) -> None:
        """Count a request that is refused before its sender is known.

        Above the rate of its address raises 429, which ends the connection.
        """
        self._require_room(self._rates.take_of_address(peer, self._now().mono), CLOSE)

    def of_administrator(self, request: Request) -> Claims:
        """As `of_request`; raises 403 unless the token is an administrator's."""
        claims = self.of_request(request)
        if not claims.is_admin:
            raise HttpError(403, "an admin token is needed")
        return claims

    def _require_room(self, wait: float | None, headers: Headers = ()) -> None:
        if wait is not None:
            raise HttpError(429, "too many requests", retry_after(wait) + headers)

    def _development_user(self, raw: str) -> Claims:
        try:
            user_id = parse_user_id(raw, "user")
        except InvalidInput as refusal:
            raise HttpError(401, str(refusal), CHALLENGE, refusal) from refusal
        return self._development_claims(user_id)

    def _development_claims(self, user_id: UserId) -> Claims:
        return Claims(
            user_id,
            expires_at=math.inf,
            issued_at=self._now().wall,
            servers=self._development_servers,
        )


def bearer_of(request: Request) -> str | None:
    """The token of the Authorization header, if it is a bearer's."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
