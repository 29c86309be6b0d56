"""The sweep as the server does it: whole, but for its connections, which are no sockets.

The minutes of silence are leapt over: Trio's time stands still or jumps
between what is measured, and runs at the pace of the real clock meanwhile.
"""

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from trio.testing import MockClock

from actors import Reply
from bench.machine import resident_bytes
from bench.workers.connections import CountingConnection, Tally
from bench.workers.stalls import Stalls, watch_stalls
from presence.config import Config
from presence.core.events import Connected, Pinged
from presence.core.record import Record
from presence.core.types import PublicView, State, UserId
from presence.gc_pacer import GcPacer
from presence.live.claims import Claims
from presence.live.messages import Arrive
from presence.live.node import Node
from presence.log import open_log
from presence.wiring import open_server

AT_ONCE = 32
"""Messages told before other tasks run, as if so many sockets had been read in one turn."""
LEAD = 0.2
"""Seconds of real time before a sweep."""
CATCH_UP = 0.1
"""Seconds of real time after a leap, in which the writer makes the batch that it is late with."""
QUIET = 0.2
"""Seconds for which nothing more may happen after a sweep."""
WRITTEN_WITHIN = 300.0
GIVEN_UP_AFTER = 30.0
"""Seconds in which nobody was swept, after which those left count as missed."""

Group = Sequence[CountingConnection]


