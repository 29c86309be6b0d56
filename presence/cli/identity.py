"""As whom a command speaks, and to which server.

The command line is asked first, then the environment, then the login. A login
is taken whole or not at all: what is named elsewhere may be for another server.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from presence.config import is_loopback

if TYPE_CHECKING:
    from presence.client.login import Login

DEFAULT_URL: Final = "http://127.0.0.1:8080"

_OPTIONS: Final = (
    click.option(
        "--user",
        envvar="PRESENCE_USER",
        help="Who you are, on a development server of this machine (PRESENCE_USER).",
    ),
    click.option("--token", envvar="PRESENCE_TOKEN", help="Your token (PRESENCE_TOKEN)."),
    click.option(
        "--url",
        envvar="PRESENCE_URL",
        help=f"Server (that of your login, or {DEFAULT_URL}; PRESENCE_URL).",
    ),
)


def as_client(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who one is; *command* gets them as its parameter `login`."""

    @wraps(command)
    def run(
        *args: Any, url: str | None, token: str | None, user: str | None, **kwargs: Any
    ) -> None:
        if _is_on_the_line("token"):
            user = None
        elif _is_on_the_line("user"):
            token = None
        command(*args, login=choose_login(url, token, user), **kwargs)

    for option in _OPTIONS:
        run = option(run)
    return run


def choose_login(url: str | None, token: str | None, user: str | None) -> "Login":
    """The login that these make, or else the remembered one, where it is for that server.

    Of *token* and *user* the first holds. Raises `click.UsageError`, `LoginUnusable`.
    """
    if token is not None or user is not None:
        return make_login(url or DEFAULT_URL, token, user)

    from presence.client.login import find_login_file, read_login

    login = read_login(find_login_file(os.environ))
    if login is None:
        raise click.UsageError(
            "say who you are: by `presence login`, --token, PRESENCE_TOKEN,"
            " or --user on a development server of this machine"
        )
    if url is not None and not login.is_for(url):
        raise click.UsageError(
            f"your login is for {login.url}: say who you are at {url} by --token or --user"
        )
    return make_login(login.url, login.token, login.user)


def make_login(url: str, token: str | None, user: str | None) -> "Login":
    """A login of *token* or else of *user*; raises `click.UsageError` for what can be none."""
    from presence.client.login import Login
    from presence.client.rest import is_web_address

    if not is_web_address(url):
        raise click.UsageError(f"{url} is no address of a server, such as {DEFAULT_URL}")
    if not (token or user):
        raise click.UsageError("an empty --token or --user is nobody")
    if token:
        return Login(url, token=token)
    if not is_loopback(urlsplit(url).hostname or ""):
        raise click.UsageError(f"--user is for this machine alone; {url} wants a --token")
    return Login(url, user=user)


def _is_on_the_line(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.COMMANDLINE
