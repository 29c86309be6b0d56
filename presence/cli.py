"""The command line. A failure is one sentence on standard error, and an exit code."""

import json
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import click

from presence.announcement import flush_streams, say
from presence.config import (
    Config,
    find_unknown_variables,
    is_loopback,
    load_config,
    print_config,
)
from presence.core.rules import LONGEST_LEASE, SHORTEST_LEASE
from presence.durations import parse_moment, parse_span
from presence.errors import InvalidInput, PresenceError, StartFailed

if TYPE_CHECKING:
    from presence.client.rest import RestClient

# Modules that only one command needs are imported there: `presence --help` is to be quick.

DEFAULT_URL: Final = "http://127.0.0.1:8080"
FAILED: Final = 1
FEW_OPEN_FILES: Final = 4096
"""A limit of open files below this is worth a warning at the start."""
LONGEST_TTL: Final = 10 * 365 * 86400
SYNONYMS: Final = {"invisible": "offline", "busy": "dnd", "idle": "away"}
"""Other words for a status, as other programs have them."""
STATUSES: Final = ("online", "away", "dnd", "offline")
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Commands(click.Group):
    """Prints an error of ours as one sentence, and exits with its code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InvalidInput as refused:
            raise click.UsageError(str(refused), ctx) from refused
        except PresenceError as failure:
            say(f"Error: {failure}", is_error=True)
            ctx.exit(failure.exit_code if isinstance(failure, StartFailed) else FAILED)


def read_until(text: str) -> float | str:
    """Read a span such as 1h30m as seconds, or a moment as the server reads it."""
    if (seconds := parse_span(text)) is not None:
        return seconds
    moment = parse_moment(text, datetime.now().astimezone())
    if moment is None:
        raise click.BadParameter(
            "say how long, such as 30m or 1h30m, or when, such as 17:00, tomorrow,"
            " or a time with its zone"
        )
    return moment.isoformat()


def read_keep(text: str) -> float:
    """Read the length of a lease, such as 4h, as seconds."""
    seconds = parse_span(text) or 0.0
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        bounds = f"from {SHORTEST_LEASE:.0f}s to {LONGEST_LEASE / 3600:.0f}h"
        raise click.BadParameter(f"say how long, such as 30m: {bounds}")
    return seconds


def read_pipe_port(
    context: click.Context, option: click.Parameter, text: str | None
) -> int | str | None:
    """Read a port or "off"; the settings check its range."""
    if text is None or text == "off":
        return text
    if not (text.isascii() and text.isdigit()):
        raise click.BadParameter('say a port, or "off"')
    return int(text)


@click.group(cls=_Commands)
@click.version_option(package_name="presence-server")
def commands() -> None:
    """Tell who is online, away, busy or gone.

    Example: presence serve
    """


@commands.command()
@click.option("--host", metavar="ADDRESS", help="Where to listen (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="HTTP port (8080); 0: a free one.")
@click.option(
    "--pipe-port",
    metavar="PORT",
    callback=read_pipe_port,
    help="Port of the pipe protocol (7070); 0: a free one, off: none.",
)
@click.option("--data", metavar="DIR", help="Database and secret (./presence-data).")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings in TOML.")
@click.option(
    "--dev/--no-dev", "is_development", default=None, help="Development mode: no tokens needed."
)
@click.option("--demo", "is_demo", is_flag=True, help="Thirty made-up users, only in memory.")
@click.option("--open", "opens_page", is_flag=True, help="Open the page in a browser.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Written once all accept.")
@click.option("--print-config", "only_prints", is_flag=True, help="Show the settings and stop.")
def serve(
    file: Path | None,
    ready_file: Path | None,
    only_prints: bool,
    is_demo: bool,
    opens_page: bool,
    **flags: object,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Development mode is on while only this machine can connect.

    Example: presence serve --port 9000 --data /var/lib/presence, or presence serve --demo
    """
    config = _load_settings(file, flags, is_demo=is_demo)
    for warning in find_unknown_variables(os.environ):
        say(f"Warning: {warning}", is_error=True)
    if only_prints:
        click.echo(print_config(config), nl=False)
        return
    with _outliving_hangups():
        code = _run_server(config, ready_file, is_demo=is_demo, opens_page=opens_page)
    click.get_current_context().exit(code)


