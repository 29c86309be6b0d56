"""Fills a stopped server's store with users, through the port that the server itself uses."""

import time
from pathlib import Path

import trio

from presence.adapters.store_sqlite import SqliteStore
from presence.core.memberships import MembershipRow
from presence.core.record import Record
from presence.core.types import PublicView, ServerId, UserId
from presence.live.ports import Batch

ROWS_AT_ONCE = 10_000
MEMBERS = 50
"""Users of one server; each user belongs to one."""


def register(data: Path, users: int) -> None:
    """Store *users* who have been seen and are offline, in servers of 50, in *data*."""
    trio.run(_fill, data, users)


async def _fill(data: Path, users: int) -> None:
    store = SqliteStore(data)
    start = (await store.open(time.time())).start_number
    try:
        for first in range(0, users, ROWS_AT_ONCE):
            numbers = range(first, min(users, first + ROWS_AT_ONCE))
            await store.write(_batch(start, numbers))
    finally:
        await store.aclose()


def _batch(start: int, numbers: range) -> Batch:
    now = time.time()
    records = {}
    rows = {}
    for number in numbers:
        user, server = UserId(f"u{number:08}"), ServerId(f"s{number // MEMBERS}")
        view = PublicView(user, user, version=(start << 32) + number, last_seen=now)
        records[user] = Record(view, user, is_shown=True)
        rows[user, server] = MembershipRow(user, server, by_admin=True)
    servers = {server: str(server) for _, server in rows}
    return Batch(now, users=records, servers=servers, memberships=rows)
