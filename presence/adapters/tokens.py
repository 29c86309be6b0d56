"""Tokens (JWT): issued with the data directory's secret, verified with it and issuers' keys."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import jwt
import orjson

from presence.adapters.issuer_keys import IssuerKey
from presence.core.ids import parse_device_id, parse_server_id, parse_user_id
from presence.core.text import clean_username
from presence.core.types import DeviceId, ServerId, UserId
from presence.errors import InvalidInput, TokenProblem, TokenRefused
from presence.live.claims import Claims

OWN_ISSUER: Final = "presence"
OWN_ALGORITHM: Final = "HS256"
OWN_ADMIN_CLAIM: Final = "admin"
ANY_AUDIENCE: Final = "any"
MAX_TOKEN_BYTES: Final = 8192
MAX_SERVERS: Final = 1000
SKEW: Final = 30.0
MOST_OPENED: Final = 10_000
"""Tokens of which the signature need not be checked again, the latest ones."""
_LATEST: Final = 2.0**53

_jws = jwt.PyJWS(algorithms=[OWN_ALGORITHM, "RS256", "EdDSA"])


def issue_token(
    secret: bytes,
    user: str,
    *,
    now: float,
    ttl: float,
    servers: Sequence[str] | None = None,
    device: str | None = None,
    name: str | None = None,
    is_admin: bool = False,
) -> str:
    """Sign a token for *user* that ends *ttl* seconds after *now* (Unix time).

    *servers* of None leaves the user's memberships as they are. Raises
    `InvalidInput` where an id is not valid.
    """
    # Milliseconds: a token made in the second of a revocation, but after it, must hold.
    claims: dict[str, object] = {
        "iss": OWN_ISSUER,
        "sub": parse_user_id(user, "user"),
        "iat": round(now, 3),
        "exp": round(now + ttl, 3),
    }
    if servers is not None:
        claims["servers"] = [parse_server_id(server, "server") for server in servers]
    if device is not None:
        claims["device"] = parse_device_id(device)
    if name is not None:
        claims["name"] = name
    if is_admin:
        claims[OWN_ADMIN_CLAIM] = True
    return jwt.encode(claims, secret, algorithm=OWN_ALGORITHM)


@attrs.frozen
class ForeignIssuer:
    """An issuer beside us: its keys, what its tokens must say, and what they may claim.

    A token must name *audience* in `aud` unless that is `ANY_AUDIENCE`, and
    *issuer* in `iss` unless that is None. *admin_claim* is the claim that makes
    an administrator where it is true; None: none does, whatever it is called.
    """

    keys: tuple[IssuerKey, ...]
    audience: str
    issuer: str | None = None
    admin_claim: str | None = None

    def check(self, raw: Mapping[str, object]) -> None:
        """Raise `TokenRefused` where a token with the claims *raw* is not meant for us."""
        if self.issuer is not None and raw.get("iss") != self.issuer:
            raise TokenRefused(TokenProblem.WRONG_ISSUER)
        if self.audience != ANY_AUDIENCE and self.audience not in _read_audience(raw):
            raise TokenRefused(TokenProblem.WRONG_AUDIENCE)


@attrs.frozen
class _Opened:
    """A token that was found good, and from when on it is."""

    claims: Claims
    starts_at: float


class TokenVerifier:
    """Tells whether a token lets somebody in, and whom.

    Tokens of our own are always accepted. Beside a *foreign* issuer, those
    signed with *secret* must name us as their issuer.
    """

    def __init__(self, secret: bytes, foreign: ForeignIssuer | None = None) -> None:
        self._foreign = foreign
        self._own_key = IssuerKey(OWN_ALGORITHM, None, secret)
        self._opened: dict[bytes, _Opened] = {}
        """Tokens that were found good, by their digest; the times are looked at each time."""

    def verify(self, token: str, now: float) -> Claims:
        """Return what *token* claims at the Unix time *now*, or raise `TokenRefused`."""
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRefused(TokenProblem.TOO_LONG)
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        opened = self._opened.get(digest)
        if opened is None:
            opened = self._check(token, now)
            self._keep(digest, opened)
        _check_times(opened.claims.expires_at, opened.starts_at, now)
        return opened.claims

    def _keep(self, digest: bytes, opened: "_Opened") -> None:
        if len(self._opened) >= MOST_OPENED:
            del self._opened[next(iter(self._opened))]
        self._opened[digest] = opened

    def _check(self, token: str, now: float) -> "_Opened":
        """Check signature, issuer and claims; raises `TokenRefused`."""
        try:
            raw, issuer = self._open(token)
        except jwt.InvalidSignatureError as error:
            raise TokenRefused(TokenProblem.WRONG_SIGNATURE) from error
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenRefused(TokenProblem.MALFORMED) from error
        is_admin = self._judge(raw, issuer)
        expires_at = _read_time(raw, "exp", default=None)
        starts_at = max(_read_time(raw, "nbf", default=0.0), _read_time(raw, "iat", default=0.0))
        _check_times(expires_at, starts_at, now)
        return _Opened(_read_claims(raw, is_admin=is_admin), starts_at)

    def _open(self, token: str) -> tuple[Mapping[str, object], ForeignIssuer | None]:
        """Check the signature; return the claims, and the issuer: None is our own secret.

        Only our own key has our algorithm. May raise what PyJWT raises.
        """
        header = jwt.get_unverified_header(token)
        issuer = None if header.get("alg") == OWN_ALGORITHM else self._foreign
        keys = (self._own_key,) if issuer is None else issuer.keys
        candidates = _find_keys(keys, header)
        if not candidates:
            raise TokenRefused(TokenProblem.WRONG_ALGORITHM)
        raw = orjson.loads(_open_with_any(candidates, token))
        if not isinstance(raw, dict):
            raise TokenRefused(TokenProblem.MALFORMED)
        return raw, issuer

    def _judge(self, raw: Mapping[str, object], issuer: ForeignIssuer | None) -> bool:
        """Refuse claims that are not meant for us; return whether they make an administrator."""
        if issuer is not None:
            issuer.check(raw)
            claim = issuer.admin_claim
            return claim is not None and raw.get(claim) is True
        is_own = raw.get("iss") == OWN_ISSUER
        if self._foreign is not None and not is_own:
            raise TokenRefused(TokenProblem.WRONG_ISSUER)
        is_admin = raw.get(OWN_ADMIN_CLAIM, False)
        if not isinstance(is_admin, bool):
            raise TokenRefused(TokenProblem.UNUSABLE_CLAIM)
        return is_own and is_admin


def _find_keys(keys: Sequence[IssuerKey], header: Mapping[str, object]) -> list[IssuerKey]:
    """Those of *keys* that may have signed it: a key fixes its algorithm, never the token."""
    fitting = [key for key in keys if key.algorithm == header.get("alg")]
    named = [key for key in fitting if key.id is not None and key.id == header.get("kid")]
    return named or fitting


def _open_with_any(keys: Sequence[IssuerKey], token: str) -> bytes:
    for key in keys[:-1]:
        try:
            return _open_with(key, token)
        except jwt.InvalidSignatureError:
            continue
    return _open_with(keys[-1], token)


def _open_with(key: IssuerKey, token: str) -> bytes:
    opened = _jws.decode_complete(token, key.key, algorithms=[key.algorithm])
    payload: bytes = opened["payload"]
    return payload


def _check_times(expires_at: float, starts_at: float, now: float) -> None:
    if expires_at <= now:
        raise TokenRefused(TokenProblem.EXPIRED)
    if starts_at > now + SKEW:
        raise TokenRefused(TokenProblem.NOT_YET_VALID)


def _read_time(raw: Mapping[str, object], claim: str, *, default: float | None) -> float:
    value = raw.get(claim, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(TokenProblem.UNUSABLE_TIME)
    if not 0 <= value < _LATEST:
        raise TokenRefused(TokenProblem.UNUSABLE_TIME)
    return float(value)


def _read_audience(raw: Mapping[str, object]) -> Sequence[object]:
    """RFC 7519: one audience, or a list of them."""
    audience = raw.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _read_claims(raw: Mapping[str, object], *, is_admin: bool) -> Claims:
    if raw.get("token_type") == "refresh":
        raise TokenRefused(TokenProblem.REFRESH_TOKEN)
    return Claims(
        user_id=_read_user(raw),
        expires_at=_read_time(raw, "exp", default=None),
        issued_at=_read_time(raw, "iat", default=0.0),
        device=_read_device(raw),
        servers=_read_servers(raw),
        name=_read_name(raw),
        is_admin=is_admin,
    )


def _read_user(raw: Mapping[str, object]) -> UserId:
    try:
        return parse_user_id(_text_of(raw.get("sub", raw.get("uid"))))
    except InvalidInput as error:
        raise TokenRefused(TokenProblem.NO_USER) from error


def _read_device(raw: Mapping[str, object]) -> DeviceId | None:
    device = raw.get("device")
    try:
        return None if device is None else parse_device_id(_text_of(device))
    except InvalidInput as error:
        raise TokenRefused(TokenProblem.UNUSABLE_CLAIM) from error


def _read_servers(raw: Mapping[str, object]) -> tuple[ServerId, ...] | None:
    servers = raw.get("servers", raw.get("channelIds"))
    if servers is None:
        return None
    if not isinstance(servers, list) or len(servers) > MAX_SERVERS:
        raise TokenRefused(TokenProblem.UNUSABLE_CLAIM)
    try:
        # A dict keeps the order and drops what stands there twice.
        return tuple(dict.fromkeys(parse_server_id(_text_of(server)) for server in servers))
    except InvalidInput as error:
        raise TokenRefused(TokenProblem.UNUSABLE_CLAIM) from error


def _text_of(value: object) -> object:
    """VoicePing's ids may be whole numbers; everything else stays what it is."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return str(value) if is_number else value


def _read_name(raw: Mapping[str, object]) -> str | None:
    """A name that is not usable locks nobody out: the user keeps the former one."""
    try:
        return clean_username(raw.get("name"))
    except InvalidInput:
        return None
