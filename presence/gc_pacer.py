"""Looks for garbage in cycles a little at a time, so that it never stops the server.

Python's own collector begins when many more objects came than went. Where the
state of users is replaced again and again as many go as come, so it waits for
minutes and then looks through millions of objects at once: seconds in which
nobody is served. Here it is left with what it is good at, bursts: thousands who
come or go in a moment are looked at as they do, not all at once afterwards.
"""

import gc
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import trio

EVERY: Final = 0.1
"""Seconds between looks at what is new."""
SECOND_LOOK_AFTER: Final = 50
"""Looks at what is new after which all that lived through them is looked at once more."""
AT_MOST: Final = 0.002
"""Seconds that a second look may take, going by what the first ones took."""
BURST: Final = 5_000
"""More new objects than went make a burst: Python's own collector looks at them at once."""
_NEVER: Final = 1 << 30

YOUNG, MIDDLE = 0, 1


class Collect(Protocol):
    """As `gc.collect`."""

    def __call__(self, generation: int, /) -> int: ...


class GcPacer:
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
        self._is_looking = False
        self._had_burst = False

    async def run(self) -> None:
        """Collect until cancelled; Python's own collector looks at bursts alone meanwhile."""
        thresholds = gc.get_threshold()
        gc.set_threshold(BURST, _NEVER, _NEVER)
        gc.callbacks.append(self.note)
        try:
            while True:
                await trio.sleep(EVERY)
                self.look()
        finally:
            gc.callbacks.remove(self.note)
            gc.set_threshold(*thresholds)

    def note(self, phase: str, info: Mapping[str, int]) -> None:
        """Take note of a collection, as one of `gc.callbacks`."""
        self._had_burst = self._had_burst or not self._is_looking

    def look(self) -> None:
        """Collect what is new, and at times what is nearly new."""
        began_at, self._is_looking = self._clock(), True
        self._collect(YOUNG)
        self._took += self._clock() - began_at
        self._looks += 1
        if self._looks >= SECOND_LOOK_AFTER:
            self._look_again()
        self._is_looking = False

    def _look_again(self) -> None:
        # After a storm it would take long; what little garbage it left behind stays.
        if self._took <= AT_MOST and not self._had_burst:
            self._collect(MIDDLE)
        self._keep()
        self._looks, self._took, self._had_burst = 0, 0.0, False
