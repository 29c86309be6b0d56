"""A listener with default limits, one client of it, and a close that does not take seconds."""

import pytest

from presence.transport.sockets import ending, stream
from presence.transport.websocket import connection


@pytest.fixture
async def listener(open_http_listener):
    return await open_http_listener()


@pytest.fixture
async def client(listener):
    return await listener.connect()


@pytest.fixture
def quick_end(monkeypatch):
    """A client that answers no close frame, or reads nothing, is given up soon."""
    monkeypatch.setattr(connection, "CLOSE_AFTER", 0.2)
    monkeypatch.setattr(stream, "LAST_CHANCE_AFTER", 0.2)
    monkeypatch.setattr(ending, "LINGER_AFTER", 0.1)
