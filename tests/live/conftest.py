"""A living node for each test, and its parts importable: in importlib mode it is no package."""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "live",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def load(name):
    """Make the file *name* of this folder importable as a module of that name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


load("listening")
load("living")


@pytest.fixture
def store():
    return sys.modules["living"].FaultyStore()


@pytest.fixture
async def living(store):
    """A node of the standard settings; at the end every client must believe what is so.

    Ask for `autojump_clock` beside it: pytest-trio looks at the test's own fixtures only.
    """
    async with sys.modules["living"].open_living(store) as living:
        yield living
        await living.check_beliefs()
