"""The claims of a verified token."""

from collections.abc import Callable

from presence.core.types import DeviceId, ServerId, UserId
from presence.core.value import value


@value
class Claims:
    """The claims of a token whose signature and times were found good.

    Times are Unix times; `issued_at` is 0 where the token does not say.
    `servers` is None where the token has no such claim (memberships stay as
    they are), and empty where it lists none (those made by claims go). `name`
    is a clean username, or None where the token brings no usable one.
    """

    user_id: UserId
    expires_at: float
    issued_at: float = 0.0
    device: DeviceId | None = None
    servers: tuple[ServerId, ...] | None = None
    name: str | None = None
    is_admin: bool = False


Verify = Callable[[str, float], Claims]
"""Verifies a token at a Unix time; raises `presence.errors.TokenRefused`."""
