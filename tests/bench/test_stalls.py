"""The probe in the loop: what keeps others waiting is seen, and by its own kind."""

import gc
import time

import trio

from bench.workers.stalls import watch_stalls


def burn(seconds):
    """Use that much CPU time of this thread, without letting anybody else run."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_a_task_that_hogs_the_loop_is_the_longest_step_turn_and_stall():
    async def hog():
        burn(0.05)
        await trio.lowlevel.checkpoint()

    async with watch_stalls() as stalls, trio.open_nursery() as nursery:
        await trio.sleep(0.01)
        nursery.start_soon(hog, name="hog")
    figures = stalls.figures()
    assert min(figures["stall_ms"], figures["turn_ms"], figures["step_ms"]) > 40
    assert stalls.longest_step_of == "hog"


async def test_many_short_steps_make_a_long_turn_and_no_long_step():
    async def step():
        burn(0.002)

    async with watch_stalls() as stalls, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(step)
    figures = stalls.figures()
    assert figures["turn_ms"] > 38
    assert figures["step_ms"] < figures["turn_ms"] / 2


async def test_stalls_outside_the_window_do_not_count():
    burn(0.05)
    async with watch_stalls() as stalls:
        pass
    burn(0.05)
    await trio.lowlevel.checkpoint()
    assert stalls.figures()["turn_ms"] < 45


async def test_collections_are_timed_and_every_wake_is_in_the_histogram():
    async with watch_stalls() as stalls:
        gc.collect()
        await trio.sleep(0.02)
    assert stalls.longest_collection > 0
    assert stalls.lateness.total() > 1
    assert not any(callback.__name__ == "_note_collection" for callback in gc.callbacks)
