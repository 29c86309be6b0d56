"""Every setting of the server, read from a file, the environment and flags."""

import difflib
import ipaddress
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import attrs

from presence import config_fields as kinds
from presence.core.rule_settings import LONGEST_LEASE, Rules
from presence.errors import BadConfig
from presence.frontends.socket_times import SocketTimes
from presence.transport.limits import NetLimits

VARIABLE_PREFIX: Final = "PRESENCE_"
CLIENT_VARIABLES: Final = frozenset({"PRESENCE_URL", "PRESENCE_TOKEN", "PRESENCE_USER"})
"""Variables of the client commands, which are no settings."""

FOREIGN_KEYS: Final = ("token_public_key", "token_jwks")
FOREIGN_DEMANDS: Final = ("token_audience", "token_issuer", "token_admin_claim")

RULES: Final = Rules()
LIMITS: Final = NetLimits()
TIMES: Final = SocketTimes()
"""Values of which the settings of the same names take their defaults."""

_Part = TypeVar("_Part", bound=attrs.AttrsInstance)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener bound to *host*."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@attrs.frozen
class Config:
    """The settings, complete and consistent; times in seconds, a limit of 0 is switched off.

    Raises `BadConfig` where two settings are at odds.
    """

    # Where
    host: str = kinds.host("127.0.0.1")
    port: int = kinds.whole(8080, most=65535)
    pipe_port: int | str = kinds.port_or_off(7070)
    data: Path = kinds.location("presence-data")  # noqa: RUF009  # a field
    is_development: bool = kinds.flag(lambda config: is_loopback(config.host))
    log_format: str = kinds.choice("auto", "json", "console")
    log_level: str = kinds.choice("info", "debug", "warning", "error")
    # Tokens, origins, proxies
    token_public_key: Path | None = kinds.location(None)  # noqa: RUF009  # a field
    token_jwks: Path | None = kinds.location(None)  # noqa: RUF009  # a field
    token_audience: str | None = kinds.word()
    token_issuer: str | None = kinds.word()
    token_admin_claim: str | None = kinds.word()
    origins: tuple[str, ...] = kinds.origins()
    trusted_proxies: tuple[kinds.Network, ...] = kinds.networks()
    # Behaviour
    everyone_server: bool = kinds.flag(True)
    single_login: bool = kinds.flag(False)
    large_threshold: int = kinds.whole(250, least=1)
    matrix_server_name: str = kinds.server_name("localhost")
    # Times
    sweep_every: float = kinds.seconds(RULES.sweep_every)
    ping_expires_after: float = kinds.seconds(RULES.ping_expires_after)
    grace_after: float = kinds.seconds(RULES.grace_after, or_zero=True)
    poll_grace_after: float = kinds.seconds(RULES.poll_grace_after, or_zero=True)
    lease_after: float = kinds.seconds(RULES.lease_after)
    restart_grace_after: float = kinds.seconds(RULES.restart_grace_after, or_zero=True)
    socket_ping_every: float = kinds.seconds(TIMES.ping_every)
    socket_lost_after: float = kinds.seconds(TIMES.lost_after)
    matrix_token_after: float = kinds.seconds(7 * 24 * 3600.0)
    handshake_after: float = kinds.seconds(LIMITS.handshake_after)
    write_blocked_after: float = kinds.seconds(LIMITS.write_blocked_after)
    # Limits
    max_frames_per_second: int = kinds.whole(LIMITS.max_frames_per_second)
    max_presence_changes: int = kinds.whole(RULES.max_presence_changes)
    presence_window: float = kinds.seconds(RULES.presence_window)
    max_connections_per_address: int = kinds.whole(LIMITS.max_connections_per_address)
    max_connections_per_user: int = kinds.whole(20)
    max_devices_per_user: int = kinds.whole(RULES.max_devices_per_user)
    max_requests_per_second: int = kinds.whole(10)
    max_frame_bytes: int = kinds.whole(LIMITS.max_frame_bytes)

    @property
    def rules(self) -> Rules:
        """The settings that the rules of one user depend on."""
        return self._part(Rules)

    @property
    def limits(self) -> NetLimits:
        """The settings that the transport depends on."""
        return self._part(NetLimits)

    @property
    def times(self) -> SocketTimes:
        """The settings by which a silent socket is lost."""
        return self._part(SocketTimes, "socket_")

    def _part(self, part: type[_Part], prefix: str = "") -> _Part:
        """Make *part* of the settings that are called as its fields, with *prefix* before them."""
        settings = {field.name: prefix + field.name for field in attrs.fields(part)}
        own = {field.name for field in attrs.fields(type(self))}
        return part(**{to: getattr(self, key) for to, key in settings.items() if key in own})

    def __attrs_post_init__(self) -> None:
        if self.socket_lost_after <= self.socket_ping_every:
            raise BadConfig("socket_lost_after must be longer than socket_ping_every")
        if self.lease_after > LONGEST_LEASE:
            longest = f"{LONGEST_LEASE:.0f} ({LONGEST_LEASE / 3600:.0f} hours)"
            raise BadConfig(f"lease_after must be at most {longest}")
        if self.port == self.pipe_port != 0:
            raise BadConfig("pipe_port must be another one than port")
        if self.is_development and not is_loopback(self.host):
            raise BadConfig(
                f"host {self.host} lets other machines in, and in development mode anybody may"
                " be any user: switch that off (--no-dev) and give each user a token"
                " (presence token USER), or bind to 127.0.0.1"
            )
        self._check_tokens()

    def _check_tokens(self) -> None:
        """Keys of others need an audience; an audience, issuer or claim needs such keys."""
        keys = [name for name in FOREIGN_KEYS if getattr(self, name) is not None]
        demands = [name for name in FOREIGN_DEMANDS if getattr(self, name) is not None]
        if keys and self.token_audience is None:
            raise BadConfig(
                f"{keys[0]} lets in tokens that others sign: set token_audience to the name that"
                ' they carry in "aud" for this server, or to "any" to accept those meant for'
                " other applications too"
            )
        if demands and not keys:
            raise BadConfig(
                f"{demands[0]} is about tokens that others sign: set token_public_key or"
                f" token_jwks to their keys, or leave {demands[0]} out"
            )


