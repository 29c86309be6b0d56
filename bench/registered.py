"""Fills a stopped server's store with users, through the port that the server itself uses."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import trio

from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.memberships import MembershipRow
from presence.core.record import Record
from presence.core.types import PublicView, ServerId, UserId
from presence.live.ports import Batch

ROWS_AT_ONCE = 10_000
MEMBERS = 50
"""Users of one server; each user belongs to one."""
T = TypeVar("T")


def register(data: Path, users: int) -> None:
    """Store *users* who have been seen and are offline, in servers of 50, in *data*."""
    trio.run(_fill, data, range(users), _batch_of_members)


def hide(data: Path, users: Sequence[str]) -> None:
    """Store *users* in *data* who appear offline: when they come, nobody is told."""
    trio.run(_fill, data, users, _batch_of_hidden)


async def _fill(
    data: Path, users: Sequence[T], batch_of: Callable[[int, Sequence[T]], Batch]
) -> None:
    store = SqliteStore(data)
    epoch = (await store.open(time.time())).epoch
    try:
        for first in range(0, len(users), ROWS_AT_ONCE):
            await store.write(batch_of(epoch, users[first : first + ROWS_AT_ONCE]))
    finally:
        await store.aclose()


def _batch_of_hidden(epoch: int, users: Sequence[str]) -> Batch:
    ids = map(UserId, users)
    records = {user: Record(PublicView(user, user), user, appear_offline=True) for user in ids}
    return Batch(time.time(), users=records)


def _batch_of_members(epoch: int, numbers: Sequence[int]) -> Batch:
    now, records, rows = time.time(), {}, {}
    for number in numbers:
        user, server = UserId(f"u{number:08}"), ServerId(f"s{number // MEMBERS}")
        view = PublicView(user, user, version=(epoch << 32) + number, last_seen=now)
        records[user] = Record(view, user, is_announced=True)
        rows[user, server] = MembershipRow(user, server, by_admin=True)
    servers = {server: str(server) for _, server in rows}
    return Batch(now, users=records, servers=servers, memberships=rows)
