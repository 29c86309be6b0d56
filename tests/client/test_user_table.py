"""Users as a table."""

import io

from rich.console import Console

from presence.client.model import User
from presence.client.user_table import table_of
from presence.core.types import Status

ADA = User("ada", "Ada", Status.ONLINE, None, None, 1)
BOB = User("bob", "[bold]bob", Status.DND, 'In a "call"', "chess", 2)


def lines_of(*users):
    console = Console(file=io.StringIO(), width=80)
    console.print(table_of(users))
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]
        for line in console.file.getvalue().splitlines()
        if line[0] in "│┃"
    ]


def test_each_user_has_a_row_in_the_order_given():
    assert lines_of(BOB, ADA) == [
        ["", "User", "Status", "Text", "Activity"],
        ["⊖", "[bold]bob", "dnd", 'In a "call"', "chess"],
        ["●", "Ada", "online", "", ""],
    ]