def _load_settings(file: Path | None, flags: Mapping[str, object], *, is_demo: bool) -> Config:
    if not is_demo:
        return load_config(file, os.environ, flags)
    from presence.demo.settings import load_demo_config

    return load_demo_config(file, os.environ, flags)


def _run_server(config: Config, ready_file: Path | None, *, is_demo: bool, opens_page: bool) -> int:
    import trio

    from presence import log, process

    log.open_log(config.log_format, config.log_level)
    limit = raise_open_files()
    if limit < FEW_OPEN_FILES:
        say(
            f"Warning: at most {limit} open files (ulimit -n); a connection takes one",
            is_error=True,
        )
    try:
        wishes = {"is_demo": is_demo, "opens_page": opens_page}
        return trio.run(partial(process.serve, config, ready_file=ready_file, **wishes))
    finally:
        flush_streams()


@contextmanager
def _outliving_hangups() -> Iterator[None]:
    """Ignore SIGHUP while the server does not watch signals: at its start and at its end."""
    # A function, since child processes would inherit SIG_IGN.
    former = signal.signal(signal.SIGHUP, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, former)


def raise_open_files() -> float:
    """Raise the limit of open files as far as this process may; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (ValueError, OSError):
        pass  # some systems refuse their own hard limit: the former one holds
    return math.inf if soft == resource.RLIM_INFINITY else soft


@commands.command()
@click.argument("user")
@click.option("--data", metavar="DIR", help="The server's data directory (./presence-data).")
@click.option("--server", "servers", multiple=True, help="A server of the user; may be repeated.")
@click.option("--device", help="Which device the token is for.")
@click.option("--name", help="The username that others see.")
@click.option("--ttl", type=click.IntRange(1, LONGEST_TTL), default=900, help="Seconds (900).")
@click.option("--admin", is_flag=True, help="May administrate users and servers.")
def token(
    user: str,
    data: str | None,
    servers: tuple[str, ...],
    device: str | None,
    name: str | None,
    ttl: int,
    admin: bool,
) -> None:
    """Print a signed token for USER.

    Without --server the user's memberships stay as they are.

    Example: presence token alice --server team --ttl 3600
    """
    from presence.adapters.secret_key import read_secret
    from presence.adapters.tokens import issue_token

    config = load_config(None, os.environ, {"data": data})
    signed = issue_token(
        read_secret(config.data).key,
        user,
        now=time.time(),
        ttl=ttl,
        servers=servers or None,
        device=device,
        name=name,
        is_admin=admin,
    )
    click.echo(signed)


@commands.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
def check_config(file: Path) -> None:
    """Check the settings in FILE, and the keys that they name.

    Example: presence check-config presence.toml
    """
    from presence.adapters.issuer_keys import read_issuer_keys

    config = load_config(file, {}, {})
    read_issuer_keys(config.token_public_key, config.token_jwks)
    click.echo(f"{file} is good")


def _as_client(command: _Command) -> _Command:
    """Add the options that name the server and the user of a client command."""
    for option in (
        click.option(
            "--user",
            envvar="PRESENCE_USER",
            help="Who you are, on a development server of this machine (PRESENCE_USER).",
        ),
        click.option("--token", envvar="PRESENCE_TOKEN", help="Your token (PRESENCE_TOKEN)."),
        click.option(
            "--url", envvar="PRESENCE_URL", default=DEFAULT_URL, help=f"Server ({DEFAULT_URL})."
        ),
    ):
        command = option(command)
    return command


@commands.command("set")
@click.argument("status", type=click.Choice([*STATUSES, *SYNONYMS]))
@click.option("--text", help='Custom status; "" clears it.')
@click.option(
    "--until", type=read_until, metavar="WHEN", help="How long (1h30m), or when (17:00, tomorrow)."
)
@click.option(
    "--keep",
    type=read_keep,
    metavar="TIME",
    help="How long it holds while no client of yours is connected (5m), up to 4h.",
)
@_as_client
def set_status(
    status: str,
    text: str | None,
    until: float | str | None,
    keep: float | None,
    url: str,
    token: str | None,
    user: str | None,
) -> None:
    """Set your own status; "offline" makes you invisible.

    Says on standard error until when it holds where no client of yours is connected.

    Example: presence set dnd --text "In a meeting" --until 30m
    """
    if status in SYNONYMS:
        click.echo(f"{status} is called {SYNONYMS[status]} here.", err=True)
    change: dict[str, object] = {"status": SYNONYMS.get(status, status)}
    if text is not None:
        change["custom_status"] = text or None
    if until is not None:
        change["until"] = until
    if keep is not None:
        change["lease"] = keep

    async def patch() -> dict[str, Any]:
        return await (await _sign_in(url, token, user)).patch_me(change)

    answer = _run(patch)
    _print_json(answer)
    if lease_until := answer.get("lease_until"):
        ends_at = datetime.fromisoformat(lease_until).astimezone()
        click.echo(
            f"While no client of {answer.get('id')} is connected, this holds until"
            f" {ends_at:%H:%M} (--keep extends it, up to 4h).",
            err=True,
        )


@commands.command("get")
@click.argument("users", metavar="USER...", nargs=-1)
@click.option(
    "--explain", "explains", is_flag=True, help="Say why you, or a USER, have that status."
)
@_as_client
def get_users(
    users: tuple[str, ...], explains: bool, url: str, token: str | None, user: str | None
) -> None:
    """Print, as JSON, what you may see of each USER; others are left out.

    Example: presence get alice bob, or presence get --explain
    """
    if not users and not explains:
        raise click.UsageError("name at least one USER, or ask --explain about yourself")

    async def get() -> object:
        client = await _sign_in(url, token, user)
        if not explains:
            return await client.get_users(users)
        if not users:
            return await client.explain_me()
        return [await client.explain(each) for each in users]

    _print_json(_run(get))


@commands.command("watch")
@click.argument("users", metavar="[USER]...", nargs=-1)
@click.option("--json", "is_json", is_flag=True, help="A line of JSON for each change.")
@_as_client
def watch(
    users: tuple[str, ...], is_json: bool, url: str, token: str | None, user: str | None
) -> None:
    """Show who is online, live: a table on a terminal, lines into a pipe.

    Of each USER, or of all whom you may see. To watch shows you to nobody.

    Example: presence watch --user alice, or presence watch bob --json | jq
    """

    async def run() -> None:
        from presence.client.presence import open_presence
        from presence.client.watching import print_changes, show_table
        from presence.core.types import State

        client = await _sign_in(url, token, user)
        async with open_presence(url, client.token, state=State.OFFLINE) as presence:
            await presence.wait_live()
            if is_json or not os.isatty(1):
                await print_changes(presence, users, click.echo, is_json=is_json)
            else:
                await show_table(presence, users)
            await presence.wait_live()  # raises why the server refused

    try:
        _run(run)
    except* KeyboardInterrupt:
        click.echo()  # the prompt on a line of its own


async def _sign_in(url: str, token: str | None, user: str | None) -> "RestClient":
    from presence.client.rest import RestClient, is_web_address

    if not is_web_address(url):
        raise click.UsageError(f"{url} is no address of a server, such as {DEFAULT_URL}")
    if not token:
        if not user:
            raise click.UsageError(
                "say who you are: --token, PRESENCE_TOKEN,"
                " or --user on a development server of this machine"
            )
        if not is_loopback(urlsplit(url).hostname or ""):
            raise click.UsageError(f"--user is for this machine alone; {url} wants a --token")
        token = await RestClient(url).get_dev_token(user)
    return RestClient(url, token)


def _run(ask: Callable[[], Any]) -> Any:
    import trio

    return trio.run(ask)


def _print_json(answer: object) -> None:
    click.echo(json.dumps(answer, indent=2))


def main() -> None:
    """Run the command that the arguments name, then exit."""
    commands(prog_name="presence")
