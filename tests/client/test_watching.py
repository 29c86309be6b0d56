"""What `presence watch` shows."""

import io
import json

import pytest
from rich.console import Console

from presence.client.connection import Connection, ConnectionState
from presence.client.model import Change, User
from presence.client.watching import HIGHLIGHTED_FOR, Seen, line_of, table_of
from presence.core.types import Status

NOW = 1_750_000_000.0
ADA = User("ada", "Ada", Status.ONLINE, None, None, 1)
BOB = User("bob", "bob", Status.DND, 'In a "call"', "chess", 2)
CARL = User("carl", "Carl", Status.OFFLINE, None, None, 3)


class Picture:
    """What the table looks at."""

    me = None

    def __init__(self, *users, state=ConnectionState.LIVE, problem=None):
        self.users = {user.id: user for user in users}
        self.connection = Connection(state, live_until=NOW, problem=problem)


def shown(picture, seen=None, users=(), now=NOW, **options):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, **options)
    console.print(table_of(picture, seen or Seen(), users, now))
    return console.file.getvalue()


def plain(picture, **options):
    return shown(picture, no_color=True, color_system=None, **options)


def test_a_line_says_when_who_how_and_in_which_words():
    line = line_of(Change(BOB, None), NOW, is_json=False)
    assert line == '2025-06-15T15:06:40Z bob dnd "In a \\"call\\""'
    assert line_of(Change(CARL, ADA), NOW, is_json=False) == "2025-06-15T15:06:40Z carl offline"


def test_a_line_of_json_says_all():
    line = line_of(Change(BOB, ADA, is_catch_up=True), NOW, is_json=True)
    assert json.loads(line) == {
        "at": "2025-06-15T15:06:40Z",
        "id": "bob",
        "username": "bob",
        "status": "dnd",
        "custom_status": 'In a "call"',
        "activity": "chess",
        "is_catch_up": True,
    }


def test_the_table_lists_those_who_are_there_first_and_counts():
    text = plain(Picture(CARL, BOB, ADA))
    assert "1 online, 0 away, 1 dnd, 1 offline" in text
    places = [text.index(name) for name in ("Ada", "bob", "Carl")]
    assert places == sorted(places)
    assert 'In a "call", chess' in text


def test_the_table_can_be_of_some_users():
    text = plain(Picture(CARL, BOB, ADA), users=("bob",))
    assert "bob" in text
    assert "Ada" not in text


@pytest.mark.parametrize(("after", "is_highlighted"), [(0.1, True), (HIGHLIGHTED_FOR, False)])
def test_a_change_is_highlighted_for_some_seconds(after, is_highlighted):
    seen = Seen()
    seen.note(Change(ADA, CARL), NOW)
    text = shown(Picture(ADA), seen, now=NOW + after)
    assert ("\x1b[1;7m" in text) is is_highlighted


def test_users_that_were_there_from_the_start_are_no_change():
    seen = Seen()
    seen.note(Change(ADA, None), NOW)
    assert seen.changed_at == {}


def test_what_may_no_longer_be_so_is_said_to_be():
    lost = Picture(ADA, state=ConnectionState.RECONNECTING, problem="the server fell silent")
    text = plain(lost)
    assert "Reconnecting: the server fell silent. Statuses are from" in text
    assert "◌" in text
    assert "●" not in text


def test_names_are_no_markup():
    assert "[bold]x" in plain(Picture(User("x", "[bold]x", Status.ONLINE, "[red]y", None, 1)))
