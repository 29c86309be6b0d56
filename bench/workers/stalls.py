"""How long a Trio loop keeps its tasks waiting, measured from inside."""

import gc
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from bench.results import bucket_of

EVERY: Final = 0.001
"""Seconds that the probe sleeps."""


class Stalls(trio.abc.Instrument):
    """The longest of each kind of wait since it was made. All in ns.

    `longest`: how late a task was that slept for 1 ms, in real time, whatever
    the reason: other tasks, a worker thread that held the interpreter, garbage
    collection, or another program on this core. The rest tells them apart:
    `longest_turn` is the CPU time of the loop's thread between two looks at
    the sockets, `longest_step` that of one task between two awaits, with the
    task's name, and `longest_collection` the longest garbage collection.
    """

    def __init__(self) -> None:
        self.longest = 0
        self.longest_turn = 0
        self.longest_step = 0
        self.longest_step_of = ""
        self.longest_collection = 0
        self.lateness: Counter[int] = Counter()
        self._turn_began = self._step_began = time.thread_time_ns()
        self._collection_began = 0

    def figures(self) -> dict[str, float]:
        """The longest of each, in ms."""
        return {
            "stall_ms": self.longest / 1e6,
            "turn_ms": self.longest_turn / 1e6,
            "step_ms": self.longest_step / 1e6,
            "gc_ms": self.longest_collection / 1e6,
        }

    async def probe(self) -> None:
        """Be late, for as long as the block lasts."""
        while True:
            wanted = time.perf_counter_ns() + int(EVERY * 1e9)
            await trio.sleep(EVERY)
            self._note_late(time.perf_counter_ns() - wanted)

    def _note_late(self, late: int) -> None:
        late = max(0, late)
        self.longest = max(self.longest, late)
        self.lateness[bucket_of(late)] += 1

    def note_collection(self, phase: str, info: dict[str, Any]) -> None:
        now = time.perf_counter_ns()
        if phase == "start":
            self._collection_began = now
        else:
            self.longest_collection = max(self.longest_collection, now - self._collection_began)

    # -- what Trio tells ---------------------------------------------------------------------

    def after_io_wait(self, timeout: float) -> None:
        self._turn_began = time.thread_time_ns()

    def before_io_wait(self, timeout: float) -> None:
        self.longest_turn = max(self.longest_turn, time.thread_time_ns() - self._turn_began)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._step_began = time.thread_time_ns()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took = time.thread_time_ns() - self._step_began
        if took > self.longest_step:
            self.longest_step, self.longest_step_of = took, task.name


@asynccontextmanager
async def watch_stalls() -> AsyncIterator[Stalls]:
    """Measure within the block. Trio's clock must run at the pace of the real one."""
    stalls = Stalls()
    gc.callbacks.append(stalls.note_collection)
    trio.lowlevel.add_instrument(stalls)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stalls.probe)
        yield stalls
        await trio.sleep(2 * EVERY)  # the probe may be late for what was done last
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(stalls)
    gc.callbacks.remove(stalls.note_collection)