@attrs.frozen
class Crowd:
    """Users of one device each, all online. The last group never pings, the others do."""

    silent: Group
    """Silent for more than long enough when the sweep comes."""
    just_due: Group
    """Silent for exactly as long as it takes."""
    not_due: Group
    """Pinged half a second too late to be swept this time."""
    never_pinged: Group

    @classmethod
    def of(cls, n: int, make: Callable[[int], CountingConnection]) -> "Crowd":
        """*n* devices to be swept; in each of the other groups a hundredth of that."""
        few = max(1, n // 100)
        everybody = [make(number) for number in range(n + 2 * few)]
        return cls(
            everybody[: n - few],
            everybody[n - few : n],
            everybody[n : n + few],
            everybody[n + few :],
        )

    @property
    def everybody(self) -> Group:
        return [*self.pinging, *self.never_pinged]

    @property
    def pinging(self) -> Group:
        return [*self.silent, *self.just_due, *self.not_due]


class Sweeping:
    """A node with its crowd."""

    def __init__(
        self, node: Node, clock: MockClock, config: Config, collector: GcPacer, n: int
    ) -> None:
        self._node = node
        self._collector = collector
        self._clock = clock
        self._every = config.sweep_every
        self._expires_after = config.ping_expires_after
        self._tally = Tally()
        self._crowd = Crowd.of(n, self._connection)
        self._pinged_at: dict[UserId, float] = {}

    def _connection(self, number: int) -> CountingConnection:
        connection = self._node.connections.new_connection()
        return CountingConnection(connection, UserId(f"u{number:08}"), self._tally)

    async def bring_up(self) -> dict[str, float]:
        """Everybody connects, and those who do so ping; what each of them costs."""
        before, cpu = resident_bytes(os.getpid()), time.process_time()
        for each in self._crowd.everybody:
            # As after a crash of its actor: to read it from the store is no part of a sweep.
            view = PublicView(each.user_id, username=each.user_id)
            self._node.records[each.user_id] = Record(view, name=each.user_id)
        await self._tell(self._crowd.everybody, self._arrive)
        await self._tell(self._crowd.pinging, self._ping)
        with self._running():
            await self._wait_written()
        self._forget()
        devices = len(self._crowd.everybody)
        return {
            "bytes_per_device": (resident_bytes(os.getpid()) - before) / devices,
            "connect_cpu_us": (time.process_time() - cpu) / devices * 1e6,
        }

    async def measure(self) -> dict[str, Any]:
        """All ping again, fall silent, are swept at once, and come back with their next ping."""
        # All pings from here on, for as long as one sweep is apart from the next, expire together.
        expires_at = self._next_sweep(trio.current_time() + self._expires_after)
        await self._leap_to(expires_at - self._expires_after + 0.001)
        renewing = await self._measure_pings()
        checks = {"told_needlessly": self._tally.shown_offline + self._tally.shown_online}
        due = await self._fall_silent()
        swept = self._swept_by(due)
        sweeping, stalls = await self._measure_sweep(due, len(swept))
        checks |= self._check_swept(swept)
        returning = await self._measure_pings()
        checks["not_returned"] = self._count_not_returned(swept)
        self._forget()
        figures = {f"renew_{name}": value for name, value in renewing.items()}
        figures |= {f"return_{name}": value for name, value in returning.items()}
        return {
            "figures": figures | sweeping,
            "checks": checks,
            "late": sorted(stalls.lateness.items()),
            "step_of": stalls.longest_step_of,
        }

    # -- what happens ------------------------------------------------------------------------

    async def _measure_pings(self) -> dict[str, float]:
        """Everybody who pings does so, as fast as the node takes it."""
        pinging, cpu = self._crowd.pinging, time.process_time()
        async with self._watching() as stalls:
            await self._tell(pinging, self._ping)
            await self._wait_written()
            cpu = time.process_time() - cpu
        return stalls.figures() | {"cpu_us": cpu / len(pinging) * 1e6}

    async def _fall_silent(self) -> float:
        """Leap to just before the sweep that finds all of the crowd but the last; its time."""
        due = self._next_sweep(trio.current_time() + self._expires_after)
        await self._leap_to(due - self._expires_after)
        await self._tell(self._crowd.just_due, self._ping)
        await self._leap_to(due - self._expires_after + 0.5)
        await self._tell(self._crowd.not_due, self._ping)
        with self._running():
            await self._wait_written()
        self._forget()
        await self._leap_to(due - LEAD)
        return due

    async def _measure_sweep(self, due: float, expected: int) -> tuple[dict[str, float], Stalls]:
        async with self._watching() as stalls:
            cpu = time.process_time()
            await self._wait_swept(expected)
            swept_after = trio.current_time() - due
            await self._wait_written()
            stored_after = trio.current_time() - due
            cpu = time.process_time() - cpu
            await trio.sleep(QUIET)
        figures = {
            "swept_s": swept_after,
            "stored_s": stored_after,
            "cpu_us": cpu / expected * 1e6,
        }
        return figures | stalls.figures(), stalls

    async def _wait_swept(self, expected: int) -> None:
        last, seen = trio.current_time(), 0
        while seen < expected and trio.current_time() < last + GIVEN_UP_AFTER:
            await trio.sleep(0.001)
            if self._tally.shown_offline > seen:
                last, seen = trio.current_time(), self._tally.shown_offline

    def _arrive(self, each: CountingConnection) -> None:
        claims = Claims(each.user_id, float("inf"))
        connected = Connected(each.connection, each.device)
        self._node.connections.add(each, State.ONLINE)
        self._node.users.tell_nowait(each.user_id, Arrive(connected, claims, each, Reply()))

    def _ping(self, each: CountingConnection) -> None:
        self._pinged_at[each.user_id] = trio.current_time()
        slot = ("pinged", each.connection)
        self._node.users.tell_nowait(each.user_id, Pinged(each.connection), slot=slot)

    async def _tell(self, group: Group, tell: Callable[[CountingConnection], None]) -> None:
        """Tell each of *group* something, and wait until their actors are at rest."""
        for first in range(0, len(group), AT_ONCE):
            for each in group[first : first + AT_ONCE]:
                tell(each)
            await trio.lowlevel.checkpoint()
        await self._wait_at_rest()

    async def _wait_at_rest(self) -> None:
        while self._node.users.statistics().working:
            await trio.lowlevel.checkpoint()

    async def _wait_written(self) -> None:
        ticket = self._node.writer.settle(self._node.incarnation.versions.epoch)  # the newest one
        await self._node.writer.wait_committed(ticket, within=WRITTEN_WITHIN)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Within the block time passes, as the real one does."""
        self._clock.rate = 1
        try:
            yield
        finally:
            self._clock.rate = 0

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[Stalls]:
        """Within the block time passes, and its stalls are those of the node.

        The sets and lists that this file made, a million each, the
        collector sees before: no server makes such.
        """
        self._collector.look()
        with self._running():
            async with watch_stalls() as stalls:
                yield stalls

    async def _leap_to(self, at: float) -> None:
        """Have it be exactly *at*, with a while of real time before for what the leap set off."""
        self._clock.jump(max(0.0, at - 2 * CATCH_UP - trio.current_time()))
        with self._running():
            await trio.sleep(CATCH_UP)
        self._clock.jump(at - trio.current_time())
        # Of all that was made while time stood still, which it would have seen bit by bit.
        self._collector.look()

    # -- what should have happened -----------------------------------------------------------

    def _next_sweep(self, after: float) -> float:
        """The first sweep at *after* or later."""
        return -(-after // self._every) * self._every

    def _swept_by(self, due: float) -> set[UserId]:
        """The users silent for long enough at *due*, from the times of their pings alone."""
        latest = due - self._expires_after
        return {user_id for user_id, at in self._pinged_at.items() if at <= latest}

    def _check_swept(self, swept: Collection[UserId]) -> dict[str, int]:
        """Those of *swept* were told so once, the others nothing; others see it likewise."""
        crowd = self._crowd.everybody
        due = [each for each in crowd if each.user_id in swept]
        others = [each for each in crowd if each.user_id not in swept]
        return {
            "missed": sum(not each.offline for each in due),
            "swept_wrongly": sum(each.offline > 0 for each in others),
            "told_twice": sum(each.offline > 1 for each in due),
            "seen_wrongly": sum(map(self._is_visible, due))
            + sum(not self._is_visible(each) for each in others),
        }

    def _count_not_returned(self, swept: Collection[UserId]) -> int:
        """Everybody is seen again; those of *swept* were told so once, the others nothing."""
        return sum(
            each.online != (each.user_id in swept) or not self._is_visible(each)
            for each in self._crowd.everybody
        )

    def _is_visible(self, each: CountingConnection) -> bool:
        view = self._node.public_views.peek(each.user_id)
        return view is not None and view.is_visible

    def _forget(self) -> None:
        """Updates until now do not count."""
        self._tally.forget()
        for each in self._crowd.everybody:
            each.offline = each.online = 0


async def main(options: dict[str, Any], clock: MockClock) -> None:
    """Bring up the node, then measure as often as asked."""
    config = Config(
        pipe_port="off",
        data=Path(options["directory"]) / "data",
        port=0,
        everyone_server=False,  # nobody else is told, so that only the sweep is measured
        restart_grace_after=0.0,
        # Ten times the usual: however slow the machine, it is done before the next sweep.
        sweep_every=1200.0,
        ping_expires_after=3000.0,
    )
    open_log("json", "warning")
    collector, stop, ready = GcPacer(), trio.Event(), trio.Event()
    async with open_server(config) as server, trio.open_nursery() as collecting:
        collecting.start_soon(collector.run)  # as `process.serve` does
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run, lambda ports: ready.set(), stop)
            await ready.wait()
            clock.rate = 0
            sweeping = Sweeping(server.node, clock, config, collector, options["n"])
            figures = await sweeping.bring_up()
            for _ in range(options["repeats"]):
                told = await sweeping.measure()
                told["figures"] |= figures
                print(json.dumps(told), flush=True)
            clock.rate = 1
            stop.set()
        collecting.cancel_scope.cancel()


if __name__ == "__main__":
    clock = MockClock(rate=1)
    trio.run(main, json.loads(sys.argv[1]), clock, clock=clock)
