"""Fixtures for the tests of the server's parts."""

import pytest

from presence.transport.context import ServerContext


@pytest.fixture
def make_context():
    """A context in which nothing is served: for listeners that answer by themselves."""

    async def answer(request):
        raise AssertionError(request)

    def make():
        return ServerContext(answer, None, on_crash=pytest.fail, count=pytest.fail)

    return make
