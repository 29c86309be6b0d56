"""The timer: exact times, the stall guard, and what outlives a crash."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import Timer
from actors.timer import BATCH, CATCH_UP_AFTER, LOOKS


class Told(list[tuple[float, str, bool]]):
    """The deadlines that fired: when, which key, and whether after a stall."""

    def note(self, key):
        return lambda stalled: self.append((trio.current_time(), key, stalled))


@pytest.fixture
def told():
    return Told()


async def test_deadlines_fire_at_their_exact_times(nursery, autojump_clock, told):
    timer = Timer()
    timer.set("b", 20, told.note("b"))  # before run
    await nursery.start(timer.run)
    timer.set("a", 10, told.note("a"))
    await trio.sleep(30)
    assert told == [(10, "a", False), (20, "b", False)]
    assert len(timer) == 0
    timer.close()


async def test_a_sooner_deadline_wakes_the_sleeping_task(nursery, autojump_clock, told):
    timer = Timer()
    await nursery.start(timer.run)
    timer.set("late", 100, told.note("late"))
    await trio.sleep(1)
    timer.set("soon", 2, told.note("soon"))
    await trio.sleep(2)
    assert told == [(2, "soon", False)]
    timer.close()


async def test_a_renewed_or_cancelled_deadline_does_not_fire_at_its_old_time(
    nursery, autojump_clock, told
):
    timer = Timer()
    await nursery.start(timer.run)
    timer.set("renewed", 1, told.note("old"))
    timer.set("cancelled", 1, told.note("cancelled"))
    timer.set("renewed", 5, told.note("new"))
    timer.cancel("cancelled")
    timer.cancel("unknown")
    await trio.sleep(10)
    assert told == [(5, "new", False)]
    timer.close()


async def test_a_past_deadline_fires_at_once_without_a_stall(nursery, autojump_clock, told):
    await trio.sleep(100)
    timer = Timer()
    await nursery.start(timer.run)
    await wait_all_tasks_blocked()
    timer.set("past", 10, told.note("past"))
    await trio.sleep(1)
    assert told == [(100, "past", False)]
    timer.close()


async def test_a_notify_may_set_its_deadline_anew(nursery, autojump_clock, told):
    timer = Timer()

    def tick(stalled):
        told.note("tick")(stalled)
        timer.set("tick", trio.current_time() + 2, tick)

    timer.set("tick", 1, tick)
    await nursery.start(timer.run)
    await trio.sleep(6)
    assert told == [(1, "tick", False), (3, "tick", False), (5, "tick", False)]
    timer.close()


async def test_other_tasks_run_between_batches_of_deadlines(nursery, autojump_clock):
    timer, told, seen = Timer(), [], set()
    for n in range(3 * BATCH):
        timer.set(n, 1, told.append)

    async def watch():
        await trio.sleep(1)
        while len(told) < 3 * BATCH:
            seen.add(len(told))
            await trio.lowlevel.checkpoint()

    nursery.start_soon(watch)
    await nursery.start(timer.run)
    await trio.sleep(2)
    assert len(told) == 3 * BATCH
    # Trio shuffles the tasks of each round, so one of the two pauses may go unseen.
    assert seen <= {0, BATCH, 2 * BATCH}
    assert seen & {BATCH, 2 * BATCH}
    timer.close()


async def test_other_tasks_run_while_many_deadlines_set_later_are_passed_over(
    nursery, autojump_clock, told
):
    timer, turns = Timer(), []
    for at in (1, 9):
        for n in range(10 * LOOKS):
            timer.set(n, at, told.note(n))
    timer.set("due", 1, told.note("due"))

    async def watch():
        await trio.sleep(1)
        while not told:
            turns.append(1)
            await trio.lowlevel.checkpoint()

    nursery.start_soon(watch)
    await nursery.start(timer.run)
    await trio.sleep(2)
    assert told == [(1, "due", False)]
    assert len(turns) >= 9
    timer.close()


async def test_a_postponed_deadline_fires_once(nursery, autojump_clock, told):
    timer = Timer()
    for at in (1, 9):
        for n in range(3 * LOOKS):
            timer.set(n, at, told.note(n))
    await nursery.start(timer.run)
    await trio.sleep(10)
    assert told == [(9, n, False) for n in range(3 * LOOKS)]
    timer.close()


async def test_a_raising_notify_loses_only_its_own_deadline(autojump_clock, told):
    timer = Timer()

    def fail(stalled):
        raise RuntimeError("boom")

    timer.set("a", 1, told.note("a"))
    timer.set("bad", 1, fail)
    timer.set("b", 1, told.note("b"))
    timer.set("c", 3, told.note("c"))
    with pytest.raises(RuntimeError, match="boom"):
        await timer.run()
    timer.set("end", 4, lambda _: timer.close())
    await timer.run()
    assert told == [(1, "a", False), (1, "b", False), (3, "c", False)]


async def test_closing_ends_run_without_telling_more(nursery, autojump_clock, told):
    timer = Timer()
    timer.set("a", 10, told.note("a"))
    timer.set("b", 5, lambda _: timer.close())
    timer.set("c", 5, told.note("c"))
    await timer.run()
    assert (trio.current_time(), told) == (5, [])


async def stall(mock_clock, seconds):
    """Let all settle, then let time pass without any task running."""
    await wait_all_tasks_blocked()
    mock_clock.jump(seconds)


async def test_after_a_stall_due_deadlines_fire_as_stalled(nursery, mock_clock, told):
    timer = Timer(stalled_after=5)
    timer.set("due", 10, told.note("due"))
    timer.set("also due", 15, told.note("also due"))
    timer.set("later", 60, told.note("later"))
    await nursery.start(timer.run)
    await stall(mock_clock, 20)
    await wait_all_tasks_blocked()
    mock_clock.jump(CATCH_UP_AFTER)
    await wait_all_tasks_blocked()
    now = 20 + CATCH_UP_AFTER
    assert told == [(now, "due", True), (now, "also due", True)]
    mock_clock.jump(60 - now)
    await wait_all_tasks_blocked()
    assert told[2:] == [(60, "later", False)]
    timer.close()


async def test_a_deadline_renewed_while_catching_up_does_not_fire(nursery, mock_clock, told):
    timer = Timer(stalled_after=5)
    timer.set("renewed", 10, told.note("renewed"))
    timer.set("silent", 10, told.note("silent"))
    await nursery.start(timer.run)

    async def read_socket():
        await trio.sleep_until(20.01)
        timer.set("renewed", 40, told.note("renewed"))

    nursery.start_soon(read_socket)
    await stall(mock_clock, 20)
    await wait_all_tasks_blocked()
    mock_clock.jump(CATCH_UP_AFTER)
    await wait_all_tasks_blocked()
    assert [(key, stalled) for _, key, stalled in told] == [("silent", True)]
    timer.close()


async def test_being_a_little_late_is_no_stall(nursery, mock_clock, told):
    timer = Timer(stalled_after=5)
    timer.set("a", 10, told.note("a"))
    await nursery.start(timer.run)
    await stall(mock_clock, 15)
    await wait_all_tasks_blocked()
    assert told == [(15, "a", False)]
    timer.close()


async def test_a_stall_is_remembered_over_a_crash_while_telling(nursery, mock_clock, told):
    timer = Timer(stalled_after=5)

    def fail(stalled):
        told.note("bad")(stalled)
        raise RuntimeError("boom")

    async def run_twice():
        with pytest.raises(RuntimeError, match="boom"):
            await timer.run()
        await timer.run()

    timer.set("bad", 10, fail)
    timer.set("next", 11, told.note("next"))
    nursery.start_soon(run_twice)
    await stall(mock_clock, 20)
    await wait_all_tasks_blocked()
    mock_clock.jump(CATCH_UP_AFTER)
    await wait_all_tasks_blocked()
    assert [(key, stalled) for _, key, stalled in told] == [("bad", True), ("next", True)]
    timer.close()
