"""A login: where a user is whom, and the file that remembers it between commands.

The file holds a token, so its owner alone may read it. A token belongs to the
server that it was given for: whoever uses a login asks `is_for` first.
"""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from cattrs import BaseValidationError, Converter

from presence.client.rest import RequestFailed, RestClient, is_web_address
from presence.errors import PresenceError

FILE_NAME: Final = "login.json"
_PORTS: Final = {"http": 80, "https": 443}


class LoginUnusable(PresenceError):
    """The file of the login cannot be read, understood or written; the text is a sentence."""


@attrs.frozen
class Login:
    """A server, and either a token or a user of a development server.

    Raises `ValueError` for anything else.
    """

    url: str
    token: str | None = attrs.field(default=None, repr=False)
    user: str | None = None

    def __attrs_post_init__(self) -> None:
        if not is_web_address(self.url):
            raise ValueError("url is no address of a server")
        if bool(self.token) is bool(self.user):
            raise ValueError("either a token or a user is needed")

    def is_for(self, url: str) -> bool:
        """Whether *url* is that of the same server."""
        return is_web_address(url) and _place_of(url) == _place_of(self.url)

    async def open_client(self) -> RestClient:
        """A client that has a token; raises `RequestFailed`."""
        if self.user is None:
            return RestClient(self.url, self.token)
        return RestClient(self.url, await RestClient(self.url).get_dev_token(self.user))

    async def find_user(self) -> str:
        """Ask the server who this is: the user's id. Raises `RequestFailed`."""
        answer = await (await self.open_client()).get_me()
        user_id = answer.get("id")
        if not isinstance(user_id, str):
            raise RequestFailed(f"{self.url} answered without a user")
        return user_id


def find_login_file(environ: Mapping[str, str]) -> Path:
    """Where the login is remembered, by the XDG Base Directory Specification."""
    named = Path(environ.get("XDG_CONFIG_HOME", ""))
    directory = named if named.is_absolute() else Path.home() / ".config"
    return directory / "presence" / FILE_NAME


def read_login(file: Path) -> Login | None:
    """The login in *file*, None where there is none; raises `LoginUnusable`."""
    try:
        return _parse(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LoginUnusable(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, BaseValidationError) as error:
        # The cause may hold the token, so it is no part of the sentence.
        raise LoginUnusable(f"{file} is damaged: `presence login` writes a new one") from error


def write_login(file: Path, login: Login) -> None:
    """Put *login* into *file*, whole and for its owner alone; raises `LoginUnusable`."""
    text = json.dumps(attrs.asdict(login, filter=lambda _, value: value is not None))
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.chmod(0o700)  # it may have been there
        _replace(file, text + "\n")
    except OSError as error:
        raise LoginUnusable(f"{file} cannot be written: {error.strerror}") from error


def remove_login(file: Path) -> bool:
    """Forget the login, whatever the file holds; False where there was none."""
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LoginUnusable(f"{file} cannot be removed: {error.strerror}") from error
    return True


def _parse(text: bytes) -> Login:
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError("an object is needed")
    return _converter.structure(raw, Login)


def _replace(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(descriptor)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _place_of(url: str) -> tuple[str, str | None, int, str]:
    """What makes two addresses those of one server: scheme, host, port and path."""
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")


def _read_text(raw: Any, _: Any) -> str:
    """A text as it is: cattrs alone would make one of anything."""
    if not isinstance(raw, str):
        raise ValueError("a text is needed")
    return raw


_converter = Converter(forbid_extra_keys=True)
_converter.register_structure_hook(str, _read_text)
