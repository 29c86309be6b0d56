"""Looks for garbage in cycles a little at a time, so that it never stops the server.

Python's own collector begins when many more objects came than went. Where the
state of users is replaced again and again as many go as come, so it waits for
minutes and then looks through millions of objects at once: seconds in which
nobody is served.
"""

import gc
import time
from collections.abc import Callable
from typing import Final, Protocol

import trio

EVERY: Final = 0.1
"""Seconds between looks at what is new."""
SECOND_LOOK_AFTER: Final = 50
"""Looks at what is new after which all that lived through them is looked at once more."""
AT_MOST: Final = 0.002
"""Seconds that a second look may take, going by what the first ones took."""

YOUNG, MIDDLE = 0, 1


class Collect(Protocol):
    """As `gc.collect`."""

    def __call__(self, generation: int, /) -> int: ...


class Collector:
    """Collects in the task that is in `run`; what outlived two looks is never looked at again.

    Whatever ends after a long life must therefore leave no cycles: connections,
    sessions and users do not.
    """

    def __init__(
        self,
        collect: Collect = gc.collect,
        keep: Callable[[], None] = gc.freeze,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._collect = collect
        self._keep = keep
        self._clock = clock
        self._looks = 0
        self._took = 0.0

    async def run(self) -> None:
        """Collect until cancelled; Python's own collector rests meanwhile."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            while True:
                await trio.sleep(EVERY)
                self.look()
        finally:
            if was_enabled:
                gc.enable()

    def look(self) -> None:
        """Collect what is new, and at times what is nearly new."""
        began_at = self._clock()
        self._collect(YOUNG)
        self._took += self._clock() - began_at
        self._looks += 1
        if self._looks >= SECOND_LOOK_AFTER:
            self._look_again()

    def _look_again(self) -> None:
        # After a storm it would take long; what little garbage it left behind stays.
        if self._took <= AT_MOST:
            self._collect(MIDDLE)
        self._keep()
        self._looks, self._took = 0, 0.0
