"""A listener with default limits, and one client of it."""

import pytest


@pytest.fixture
async def listener(open_http_listener):
    return await open_http_listener()


@pytest.fixture
async def client(listener):
    return await listener.connect()
