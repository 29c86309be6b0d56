"""asyncio at its best: on uvloop where that is installed."""

import asyncio
import importlib
import importlib.util
import resource
from collections.abc import Coroutine


def run(main: Coroutine[None, None, None]) -> None:
    """Run *main* with as many open files as this process may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    loop = importlib.import_module("uvloop") if has_uvloop else asyncio
    loop.run(main)
