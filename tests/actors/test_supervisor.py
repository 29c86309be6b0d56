"""The supervisor: what OTP's own suite covers, in virtual time."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    ActorStopped,
    ChildNotReady,
    ChildSpec,
    Restart,
    RestartBudget,
    RestartsExhausted,
    open_supervisor,
)
from actors.testing import FailsOnNth, Probe

ROOMY = RestartBudget(max_restarts=1000, within=60)


class Child:
    """A child that notes its starts and ends, and ends on command."""

    def __init__(self, name, log):
        self.name, self.log = name, log
        self.starts = []
        self._end = trio.Event()
        self._error = None
        self.closes_after = 0.0

    async def run(self, *, task_status):
        self.starts.append(trio.current_time())
        self._end, self._error = trio.Event(), None
        task_status.started(self.name.upper())
        try:
            await self._end.wait()
            if self._error is not None:
                raise self._error
            await trio.sleep(self.closes_after)
            self.log.append((trio.current_time(), self.name, "ended"))
        except trio.Cancelled:
            self.log.append((trio.current_time(), self.name, "cancelled"))
            raise

    def close(self):
        self._end.set()

    def fail(self, sentence):
        self._error = RuntimeError(sentence)
        self._end.set()

    async def crash(self, error=None):
        self._error = error or RuntimeError(f"{self.name} crashed")
        self._end.set()
        await wait_all_tasks_blocked()

    def spec(self, **options):
        return ChildSpec(self.name, self.run, self.close, **{"budget": ROOMY, **options})


@pytest.fixture
def log():
    return []


async def test_start_returns_when_the_child_is_ready_with_its_value(autojump_clock):
    async def run(*, task_status):
        await trio.sleep(3)
        task_status.started("port 80")
        await trio.sleep_forever()

    async with open_supervisor("top") as supervisor:
        assert await supervisor.start(ChildSpec("child", run)) == "port 80"
        assert trio.current_time() == 3
        assert supervisor.child_names == ("child",)


async def test_a_name_is_taken_while_its_child_lives(log, autojump_clock):
    child = Child("a", log)
    async with open_supervisor("top") as supervisor:
        await supervisor.start(child.spec(restart=Restart.TEMPORARY))
        with pytest.raises(ValueError, match="has a child a already"):
            await supervisor.start(child.spec())
        await child.crash()
        await supervisor.start(child.spec())


# --- stop ---------------------------------------------------------------------------------


async def test_children_stop_in_reverse_order_each_before_the_next_is_asked(log, autojump_clock):
    async with open_supervisor("top") as supervisor:
        for name in "abc":
            child = Child(name, log)
            child.closes_after = 1
            await supervisor.start(child.spec())
    assert log == [(1, "c", "ended"), (2, "b", "ended"), (3, "a", "ended")]


async def test_a_child_that_hangs_in_its_stop_is_cancelled_at_its_deadline(log, autojump_clock):
    async with open_supervisor("top") as supervisor:
        await supervisor.start(Child("patient", log).spec())
        hanging = Child("hanging", log)
        hanging.closes_after = 200
        await supervisor.start(hanging.spec(stop_after=2))
    assert log == [(2, "hanging", "cancelled"), (2, "patient", "ended")]


async def test_a_child_without_close_is_cancelled_at_once(log, autojump_clock):
    async with open_supervisor("top") as supervisor:
        child = Child("a", log)
        await supervisor.start(ChildSpec("a", child.run))
        await trio.sleep(1)
    assert log == [(1, "a", "cancelled")]


async def test_the_stop_order_holds_when_the_block_raises(log, autojump_clock):
    async def live():
        async with open_supervisor("top") as supervisor:
            for name in "ab":
                await supervisor.start(Child(name, log).spec())
            raise KeyError("block")

    with pytest.raises(KeyError, match="block"):
        await live()
    assert log == [(0, "b", "ended"), (0, "a", "ended")]


async def test_the_stop_order_holds_when_the_block_is_cancelled(log, autojump_clock):
    with trio.move_on_after(5) as scope:
        async with open_supervisor("top") as supervisor:
            for name in "ab":
                child = Child(name, log)
                child.closes_after = 1
                await supervisor.start(child.spec(stop_after=3))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert log == [(6, "b", "ended"), (7, "a", "ended")]


async def test_a_child_that_shields_itself_does_not_keep_the_others_from_stopping(
    log, autojump_clock
):
    async def run(*, task_status):
        task_status.started()
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    async with open_supervisor("top") as supervisor:
        await supervisor.start(Child("a", log).spec())
        await supervisor.start(ChildSpec("stubborn", run, stop_after=2))
    assert log == [(4, "a", "ended")]
    assert trio.current_time() == 100


async def test_a_crash_during_the_stop_is_reported_and_not_restarted(log, autojump_clock):
    reports = []
    child = Child("a", log)

    async with open_supervisor("top", on_crash=lambda *report: reports.append(report)) as top:
        await top.start(ChildSpec("a", child.run, lambda: child.fail("last words")))
    assert [(name, str(error), delay) for name, error, delay in reports] == [
        ("a", "last words", None)
    ]
    assert child.starts == [0]


async def test_nothing_is_started_once_the_stop_has_begun(log, autojump_clock):
    async with open_supervisor("top") as supervisor:
        pass
    with pytest.raises(ActorStopped):
        await supervisor.start(Child("late", log).spec())


async def test_a_child_waiting_for_its_restart_does_not_delay_the_stop(log, autojump_clock):
    child = Child("a", log)
    async with open_supervisor("top") as supervisor:
        await supervisor.start(child.spec(budget=RestartBudget(5, within=60, backoff=30)))
        await child.crash()
    assert (trio.current_time(), child.starts) == (0, [0])


# --- restart ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "after_return", "after_error"),
    [
        (Restart.PERMANENT, 2, 2),
        (Restart.TRANSIENT, 1, 2),
        (Restart.TEMPORARY, 1, 1),
    ],
)
async def test_the_restart_kind_decides_which_ends_restart_a_child(
    restart, after_return, after_error, log, autojump_clock
):
    returning, failing = Child("returning", log), Child("failing", log)
    async with open_supervisor("top") as supervisor:
        await supervisor.start(returning.spec(restart=restart))
        await supervisor.start(failing.spec(restart=restart))
        returning.close()
        await failing.crash()
        assert (len(returning.starts), len(failing.starts)) == (after_return, after_error)


async def test_restarts_come_at_their_times_and_are_reported(log, autojump_clock):
    reports, child = [], Child("a", log)
    async with open_supervisor("top", on_crash=lambda *report: reports.append(report)) as top:
        await top.start(child.spec(budget=RestartBudget(5, within=60, backoff=1)))
        for _ in range(3):
            await child.crash()
            await trio.sleep(10)
    assert child.starts == [0, 1, 12, 24]
    assert [(name, type(error), delay) for name, error, delay in reports] == [
        ("a", RuntimeError, 1),
        ("a", RuntimeError, 2),
        ("a", RuntimeError, 4),
    ]


async def test_the_longer_back_off_of_child_and_supervisor_holds(log, autojump_clock):
    child = Child("a", log)
    async with open_supervisor("top", budget=RestartBudget(5, within=60, backoff=3)) as top:
        await top.start(child.spec(budget=RestartBudget(5, within=60, backoff=1)))
        await child.crash()
        await trio.sleep(10)
    assert child.starts == [0, 3]


async def test_a_restart_keeps_the_place_in_the_stop_order(log, autojump_clock):
    children = [Child(name, log) for name in "abc"]
    async with open_supervisor("top") as supervisor:
        for child in children:
            await supervisor.start(child.spec())
        await children[0].crash()
        assert supervisor.child_names == ("a", "b", "c")
    assert [name for _, name, _ in log] == ["c", "b", "a"]


async def test_thousands_of_temporary_children_leave_nothing_behind(log, autojump_clock):
    async with open_supervisor("top") as supervisor:
        for n in range(2000):
            child = Child(f"child {n}", log)
            await supervisor.start(child.spec(restart=Restart.TEMPORARY))
            child.close()
        await wait_all_tasks_blocked()
        assert supervisor.child_names == ()
    assert len(log) == 2000


async def test_an_actor_keeps_its_mailbox_over_a_restart(autojump_clock):
    probes = []

    class Fragile(Probe):
        def __init__(self):
            super().__init__()
            probes.append(self)

        async def receive(self, message):
            if message == "poison":
                raise ValueError(message)
            await super().receive(message)

    actor = Actor(Fragile, capacity=10)
    async with open_supervisor("top") as supervisor:
        spec = ChildSpec("a", actor.run, actor.close, budget=RestartBudget(3, 60, backoff=5))
        ref = await supervisor.start(spec)
        for message in ("a", "poison", "b"):
            ref.tell_nowait(message)
        await trio.sleep(1)
        ref.tell_nowait("c")
        await trio.sleep(10)
    assert [probe.received for probe in probes] == [["a"], ["b", "c"]]


async def test_messages_left_by_an_actor_that_ended_for_good_fail_their_asks(
    nursery, autojump_clock
):
    actor, errors = Actor(lambda: FailsOnNth(1, []), capacity=10), []

    async def ask():
        try:
            await actor.ref.ask(lambda reply: reply, timeout=60)
        except ActorStopped:
            errors.append(trio.current_time())

    async with open_supervisor("top") as supervisor:
        spec = ChildSpec("a", actor.run, actor.close, restart=Restart.TEMPORARY)
        await supervisor.start(spec)
        actor.ref.tell_nowait("boom")
        nursery.start_soon(ask)
        await trio.sleep(1)
        assert errors == [0]


# --- escalation ---------------------------------------------------------------------------


async def test_a_child_that_uses_up_its_budget_ends_the_supervisor_in_order(log, autojump_clock):
    failing, reports = Child("failing", log), []

    async def live():
        async with open_supervisor("top", on_crash=lambda *r: reports.append(r)) as supervisor:
            await supervisor.start(Child("a", log).spec())
            await supervisor.start(failing.spec(budget=RestartBudget(1, within=60)))
            await supervisor.start(Child("c", log).spec())
            await failing.crash()
            await failing.crash()
            await trio.sleep_forever()

    with pytest.raises(RestartsExhausted, match="failing used up") as caught:
        await live()
    assert str(caught.value.__cause__) == "failing crashed"
    assert log == [(0, "c", "ended"), (0, "a", "ended")]
    assert [delay for _, _, delay in reports] == [0, None]


async def test_crashes_of_many_children_use_up_the_supervisors_budget(log, autojump_clock):
    children = [Child(name, log) for name in "abc"]

    async def live():
        async with open_supervisor("top", budget=RestartBudget(2, within=60)) as supervisor:
            for child in children:
                await supervisor.start(child.spec())
            for child in children:
                await child.crash()
            await trio.sleep_forever()

    with pytest.raises(RestartsExhausted, match="top used up"):
        await live()
    assert [len(child.starts) for child in children] == [2, 2, 1]


async def test_exhaustion_escalates_through_nested_supervisors(log, autojump_clock):
    failing, runs = Child("failing", log), []

    async def run(*, task_status):
        runs.append(trio.current_time())
        async with open_supervisor("inner") as inner:
            await inner.start(failing.spec(budget=RestartBudget(0, within=60)))
            task_status.started()
            await trio.sleep_forever()

    async def live():
        async with open_supervisor("outer") as outer:
            await outer.start(ChildSpec("inner", run, budget=RestartBudget(1, within=60)))
            await failing.crash()
            await failing.crash()
            await trio.sleep_forever()

    with pytest.raises(RestartsExhausted, match="inner used up") as caught:
        await live()
    assert runs == [0, 0]
    assert isinstance(caught.value.__cause__, RestartsExhausted)


async def test_an_error_of_the_block_while_it_is_given_up_is_noted(log, autojump_clock):
    failing = Child("failing", log)

    async def live():
        async with open_supervisor("top") as supervisor:
            await supervisor.start(failing.spec(budget=RestartBudget(0, within=60)))
            try:
                await failing.crash()
                await trio.sleep_forever()
            finally:
                raise KeyError("in the block")

    with pytest.raises(RestartsExhausted) as caught:
        await live()
    assert caught.value.__notes__ == ["meanwhile the block raised KeyError('in the block')"]


# --- start --------------------------------------------------------------------------------


async def test_a_first_start_that_raises_is_not_tried_again(autojump_clock):
    tries = []

    async def run(*, task_status):
        tries.append(trio.current_time())
        raise OSError("port taken")

    async with open_supervisor("top") as supervisor:
        with pytest.raises(OSError, match="port taken"):
            await supervisor.start(ChildSpec("child", run))
        await trio.sleep(10)
        assert (tries, supervisor.child_names) == ([0], ())


async def test_a_hanging_start_is_an_error_after_its_time(autojump_clock):
    async def run(*, task_status):
        await trio.sleep_forever()

    async with open_supervisor("top") as supervisor:
        with pytest.raises(ChildNotReady, match="hung in its start"):
            await supervisor.start(ChildSpec("child", run, start_within=4))
        assert (trio.current_time(), supervisor.child_names) == (4, ())


async def test_a_child_that_returns_before_it_is_ready_is_an_error(autojump_clock):
    async def run(*, task_status):
        await trio.sleep(1)

    async with open_supervisor("top") as supervisor:
        with pytest.raises(ChildNotReady, match="ended before it was ready"):
            await supervisor.start(ChildSpec("child", run, restart=Restart.TEMPORARY))


async def test_a_hanging_restart_is_tried_again_and_uses_up_the_budget(autojump_clock):
    starts = []

    async def run(*, task_status):
        starts.append(trio.current_time())
        if len(starts) == 1:
            task_status.started()
            await trio.sleep(1)
            raise RuntimeError("crashed")
        await trio.sleep_forever()

    async def live():
        async with open_supervisor("top") as supervisor:
            spec = ChildSpec("a", run, start_within=4, budget=RestartBudget(2, within=60))
            await supervisor.start(spec)
            await trio.sleep_forever()

    with pytest.raises(RestartsExhausted) as caught:
        await live()
    assert starts == [0, 1, 5]
    assert isinstance(caught.value.__cause__, ChildNotReady)
    assert trio.current_time() == 9


async def test_a_restart_after_a_hanging_one_may_succeed(autojump_clock):
    starts = []

    async def run(*, task_status):
        starts.append(trio.current_time())
        if len(starts) == 2:
            await trio.sleep_forever()
        task_status.started()
        if len(starts) == 1:
            raise RuntimeError("crashed")
        await trio.sleep_forever()

    async with open_supervisor("top") as supervisor:
        await supervisor.start(ChildSpec("a", run, start_within=4))
        await trio.sleep(100)
        assert (starts, supervisor.child_names) == ([0, 0, 4], ("a",))


async def test_a_cancelled_start_cancels_the_child(autojump_clock):
    ended = []

    async def run(*, task_status):
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async with open_supervisor("top") as supervisor:
        with trio.move_on_after(2):
            await supervisor.start(ChildSpec("child", run))
        await wait_all_tasks_blocked()
        assert (ended, supervisor.child_names) == ([2], ())


async def test_saying_twice_that_one_is_ready_is_a_bug_of_the_child(autojump_clock):
    reports = []

    async def run(*, task_status):
        task_status.started()
        task_status.started()

    async with open_supervisor("top", on_crash=lambda *r: reports.append(r)) as supervisor:
        await supervisor.start(ChildSpec("a", run, restart=Restart.TEMPORARY))
        await wait_all_tasks_blocked()
    assert [str(error) for _, error, _ in reports] == ["a said twice that it is ready"]


async def test_a_stray_base_exception_is_not_restarted(log, autojump_clock):
    class Stray(BaseException):
        pass

    child = Child("a", log)

    async def live():
        async with open_supervisor("top") as supervisor:
            await supervisor.start(Child("sibling", log).spec())
            await supervisor.start(child.spec())
            await child.crash(Stray())
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await live()
    assert caught.group_contains(Stray)
    assert (child.starts, log) == ([0], [(0, "sibling", "ended")])
