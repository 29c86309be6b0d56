"""The output of `presence watch`: a live table on a terminal, lines into a pipe."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

import attrs
import trio
from rich.live import Live
from rich.table import Table
from rich.text import Text

from presence.client.model import Change, User
from presence.client.presence import Presence
from presence.client.user_table import MARKS
from presence.core.types import Status

ORDER = {status: place for place, status in enumerate(MARKS)}
HIGHLIGHTED_FOR = 3.0
REFRESHED_EVERY = 0.25


@attrs.define
class Seen:
    """When each user changed last, as this client saw it: Unix times."""

    changed_at: dict[str, float] = attrs.field(factory=dict)

    def note(self, change: Change, now: float) -> None:
        if change.previous is not None:
            self.changed_at[change.user.id] = now


def line_of(change: Change, now: float, *, is_json: bool) -> str:
    """One change as a line: readable, or JSON."""
    user = change.user
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if is_json:
        return json.dumps(
            {
                "at": at,
                "id": user.id,
                "username": user.username,
                "status": user.status.value,
                "custom_status": user.custom_status,
                "activity": user.activity,
                "is_catch_up": change.is_catch_up,
            }
        )
    text = "" if user.custom_status is None else f" {json.dumps(user.custom_status)}"
    return f"{at} {user.id} {user.status.value}{text}"


def table_of(presence: Presence, seen: Seen, users: Collection[str], now: float) -> Table:
    """The users as a table, those that are not offline first."""
    shown = [each for each in presence.users.values() if not users or each.id in users]
    shown.sort(key=lambda user: (ORDER[user.status], user.username.casefold()))
    table = Table(title=_title(shown), caption=_caption(presence), expand=True)
    for name in ("", "User", "Status", "Since", "Text"):
        table.add_column(name, no_wrap=name != "Text")
    for user in shown:
        table.add_row(*_row(user, seen.changed_at.get(user.id), now, presence))
    return table


def _title(users: Iterable[User]) -> str:
    counts = Counter(user.status for user in users)
    return ", ".join(f"{counts[status]} {status.value}" for status in MARKS)


def _caption(presence: Presence) -> str:
    connection = presence.connection
    if not connection.is_stale:
        me = presence.me
        return "" if me is None else f"you are {me.status.value}"
    told_at = connection.live_until
    since = "" if told_at is None else f" Statuses are from {_clock(told_at)}."
    return f"Reconnecting: {connection.problem or 'no connection yet'}.{since}"


def _row(
    user: User, changed_at: float | None, now: float, presence: Presence
) -> tuple[Text, Text, Text, Text, Text]:
    mark, colour = MARKS[user.status]
    style = "dim" if presence.connection.is_stale or user.status is Status.OFFLINE else ""
    if changed_at is not None and now - changed_at < HIGHLIGHTED_FOR:
        style = "bold reverse"
    texts = (user.custom_status, user.activity)
    return (
        Text("◌" if presence.connection.is_stale else mark, style=colour),
        Text(user.username, style=style),
        Text(user.status.value, style=style),
        Text("" if changed_at is None else _clock(changed_at), style="dim"),
        Text(", ".join(text for text in texts if text)),
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


async def print_changes(
    presence: Presence, users: Collection[str], say: Callable[[str], None], *, is_json: bool
) -> None:
    """Print the users as they are, then each change, until the server refuses for good."""
    async with presence.changes(users=users or None, include_current=True) as changes:
        async for change in changes:
            say(line_of(change, time.time(), is_json=is_json))


async def show_table(presence: Presence, users: Collection[str]) -> None:
    """Show the table and keep it current, until the server refuses for good."""
    seen = Seen()
    with Live(auto_refresh=False, screen=True) as live:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_refresh, live, presence, seen, users)
            async with presence.changes(users=users or None) as changes:
                async for change in changes:
                    seen.note(change, time.time())
            nursery.cancel_scope.cancel()


async def _refresh(live: Live, presence: Presence, seen: Seen, users: Collection[str]) -> None:
    while True:
        live.update(table_of(presence, seen, users, time.time()), refresh=True)
        await trio.sleep(REFRESHED_EVERY)
