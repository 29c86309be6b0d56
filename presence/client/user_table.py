"""Users as a table on a terminal, each with the mark of its status."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from presence.client.model import User
from presence.core.types import Status

MARKS = {
    Status.ONLINE: ("●", "green"),
    Status.AWAY: ("◐", "yellow"),
    Status.DND: ("⊖", "red"),
    Status.OFFLINE: ("○", "dim"),
}
"""A shape for each status first, a colour second."""


def table_of(users: Iterable[User]) -> Table:
    """The users in the order given."""
    table = Table()
    for name in ("", "User", "Status", "Text", "Activity"):
        table.add_column(name, no_wrap=name in ("", "Status"))
    for user in users:
        table.add_row(*_row(user))
    return table


def print_table(users: Iterable[User]) -> None:
    """Print the users to standard output."""
    Console().print(table_of(users))


def _row(user: User) -> tuple[Text, Text, Text, Text, Text]:
    mark, colour = MARKS[user.status]
    style = "dim" if user.status is Status.OFFLINE else ""
    return (
        Text(mark, style=colour),
        Text(user.username, style=style),  # not markup, whatever the name is
        Text(user.status.value, style=style),
        Text(user.custom_status or ""),
        Text(user.activity or ""),
    )
