"""The data directory's secret: the file whose text signs and verifies our own tokens."""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

import attrs

from presence.errors import DataUnusable

FILE_NAME: Final = "secret.key"
_LEAST_BYTES: Final = 16
_MADE_OF_BYTES: Final = 32


@attrs.frozen
class Secret:
    """The key itself, never shown; `is_exposed` where others may read its file."""

    key: bytes = attrs.field(repr=False)
    path: Path
    is_exposed: bool


def open_secret(data: Path) -> Secret:
    """Read the secret of the directory *data*; make both where they are missing.

    Several processes may do so at once: all get the same key. Raises
    `DataUnusable`.
    """
    path = data / FILE_NAME
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
    except OSError as error:
        raise DataUnusable(f"{path} cannot be made: {error.strerror}") from error
    return read_secret(data)


def read_secret(data: Path) -> Secret:
    """Read the secret of the directory *data*, or raise `DataUnusable`."""
    path = data / FILE_NAME
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read().strip()
    except FileNotFoundError as error:
        raise DataUnusable(f"{path} is missing: `presence serve` makes it") from error
    except OSError as error:
        raise DataUnusable(f"{path} cannot be read: {error.strerror}") from error
    if len(key) < _LEAST_BYTES:
        raise DataUnusable(f"{path} holds no key of at least {_LEAST_BYTES} characters")
    return Secret(key, path, is_exposed=bool(mode & (stat.S_IRGRP | stat.S_IROTH)))


def _make(path: Path) -> None:
    """Put a new key at *path* whole, unless somebody else just did."""
    draft = path.with_name(f".{FILE_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_MADE_OF_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, it replaces nothing
    finally:
        draft.unlink()
