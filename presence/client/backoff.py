"""How long to wait before the next attempt to connect."""

import random
from collections.abc import Callable

import attrs


@attrs.frozen
class Backoff:
    """Waits double from *least* up to *most* seconds, each drawn between 0 and that.

    Clients that lost the same server come back at different times.
    """

    least: float = 1.0
    most: float = 30.0
    draw: Callable[[], float] = random.random

    def wait(self, attempt: int) -> float:
        """Seconds before attempt number *attempt*, from 1."""
        return self.draw() * min(self.most, self.least * 2.0 ** min(attempt - 1, 32))
