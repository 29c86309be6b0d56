"""A living node for each test."""

import pytest
from hypothesis import HealthCheck, settings
from living import FaultyStore, open_living

settings.register_profile(
    "live",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def store():
    return FaultyStore()


@pytest.fixture
async def living(store):
    """A node of the standard settings; at the end every client must believe what is so.

    Ask for `autojump_clock` beside it: pytest-trio looks at the test's own fixtures only.
    """
    async with open_living(store) as living:
        yield living
        await living.check_beliefs()
