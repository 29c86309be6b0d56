"""The commands that remember who one is, and forget it: login, logout."""

import os
import sys
from typing import Final

import click

from presence.cli.identity import make_login

LONGEST_LINE: Final = 65_536


@click.command()
@click.argument("url")
@click.option("--user", help="Who you are, on a development server of this machine.")
@click.option("--token", help="Your token; better typed, or piped in.")
def login(url: str, user: str | None, token: str | None) -> None:
    """Remember who you are at the server URL, for set, get and watch.

    Without --user and --token, asks for the token, or reads it as a line from
    a pipe, so that no list of commands keeps it. The server is asked first.

    Example: presence login http://127.0.0.1:8080 --user alice
    """
    import trio

    from presence.client.login import find_login_file, write_login

    if token is not None and user is not None:
        raise click.UsageError("say --token or --user, not both")
    if token is None and user is None:
        token = _read_token()
    chosen = make_login(url, token, user)
    name = trio.run(chosen.find_user)
    write_login(find_login_file(os.environ), chosen)
    click.echo(f"You are {name} at {url} from now on; `presence logout` forgets it.")
    for name in ("PRESENCE_TOKEN", "PRESENCE_USER"):
        if os.environ.get(name):
            click.echo(f"Warning: {name} is set, and comes before your login.", err=True)


@click.command()
def logout() -> None:
    """Forget what `presence login` remembers.

    Example: presence logout
    """
    from presence.client.login import find_login_file, remove_login

    was_known = remove_login(find_login_file(os.environ))
    click.echo("Your login is forgotten." if was_known else "There was no login to forget.")


def _read_token() -> str:
    """The token that is typed unseen, or piped in."""
    if sys.stdin.isatty():
        token: str = click.prompt("Token", hide_input=True, err=True)
    else:
        token = sys.stdin.readline(LONGEST_LINE)
    if not token.strip():
        raise click.UsageError("no token came on the standard input")
    return token.strip()
