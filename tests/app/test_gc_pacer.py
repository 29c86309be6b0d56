"""Garbage in cycles goes soon, and nothing that takes long is done at once."""

import gc
import weakref

import pytest
import trio
import trio.testing

from presence.gc_pacer import AT_MOST, BURST, EVERY, SECOND_LOOK_AFTER, GcPacer


class Loop:
    """An object in a cycle with itself."""

    def __init__(self):
        self.itself = self


def lost_loop():
    return weakref.ref(Loop())


class Looks:
    """Notes what is asked of the interpreter's collector; each look takes *seconds*."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.now = 0.0
        self.done = []

    def collect(self, generation):
        self.done.append(("young", "middle", "all")[generation])
        self.now += self.seconds
        return 0

    def keep(self):
        self.done.append("keep")

    def collector(self):
        return GcPacer(self.collect, self.keep, lambda: self.now)


@pytest.fixture
async def running(nursery, autojump_clock):
    # Without `keep`: what is frozen would be so for all other tests. Nor shall it
    # matter how busy the machine is.
    collector = GcPacer(keep=lambda: None, clock=lambda: 0.0)
    nursery.start_soon(collector.run)
    await trio.testing.wait_all_tasks_blocked()


async def test_a_young_cycle_is_gone_at_the_next_look(running):
    lost = lost_loop()
    await trio.sleep(EVERY * 1.5)
    assert lost() is None


@pytest.mark.slow
async def test_a_cycle_that_lived_through_a_look_is_gone_at_the_second(running):
    kept = Loop()
    lost = weakref.ref(kept)
    await trio.sleep(EVERY * 1.5)
    del kept
    await trio.sleep(EVERY * 2)
    assert lost() is not None
    await trio.sleep(EVERY * SECOND_LOOK_AFTER * 2)  # the first is left out if there was a burst
    assert lost() is None


async def test_a_burst_of_new_objects_is_looked_at_while_it_comes(running):
    lost = lost_loop()
    burst = [[] for _ in range(2 * BURST)]
    assert lost() is None
    assert len(burst) == 2 * BURST


async def test_the_interpreters_own_collector_looks_at_nothing_old_meanwhile(running):
    collected = []

    def note(phase, info):
        collected.append(info["generation"])

    gc.callbacks.append(note)
    burst = [[] for _ in range(50 * BURST)]
    gc.callbacks.remove(note)
    assert set(collected) == {0}
    assert len(burst) == 50 * BURST


async def test_the_interpreters_own_collector_is_left_as_it_was(autojump_clock):
    before = gc.get_threshold(), list(gc.callbacks), gc.isenabled()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(GcPacer(keep=lambda: None).run)
        await trio.testing.wait_all_tasks_blocked()
        assert gc.get_threshold() != before[0]
        nursery.cancel_scope.cancel()
    assert (gc.get_threshold(), list(gc.callbacks), gc.isenabled()) == before


def test_objects_that_outlive_both_looks_are_frozen():
    looks = Looks()
    collector = looks.collector()
    for _ in range(2 * SECOND_LOOK_AFTER):
        collector.look()
    assert looks.done == [*["young"] * SECOND_LOOK_AFTER, "middle", "keep"] * 2


def test_the_second_look_is_left_out_where_it_would_take_long():
    looks = Looks(seconds=1.1 * AT_MOST / SECOND_LOOK_AFTER)
    collector = looks.collector()
    for _ in range(SECOND_LOOK_AFTER):
        collector.look()
    assert looks.done == [*["young"] * SECOND_LOOK_AFTER, "keep"]
    looks.seconds = 0.0
    for _ in range(SECOND_LOOK_AFTER):
        collector.look()
    assert looks.done[-2:] == ["middle", "keep"]


def test_after_a_burst_too_the_second_look_is_left_out():
    looks = Looks()
    collector = looks.collector()
    collector.note("stop", {"generation": 0})
    for _ in range(2 * SECOND_LOOK_AFTER):
        collector.look()
    young = ["young"] * SECOND_LOOK_AFTER
    assert looks.done == [*young, "keep", *young, "middle", "keep"]


def test_nothing_but_the_young_and_the_nearly_young_is_ever_looked_at():
    looks = Looks()
    collector = looks.collector()
    for _ in range(10 * SECOND_LOOK_AFTER):
        collector.look()
    assert "all" not in looks.done
