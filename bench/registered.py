"""Fills a stopped server's store with users, through the port that the server itself uses."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import trio

from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.memberships import MembershipRow
from presence.core.record import Record
from presence.core.types import PublicView, ServerId, UserId
from presence.live.ports import Batch

ROWS_AT_ONCE = 10_000
MEMBERS = 50
"""Users of one server; each user belongs to one."""


def register(data: Path, users: int) -> None:
    """Store *users* who have been seen and are offline, in servers of 50, in *data*."""
    trio.run(_fill, data, lambda start: _members_of_small_servers(start, users))


def hide(data: Path, users: Sequence[str]) -> None:
    """Store *users* in *data* who appear offline: when they come, nobody is told."""
    trio.run(_fill, data, lambda start: _hidden(users))


async def _fill(data: Path, batches_of: Callable[[int], Iterator[Batch]]) -> None:
    store = SqliteStore(data)
    start = (await store.open(time.time())).epoch
    try:
        for batch in batches_of(start):
            await store.write(batch)
    finally:
        await store.aclose()


def _members_of_small_servers(start: int, users: int) -> Iterator[Batch]:
    for first in range(0, users, ROWS_AT_ONCE):
        yield _batch(start, range(first, min(users, first + ROWS_AT_ONCE)))


def _hidden(users: Sequence[str]) -> Iterator[Batch]:
    for first in range(0, len(users), ROWS_AT_ONCE):
        ids = [UserId(user) for user in users[first : first + ROWS_AT_ONCE]]
        records = {user: Record(PublicView(user, user), user, appear_offline=True) for user in ids}
        yield Batch(time.time(), users=records)


def _batch(start: int, numbers: range) -> Batch:
    now = time.time()
    records = {}
    rows = {}
    for number in numbers:
        user, server = UserId(f"u{number:08}"), ServerId(f"s{number // MEMBERS}")
        view = PublicView(user, user, version=(start << 32) + number, last_seen=now)
        records[user] = Record(view, user, is_announced=True)
        rows[user, server] = MembershipRow(user, server, by_admin=True)
    servers = {server: str(server) for _, server in rows}
    return Batch(now, users=records, servers=servers, memberships=rows)
