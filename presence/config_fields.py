"""The kinds of settings: what each accepts, from a file and from the environment.

Nothing is coerced: a string is no number and `1` is no `true`. Each function
below declares one attribute of `Config` together with its default.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KIND: Final = "kind"
TEN_YEARS: Final = 10 * 365 * 86400.0

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._-]+(:[0-9]{1,5})?", re.ASCII)
_ORIGIN_V6 = re.compile(r"[a-z][a-z0-9+.-]*://\[[0-9a-f:.]+\](:[0-9]{1,5})?", re.ASCII)


class Unacceptable(ValueError):
    """A value that its setting does not take; the text continues "NAME ..."."""


@attrs.frozen
class Kind:
    """How one setting takes its value; both functions raise `Unacceptable`.

    `accept` checks a value as TOML gives it; `read` makes such a value of the
    text of an environment variable; `show` is the way back.
    """

    accept: Callable[[object], object]
    read: Callable[[str], object]
    show: Callable[[Any], object] = lambda value: value


def seconds(default: float, *, or_zero: bool = False) -> Any:
    """Declare a finite duration above zero; *or_zero*: 0 is allowed and switches it off."""

    def accept(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unacceptable("must be a number of seconds")
        if not math.isfinite(value) or value > TEN_YEARS:
            raise Unacceptable("must be finite and at most ten years")
        if value < 0 or (value == 0 and not or_zero):
            raise Unacceptable("must be 0 or more" if or_zero else "must be more than 0")
        return float(value)

    return _declare(default, Kind(accept, _read_number))


def whole(default: int, *, least: int = 0, most: int = 2**31 - 1) -> Any:
    """Declare a whole number from *least* to *most*."""
    return _declare(default, Kind(lambda value: _accept_whole(value, least, most), _read_whole))


def flag(default: bool | Callable[[Any], bool]) -> Any:
    """Declare a boolean; a function as default gets the Config, of which earlier fields are set."""

    def accept(value: object) -> bool:
        if not isinstance(value, bool):
            raise Unacceptable("must be true or false")
        return value

    factory = attrs.Factory(default, takes_self=True) if callable(default) else default
    return _declare(factory, Kind(accept, _read_flag))


def choice(default: str, *others: str) -> Any:
    """Declare one word of a few."""
    words = (default, *others)

    def accept(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Unacceptable("must be " + " or ".join(f'"{word}"' for word in words))
        return value

    return _declare(default, Kind(accept, str))


def host(default: str) -> Any:
    """Declare a name or address to bind to."""
    return _declare(default, Kind(_accept_plain_text, str))


def server_name(default: str) -> Any:
    """Declare a host name, with a port where need be, as it stands behind the colon of an id."""
    return _declare(default, Kind(_accept_server_name, str))


def word() -> Any:
    """Declare a text without blanks that is absent unless given."""
    return _declare(None, Kind(_accept_plain_text, str))


def location(default: str | None) -> Any:
    """Declare the path of a file or directory, relative to the working directory."""
    return _declare(Path(default) if default else None, Kind(_accept_path, str, _show_path))


def port_or_off(default: int) -> Any:
    """Declare a port, or "off"."""

    def accept(value: object) -> int | str:
        return "off" if value == "off" else _accept_whole(value, 0, 65535, 'or "off"')

    def read(text: str) -> object:
        return text if text == "off" else _read_whole(text)

    return _declare(default, Kind(accept, read))


def origins() -> Any:
    """Declare a list of web origins in the form that browsers send."""

    def accept(value: object) -> tuple[str, ...]:
        return tuple(_accept_origin(entry) for entry in _accept_list(value))

    return _declare((), Kind(accept, _read_list, list))


def networks() -> Any:
    """Declare a list of IP networks."""

    def accept(value: object) -> tuple[Network, ...]:
        return tuple(_accept_network(entry) for entry in _accept_list(value))

    return _declare((), Kind(accept, _read_list, lambda value: [str(entry) for entry in value]))


def _declare(default: object, kind: Kind) -> Any:
    return attrs.field(default=default, metadata={KIND: kind})


def _accept_whole(value: object, least: int, most: int, otherwise: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Unacceptable(f"must be a whole number from {least} to {most} {otherwise}".rstrip())
    return value


_SERVER_NAME = re.compile(r"[a-z0-9.-]{1,200}(:[0-9]{1,5})?", re.ASCII)


def _accept_server_name(value: object) -> str:
    if not isinstance(value, str) or not _SERVER_NAME.fullmatch(value):
        raise Unacceptable("must be a host name in lower case, with :port where need be")
    return value


def _accept_plain_text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable() or " " in value:
        raise Unacceptable("must be a text without blanks")
    return value


def _accept_path(value: object) -> Path:
    if not isinstance(value, str) or not value.strip():
        raise Unacceptable("must be a path")
    if not value.isprintable() or value.startswith("-----BEGIN"):
        raise Unacceptable("must be the path of a file, not what is in it")
    return Path(value)


def _show_path(value: Path | None) -> object:
    return None if value is None else str(value)


def _accept_list(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise Unacceptable("must be a list of texts")
    return value


def _accept_origin(entry: str) -> str:
    if not _ORIGIN.fullmatch(entry) and not _ORIGIN_V6.fullmatch(entry):
        raise Unacceptable(
            f"holds {entry!r}: an origin is lower case without a path,"
            ' such as "https://chat.example.org"'
        )
    return entry


def _accept_network(entry: str) -> Network:
    try:
        return ipaddress.ip_network(entry)
    except ValueError as problem:
        raise Unacceptable(f"holds no network: {problem}") from problem


def _read_whole(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):  # int() alone takes `1_000`, ` 7 ` and full-width digits
        raise Unacceptable("must be a whole number")
    return int(text)


def _read_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise Unacceptable("must be a number of seconds")
    return float(text)


def _read_flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Unacceptable("must be true or false")
    return text == "true"


def _read_list(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",")] if text.strip() else []
