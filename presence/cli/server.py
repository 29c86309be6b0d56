"""The commands of those who run a server: serve, token, check-config."""

import math
import os
import resource
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

from presence.announcement import flush_streams, say
from presence.cli.parameters import read_pipe_port
from presence.config import Config, find_unknown_variables, load_config, print_config

FEW_OPEN_FILES: Final = 4096
"""A limit of open files below this is worth a warning at the start."""
LONGEST_TTL: Final = 10 * 365 * 86400


@click.command()
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


@click.command()
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


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
def check_config(file: Path) -> None:
    """Check the settings in FILE, and the keys that they name.

    Example: presence check-config presence.toml
    """
    from presence.adapters.issuer_keys import read_issuer_keys

    config = load_config(file, {}, {})
    read_issuer_keys(config.token_public_key, config.token_jwks)
    click.echo(f"{file} is good")
