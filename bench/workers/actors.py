"""Actors that do next to nothing: what the library itself costs, and beside it plain Trio."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

import trio
from trio.testing import wait_all_tasks_blocked

from bench.machine import resident_bytes
from bench.workers.crews import HOLD, KINDS, Board, Crew
from bench.workers.speech import hear, say
from bench.workers.stalls import Stalls

AT_ONCE: Final = 64
"""Messages told, actors started or asks under way before others run."""
WARM: Final = 16
"""Messages that wait for an actor when it runs, where they are told to a warm one."""


class Drill:
    """What is done to one crew, and measured."""

    def __init__(self, crew: Crew, board: Board, n: int) -> None:
        self._crew = crew
        self._board = board
        self._n = n
        self._told = [0] * n
        self.sent = 0
        self.lost_holds = 0
        self.wrong_answers = 0
        self.not_started = 0
        self.not_retired = 0
        self.figures: dict[str, float] = {}

    async def run(self) -> None:
        """Everything but the stop; at the end each actor has one message that waits."""
        before = resident_bytes(os.getpid())
        await self._time("spawn", self._spawn, self._n)
        self.figures["bytes_idle"] = (resident_bytes(os.getpid()) - before) / self._n
        await self._time("tell_idle", self._tell_each, self._n)
        await self._time("tell_warm", self._tell_warm, self._n * WARM)
        await self._time("ask", self._ask_each, self._n)
        await self._hold()
        self.figures["bytes_live"] = (resident_bytes(os.getpid()) - before) / self._n
        await self._let_go()
        await self._time("retire", self._retire, self._n)
        await self._spawn()
        self._told = [0] * self._n
        for number in range(self._n):
            self._tell(number)

    async def _time(self, name: str, do: Callable[[], Any], count: int) -> None:
        cpu, began = time.process_time(), time.perf_counter()
        await do()
        self.figures[f"{name}_us"] = (time.process_time() - cpu) / count * 1e6
        self.figures[f"{name}_per_s"] = count / (time.perf_counter() - began)

    async def _spawn(self) -> None:
        for first in range(0, self._n, AT_ONCE):
            await self._crew.spawn(range(first, min(self._n, first + AT_ONCE)))
            await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        self.not_started += abs(self._n - self._crew.count())

    def _tell(self, number: int) -> None:
        self._told[number] += 1
        self.sent += 1
        self._crew.tell(number, self._told[number])

    async def _tell_each(self) -> None:
        for number in range(self._n):
            self._tell(number)
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()

    async def _tell_warm(self) -> None:
        for number in range(self._n):
            for _ in range(WARM):
                self._tell(number)
            if number % (AT_ONCE // WARM) == 0:
                await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()

    async def _ask_each(self) -> None:
        async def ask_some(first: int) -> None:
            for number in range(first, self._n, AT_ONCE):
                answer = await self._crew.ask(number)
                self.wrong_answers += answer != self._told[number]

        async with trio.open_nursery() as nursery:
            for first in range(AT_ONCE):
                nursery.start_soon(ask_some, first)

    async def _hold(self) -> None:
        """Have all of them be in the middle of a message."""
        for number in range(self._n):
            self._crew.tell(number, HOLD)
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        self.lost_holds += self._n - self._board.holding

    async def _let_go(self) -> None:
        self._board.let_go.set()
        await wait_all_tasks_blocked()

    async def _retire(self) -> None:
        for number in range(self._n):
            self._crew.retire(number)
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        self.not_retired += self._crew.count()


async def measure(kind: str, n: int) -> dict[str, Any]:
    """One crew from its start to its stop."""
    board, stalls = Board(), Stalls()
    async with trio.open_nursery() as nursery:
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with KINDS[kind](board) as crew:
            drill = Drill(crew, board, n)
            await drill.run()
            stalls.begin(nursery)
            cpu, began = time.process_time(), time.perf_counter()
        figures = drill.figures | {
            "stop_us": (time.process_time() - cpu) / n * 1e6,
            "stop_per_s": n / (time.perf_counter() - began),
        }
        await stalls.end()
        await wait_all_tasks_blocked()
        left_running = trio.lowlevel.current_statistics().tasks_living - tasks
    checks = {
        "lost": drill.sent - board.handled + drill.lost_holds,
        "out_of_order": board.out_of_order,
        "wrong_answers": drill.wrong_answers,
        "not_started": drill.not_started,
        "not_retired": drill.not_retired,
        "left_running": left_running,
    }
    return {"figures": figures | stalls.figures(), "checks": checks}


async def main(options: dict[str, Any]) -> None:
    """One crew; each has a process of its own, for memory that is given back late."""
    say(**await measure(options["kind"], options["n"]))


if __name__ == "__main__":
    trio.run(main, hear())
