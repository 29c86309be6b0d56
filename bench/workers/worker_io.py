"""How a worker hears what it is to do, and says what it found."""

import json
import sys
from typing import Any


def receive() -> dict[str, Any]:
    """The options that the worker was started with."""
    options: dict[str, Any] = json.loads(sys.argv[1])
    return options


def send(**what: Any) -> None:
    """Tell the scenario, at once, in one line."""
    print(json.dumps(what), flush=True)
