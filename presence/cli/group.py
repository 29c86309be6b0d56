"""All commands together, and how their failures end."""

from typing import Any, Final

import click

from presence.announcement import say
from presence.cli.client import get_users, set_status, watch
from presence.cli.login import login, logout
from presence.cli.server import check_config, serve, token
from presence.errors import InvalidInput, PresenceError, StartFailed

FAILED: Final = 1


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


@click.group(cls=_Commands)
@click.version_option(package_name="presence-server")
def commands() -> None:
    """Tell who is online, away, busy or gone.

    Example: presence serve
    """


for _command in (
    serve,
    token,
    check_config,
    login,
    logout,
    set_status,
    get_users,
    watch,
):
    commands.add_command(_command)


def main() -> None:
    """Run the command that the arguments name, then exit."""
    commands(prog_name="presence")
