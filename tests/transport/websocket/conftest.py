"""A client whose WebSocket is open."""

import pytest


@pytest.fixture
async def client(listener):
    client = await listener.connect()
    assert (await client.upgrade("/ws"))[0] == 101
    return client
