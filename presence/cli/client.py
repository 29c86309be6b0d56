"""The commands of users: set, get, watch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from presence.cli.answers import describe_lease, describe_self, is_for_people, print_json
from presence.cli.identity import as_client
from presence.cli.parameters import read_keep, read_until
from presence.core.types import Status
from presence.core.user.patch import UNSET

if TYPE_CHECKING:
    from presence.client.login import Login

SYNONYMS: Final = {"invisible": "offline", "busy": "dnd", "idle": "away"}
"""Other words for a status, as other programs have them."""

_json_option = click.option(
    "--json", "is_json", is_flag=True, help="Print JSON, as into a pipe, on a terminal too."
)


@click.command("set")
@click.argument("status", type=click.Choice([*(each.value for each in Status), *SYNONYMS]))
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
@_json_option
@as_client
def set_status(
    status: str,
    text: str | None,
    until: timedelta | datetime | None,
    keep: timedelta | None,
    is_json: bool,
    login: "Login",
) -> None:
    """Set your own status; "offline" makes you invisible.

    Says how you are shown now, and on standard error until when that holds where
    no client of yours is connected.

    Example: presence set dnd --text "In a meeting" --until 30m
    """
    from presence.client.model import read_self
    from presence.client.self_change import SelfChange

    if status in SYNONYMS:
        click.echo(f"{status} is called {SYNONYMS[status]} here.", err=True)
    change = SelfChange(
        status=Status(SYNONYMS.get(status, status)),
        until=UNSET if until is None else until,
        custom_status=UNSET if text is None else text or None,
        lease=UNSET if keep is None else keep,
    )

    async def patch() -> dict[str, Any]:
        return await (await login.open_client()).patch_me(change.body())

    answer = _run(patch)
    view, now = read_self(answer), datetime.now().astimezone()
    if is_for_people(is_json):
        click.echo(describe_self(view, now))
    else:
        print_json(answer)
    if lease := describe_lease(view, now):
        click.echo(lease, err=True)


@click.command("get")
@click.argument("users", metavar="USER...", nargs=-1)
@click.option(
    "--explain", "explains", is_flag=True, help="Say why you, or a USER, have that status, in JSON."
)
@_json_option
@as_client
def get_users(users: tuple[str, ...], explains: bool, is_json: bool, login: "Login") -> None:
    """Show what you may see of each USER; others are left out.

    Example: presence get alice bob, or presence get --explain
    """
    if explains:
        print_json(_run(partial(_explain, login, users)))
        return
    if not users:
        raise click.UsageError("name at least one USER, or ask --explain about yourself")

    async def get() -> list[dict[str, Any]]:
        return await (await login.open_client()).get_users(users)

    found = _run(get)
    if is_for_people(is_json):
        _print_users(users, found)
    else:
        print_json(found)


async def _explain(login: "Login", users: Sequence[str]) -> object:
    client = await login.open_client()
    return [await client.explain(each) for each in users] if users else await client.explain_me()


def _print_users(asked: Sequence[str], found: Iterable[Mapping[str, Any]]) -> None:
    """Print a table of those who were *found*, and who of those *asked* for is not among them."""
    from presence.client.model import read_user
    from presence.client.user_table import print_table

    users = [read_user(each) for each in found]
    if users:
        print_table(users)
    if missing := [each for each in asked if each not in {user.id for user in users}]:
        click.echo(f"Nothing to see of {', '.join(missing)}.", err=True)


@click.command("watch")
@click.argument("users", metavar="[USER]...", nargs=-1)
@click.option("--json", "is_json", is_flag=True, help="A line of JSON for each change.")
@as_client
def watch(users: tuple[str, ...], is_json: bool, login: "Login") -> None:
    """Show who is online, live: a table on a terminal, lines into a pipe.

    Of each USER, or of all whom you may see. To watch shows you to nobody.

    Example: presence watch --user alice, or presence watch bob --json | jq
    """

    async def run() -> None:
        from presence.client.presence import open_presence
        from presence.client.watching import print_changes, show_table
        from presence.core.types import State

        await login.open_client()  # a server that is not there is said at once
        # By the user, not by a token of that client, which would expire.
        async with open_presence(
            login.url, login.token, user=login.user, state=State.OFFLINE
        ) as presence:
            await presence.wait_live()
            if is_for_people(is_json):
                await show_table(presence, users)
            else:
                await print_changes(presence, users, click.echo, is_json=is_json)
            await presence.wait_live()  # raises why the server refused

    try:
        _run(run)
    except* KeyboardInterrupt:
        click.echo()  # the prompt on a line of its own


def _run(ask: Callable[[], Any]) -> Any:
    import trio

    return trio.run(ask)