def load_config(
    file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> Config:
    """Read the settings: *flags* over `PRESENCE_*` variables over *file* over the defaults.

    A flag of None was not given. Raises `BadConfig` naming the setting.
    """
    values: dict[str, object] = {}
    if file is not None:
        values |= _accept_all(_read_file(file), f"{file}: ")
    values |= _read_environment(environ)
    values |= _accept_all({key: value for key, value in flags.items() if value is not None}, "")
    return Config(**values)  # type: ignore[arg-type]  # each was accepted by its kind


def find_unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each `PRESENCE_` variable that is no setting."""
    return [
        f"{name} is not a setting and is ignored{_suggest(name, map(_variable_of, _KINDS))}"
        for name in sorted(environ)
        if name.startswith(VARIABLE_PREFIX)
        and name not in CLIENT_VARIABLES
        and name not in map(_variable_of, _KINDS)
    ]


def print_config(config: Config) -> str:
    """Return *config* as the text of a settings file.

    It holds no secret: of a key only the path of its file is a setting.
    """
    shown = {key: kind.show(getattr(config, key)) for key, kind in _KINDS.items()}
    # Texts, numbers, lists and booleans are written alike in JSON and TOML.
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in shown.items()
        if value is not None
    )


_KINDS: Final[Mapping[str, kinds.Kind]] = {
    field.name: field.metadata[kinds.KIND] for field in attrs.fields(Config)
}


def _read_file(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadConfig(f"{file} is not a text in UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(f"{file} is not valid TOML: {error}") from error


def _read_environment(environ: Mapping[str, str]) -> dict[str, object]:
    read: dict[str, object] = {}
    for key, kind in _KINDS.items():
        name = _variable_of(key)
        if name in environ:
            try:
                read[key] = kind.accept(kind.read(environ[name]))
            except kinds.Unacceptable as problem:
                raise BadConfig(f"{name} {problem}") from problem
    return read


def _accept_all(raw: Mapping[str, object], where: str) -> dict[str, object]:
    accepted: dict[str, object] = {}
    for key, value in raw.items():
        if key not in _KINDS:
            raise BadConfig(f"{where}{key!r} is not a setting{_suggest(key, _KINDS)}")
        try:
            accepted[key] = _KINDS[key].accept(value)
        except kinds.Unacceptable as problem:
            raise BadConfig(f"{where}{key} {problem}") from problem
    return accepted


def _variable_of(key: str) -> str:
    return VARIABLE_PREFIX + key.upper()


def _suggest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
