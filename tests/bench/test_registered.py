"""Users are stored before the server starts, as it would have stored them."""

import pytest
import trio

from bench.registered import hide, register
from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.types import UserId


@pytest.fixture
def reading(tmp_path):
    """`await reading(user)` returns what is stored of it."""

    async def read(user):
        store = SqliteStore(tmp_path)
        await store.open(0.0)
        try:
            return await store.read_user(UserId(user))
        finally:
            await store.aclose()

    return read


async def test_a_hidden_user_connects_unseen(tmp_path, reading):
    await _in_thread(hide, tmp_path, ["1000000", "1000001"])
    record = await reading("1000001")
    assert record.is_hiding
    assert not record.is_announced
    assert await reading("1") is None


async def test_a_registered_user_was_seen_before_and_does_not_hide(tmp_path, reading):
    await _in_thread(register, tmp_path, 51)
    record = await reading("u00000050")
    assert (record.is_announced, record.is_hiding) == (True, False)


async def _in_thread(store_users, *words):
    await trio.to_thread.run_sync(store_users, *words)
