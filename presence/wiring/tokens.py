"""The tokens that this server issues itself."""

from collections.abc import Callable

from presence.adapters.tokens import issue_token
from presence.core.types import DeviceId, ServerId
from presence.dialects.together.rest import DevToken
from presence.frontends.matrix.client_api import Sign
from presence.live.claims import Claims
from presence.live.clock import Clock

DEVELOPMENT_TTL = 24 * 3600.0

IssueToken = Callable[[DevToken], str]


def build_issuer(
    key: bytes, clock: Clock, default_servers: tuple[ServerId, ...] | None
) -> IssueToken:
    """Issues development tokens; one that names no servers claims the *default_servers*."""

    def issue(wanted: DevToken) -> str:
        servers = default_servers if wanted.servers is None else wanted.servers
        now = clock.now().wall
        return issue_token(key, wanted.user, now=now, ttl=DEVELOPMENT_TTL, servers=servers)

    return issue


def build_signer(key: bytes, clock: Clock, ttl: float) -> Sign:
    """Signs access tokens of Matrix; what the login's token claimed holds on."""

    def sign(claims: Claims, device: DeviceId) -> str:
        return issue_token(
            key,
            claims.user_id,
            now=clock.now().wall,
            ttl=ttl,
            servers=claims.servers,
            device=device,
            name=claims.name,
        )

    return sign
