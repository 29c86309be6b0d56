"""Collects cyclic garbage in small steps, so that a collection never stops the server.

Python's collector starts when many more objects were created than destroyed.
This server replaces the state of users again and again, so both numbers are
alike: the collector waits for minutes and then scans millions of objects at
once, for seconds. Therefore the server collects young objects every
`EVERY` seconds by itself and leaves only bursts, such as thousands of new
connections, to Python's collector.
"""

import gc
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import trio

EVERY: Final = 0.1
"""Seconds between collections of young objects."""
SECOND_LOOK_AFTER: Final = 50
"""The number of young collections after which the survivors are collected once more."""
AT_MOST: Final = 0.002
"""Seconds that a second collection may take, estimated by the young ones before it."""
BURST: Final = 5_000
"""Created minus destroyed objects above which Python's collector starts by itself."""
_NEVER: Final = 1 << 30

YOUNG, MIDDLE = 0, 1


class Collect(Protocol):
    """As `gc.collect`."""

    def __call__(self, generation: int, /) -> int: ...


class GcPacer:
    """Collects in the task that runs `run`; survivors of two collections are never scanned again.

    Long-lived objects must therefore leave no reference cycles when they end.
    Connections, sessions and users leave none.
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
        """Collect until cancelled. Meanwhile Python's collector starts in bursts only."""
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
