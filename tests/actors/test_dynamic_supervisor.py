"""Keyed children: on demand, task-less when idle, with a budget each and quarantine."""

from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    ActorCrashed,
    ActorStopped,
    Behaviour,
    DynamicSupervisor,
    DynamicSupervisorStatistics,
    MailboxFull,
    RestartBudget,
    RestartsExhausted,
    open_dynamic_supervisor,
)

ROOMY = RestartBudget(max_restarts=1000, within=60)


class Stage:
    """Builds the children of a test and notes what all of them do."""

    def __init__(self):
        self.notes = []
        self.reports = []
        self.idle = False
        self.slow_stop = 0.0

    def note(self, *what):
        self.notes.append((trio.current_time(), *what))

    def report(self, key, error, restart_in):
        self.reports.append((trio.current_time(), key, type(error), restart_in))

    def open(self, **options):
        options = {
            "mailbox_capacity": 100,
            "child_budget": ROOMY,
            "budget": ROOMY,
            "on_crash": self.report,
            **options,
        }
        return open_dynamic_supervisor("users", partial(Player, self), **options)

    def handled(self, key=None):
        return [what for _, who, what in self.notes if who == key or key is None]


class Player(Behaviour):
    """Notes texts and numbers; "boom" crashes; a float sleeps; a reply gets the notes."""

    def __init__(self, stage, key):
        self.stage, self.key = stage, key

    async def started(self):
        self.stage.note(self.key, "started")
        if self.key == "unborn":
            raise OSError("cannot start")

    async def stopped(self):
        self.stage.note(self.key, "stopping")
        await trio.sleep(self.stage.slow_stop)

    @property
    def is_idle(self):
        return self.stage.idle

    async def receive(self, message):
        if message == "boom":
            raise ValueError("boom")
        if isinstance(message, float):
            await trio.sleep(message)
        elif hasattr(message, "answer"):
            message.answer(self.stage.handled(self.key))
            return
        self.stage.note(self.key, message)


@pytest.fixture
def stage():
    return Stage()


async def settle():
    await wait_all_tasks_blocked()


# --- on demand, at rest, retired ----------------------------------------------------------


async def test_the_first_message_starts_a_child_and_the_next_finds_the_same(stage):
    async with stage.open() as users:
        assert (len(users), users.is_alive("u1")) == (0, False)
        users.tell_nowait("u1", "a")
        await settle()
        users.tell_nowait("u1", "b")
        await settle()
        assert stage.handled() == ["started", "a", "b"]
        assert (len(users), users.is_alive("u1")) == (1, True)


async def test_a_child_at_rest_holds_no_task_and_no_mailbox(stage):
    async with stage.open() as users:
        before = trio.lowlevel.current_statistics().tasks_living
        for n in range(50):
            users.tell_nowait(n, "a")
        await settle()
        assert trio.lowlevel.current_statistics().tasks_living == before
        assert users.statistics() == DynamicSupervisorStatistics(50, 0, 0, 0)


async def test_an_idle_child_is_retired_and_forgotten(stage):
    stage.idle = True
    async with stage.open() as users:
        users.tell_nowait("u1", "a")
        await settle()
        assert stage.handled() == ["started", "a", "stopping"]
        assert (len(users), users.is_alive("u1")) == (0, False)


async def test_messages_that_arrive_during_retirement_go_to_a_fresh_child_in_order(
    stage, autojump_clock
):
    stage.idle, stage.slow_stop = True, 5
    async with stage.open() as users:
        users.tell_nowait("u1", "a")
        await trio.sleep(1)
        users.tell_nowait("u1", "b")
        await trio.sleep(1)
        users.tell_nowait("u1", "c")
        await trio.sleep(20)
        assert stage.notes == [
            (0, "u1", "started"),
            (0, "u1", "a"),
            (0, "u1", "stopping"),
            (5, "u1", "started"),
            (5, "u1", "b"),
            (5, "u1", "c"),
            (5, "u1", "stopping"),
        ]
        assert len(users) == 0


async def test_a_ref_stays_good_over_retirement_and_crash(stage):
    stage.idle = True
    async with stage.open() as users:
        ref = users.ref("u1")
        for message in ("a", "boom", "b"):
            ref.tell_nowait(message)
            await settle()
        assert [what for what in stage.handled() if what in "ab"] == ["a", "b"]


async def test_a_busy_child_does_not_starve_others(stage):
    async with stage.open(mailbox_capacity=1000) as users:
        for n in range(1000):
            users.tell_nowait("busy", str(n))
        await trio.lowlevel.checkpoint()
        users.tell_nowait("other", "a")
        await settle()
    order = [who for _, who, _ in stage.notes]
    assert order.index("other") < 4 * 64


# --- crashes ------------------------------------------------------------------------------


async def test_a_crash_drops_only_its_message_and_the_rest_is_handled_by_a_fresh_child(stage):
    async with stage.open() as users:
        for message in ("a", "boom", "b"):
            users.tell_nowait("u1", message)
        await settle()
        assert users.statistics() == DynamicSupervisorStatistics(1, 0, 0, 1)
    assert stage.handled() == ["started", "a", "started", "b"]
    assert stage.reports == [(stage.reports[0][0], "u1", ValueError, 0)]


async def test_messages_from_before_the_back_off_come_first(stage, autojump_clock):
    async with stage.open(child_budget=RestartBudget(5, within=60, backoff=2)) as users:
        users.tell_nowait("u1", "boom")
        users.tell_nowait("u1", "waited")
        await trio.sleep(1)
        assert (len(users), users.is_alive("u1")) == (1, False)
        users.tell_nowait("u1", "came")
        await trio.sleep(5)
    assert stage.notes == [
        (0, "u1", "started"),
        (2, "u1", "started"),
        (2, "u1", "waited"),
        (2, "u1", "came"),
    ]


async def test_a_back_off_holds_also_when_nothing_waited(stage, autojump_clock):
    async with stage.open(child_budget=RestartBudget(5, within=60, backoff=2)) as users:
        users.tell_nowait("u1", "boom")
        await trio.sleep(1)
        users.tell_nowait("u1", "a")
        await trio.sleep(5)
    assert stage.notes[1:] == [(2, "u1", "started"), (2, "u1", "a")]


async def test_a_crash_fails_the_ask(stage):
    async with stage.open() as users:
        with pytest.raises(ActorCrashed) as caught:
            await users.ask("u1", lambda _: "boom", timeout=1)
        assert isinstance(caught.value.__cause__, ValueError)


async def test_a_crash_in_started_drops_nothing_but_counts(stage, autojump_clock):
    budget = RestartBudget(2, within=60, backoff=1)
    async with stage.open(child_budget=budget, quarantine_after=30) as users:
        users.tell_nowait("unborn", "a")
        await trio.sleep(10)
        assert users.statistics() == DynamicSupervisorStatistics(0, 1, 1, 3)
    assert stage.reports == [
        (0, "unborn", OSError, 1),
        (1, "unborn", OSError, 2),
        (3, "unborn", RestartsExhausted, 30),
    ]


async def test_a_crash_in_the_farewell_loses_no_message(stage):
    class Grumpy(Player):
        async def stopped(self):
            raise KeyError("no farewell")

    stage.idle = True
    async with open_dynamic_supervisor(
        "users", partial(Grumpy, stage), mailbox_capacity=9, child_budget=ROOMY, budget=ROOMY
    ) as users:
        for message in "ab":
            users.tell_nowait("u1", message)
            await settle()
        assert stage.handled() == ["started", "a", "started", "b"]
        assert len(users) == 0


# --- quarantine and exhaustion ------------------------------------------------------------

STRICT = RestartBudget(max_restarts=1, within=60)


async def test_a_poison_child_is_quarantined_and_then_tried_again(stage, autojump_clock):
    async with stage.open(child_budget=STRICT, mailbox_capacity=2, quarantine_after=30) as users:
        users.tell_nowait("u1", "boom")
        users.tell_nowait("u1", "boom")
        await trio.sleep(1)
        for message in ("a", "b"):
            users.tell_nowait("u1", message)
        with pytest.raises(MailboxFull):
            users.tell_nowait("u1", "over the bound")
        users.tell_nowait("u1", "alive", slot="c1")
        users.tell_nowait("u2", "undisturbed")
        await trio.sleep(1)
        assert users.statistics() == DynamicSupervisorStatistics(1, 1, 1, 2)
        await trio.sleep(100)
        assert users.statistics() == DynamicSupervisorStatistics(2, 0, 0, 2)
    assert [note for note in stage.notes if note[0] > 0] == [
        (1, "u2", "started"),
        (1, "u2", "undisturbed"),
        (30, "u1", "started"),
        (30, "u1", "a"),
        (30, "u1", "b"),
        (30, "u1", "alive"),
    ]
    assert stage.reports == [(0, "u1", ValueError, 0), (0, "u1", RestartsExhausted, 30)]


async def test_retirement_does_not_wash_a_poison_child_clean(stage, autojump_clock):
    stage.idle = True
    async with stage.open(child_budget=STRICT, quarantine_after=30) as users:
        for message in ("boom", "a", "boom"):
            users.tell_nowait("u1", message)
            await trio.sleep(1)
        assert users.statistics().quarantined == 1


async def test_after_a_quarantine_the_budget_is_whole_again(stage, autojump_clock):
    async with stage.open(child_budget=STRICT, quarantine_after=5) as users:
        for _ in range(3):
            users.tell_nowait("u1", "boom")
        await trio.sleep(10)
    assert [error for *_, error, _ in stage.reports] == [ValueError, RestartsExhausted, ValueError]


async def test_too_many_quarantines_end_the_supervisor(stage, autojump_clock):
    async def live():
        async with stage.open(
            child_budget=RestartBudget(0, within=60), budget=RestartBudget(2, within=60)
        ) as users:
            for key in ("u1", "u2", "u3"):
                users.tell_nowait(key, "boom")
                await trio.sleep(1)
            await trio.sleep_forever()

    with pytest.raises(RestartsExhausted, match="users used up") as caught:
        await live()
    assert str(caught.value.__cause__) == "'u3' used up its restart budget"
    assert isinstance(caught.value.__cause__.__cause__, ValueError)
    assert [restart_in for *_, restart_in in stage.reports] == [60, 60, None]
    assert trio.current_time() == 2


async def test_histories_of_calm_children_are_forgotten(stage, autojump_clock):
    async with stage.open(child_budget=RestartBudget(3, within=10)) as users:
        for n in range(500):
            users.tell_nowait(n, "boom")
            await trio.sleep(1)
        # Private: the memory of calm children shows nowhere else.
        assert len(users._recovery._histories) < 150


# --- stop ---------------------------------------------------------------------------------


async def test_leaving_the_block_handles_what_waits(stage, autojump_clock):
    async with stage.open(stop_after=10) as users:
        for message in (2.0, "a"):
            users.tell_nowait("u1", message)
    assert stage.notes[1:] == [(2, "u1", 2.0), (2, "u1", "a")]


async def test_a_child_that_hangs_in_its_stop_is_cancelled_and_the_rest_gets_an_error(
    stage, autojump_clock
):
    errors = []

    async def ask(users):
        try:
            await users.ask("u1", lambda reply: reply, timeout=1000)
        except ActorStopped:
            errors.append(trio.current_time())

    async with trio.open_nursery() as askers, stage.open(stop_after=3) as users:
        users.tell_nowait("u1", 500.0)
        askers.start_soon(ask, users)
        await settle()
    assert errors == [3]


async def test_a_closed_supervisor_refuses_every_key(stage):
    async with stage.open() as users:
        users.tell_nowait("u1", "a")
        await settle()
        users.close()
        for key in ("u1", "new"):
            with pytest.raises(ActorStopped):
                users.tell_nowait(key, "late")
            with pytest.raises(ActorStopped):
                await users.ask(key, lambda reply: reply, timeout=1)


async def test_a_back_off_is_cut_short_by_the_stop_and_the_rest_is_handled(stage, autojump_clock):
    async with stage.open(child_budget=RestartBudget(5, within=60, backoff=20)) as users:
        for message in ("boom", "a"):
            users.tell_nowait("u1", message)
        await trio.sleep(1)
    assert stage.notes[1:] == [(1, "u1", "started"), (1, "u1", "a")]


async def test_a_quarantined_child_does_not_delay_the_stop(stage, autojump_clock):
    async with stage.open(child_budget=RestartBudget(0, within=60)) as users:
        for message in ("boom", "a"):
            users.tell_nowait("u1", message)
        await trio.sleep(1)
    assert (trio.current_time(), stage.handled()) == (1, ["started"])


async def test_crashes_in_the_stop_do_not_use_up_the_supervisors_budget(stage, autojump_clock):
    none = RestartBudget(0, within=60)
    async with stage.open(child_budget=none, budget=none) as users:
        users.tell_nowait("u1", "boom")
    assert stage.reports == [(0, "u1", RestartsExhausted, None)]


async def test_cancelling_the_block_still_lets_children_finish(stage, autojump_clock):
    with trio.move_on_after(1):
        async with stage.open(stop_after=10) as users:
            for message in (2.0, "a"):
                users.tell_nowait("u1", message)
            await trio.sleep_forever()
    assert stage.notes[1:] == [(2, "u1", 2.0), (2, "u1", "a")]


async def test_a_stray_base_exception_ends_everything():
    class Stray(BaseException):
        pass

    class Bad(Behaviour):
        async def receive(self, message):
            raise Stray

    async def live():
        async with open_dynamic_supervisor(
            "users", lambda _: Bad(), mailbox_capacity=9, child_budget=ROOMY, budget=ROOMY
        ) as users:
            users.tell_nowait("u1", "a")
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await live()
    assert caught.group_contains(Stray)


# --- a law --------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from("uv")),
        st.tuples(st.just("boom"), st.sampled_from("uv")),
        st.tuples(st.just("sleep"), st.sampled_from([0.5, 1.0, 4.0, 40.0])),
        st.tuples(st.just("idle"), st.booleans()),
    ),
    max_size=40,
)


@given(STEPS)
def test_every_message_but_the_crashing_ones_is_handled_once_in_order(steps):
    told = {"u": [], "v": []}
    stage = Stage()
    stage.slow_stop = 1.0

    async def live():
        child_budget = RestartBudget(2, within=10, backoff=1)
        async with stage.open(child_budget=child_budget, quarantine_after=30) as users:
            for number, (step, value) in enumerate(steps):
                if step == "tell":
                    users.tell_nowait(value, number)
                    told[value].append(number)
                elif step == "boom":
                    users.tell_nowait(value, "boom")
                elif step == "sleep":
                    await trio.sleep(value)
                else:
                    stage.idle = value
            await trio.sleep(2000)  # out of any quarantine
            assert users.statistics().working == 0

    trio.run(live, clock=MockClock(autojump_threshold=0))
    for key, expected in told.items():
        assert [what for what in stage.handled(key) if isinstance(what, int)] == expected


# --- no deadlock --------------------------------------------------------------------------


@asynccontextmanager
async def two_that_tell_each_other(capacity):
    """Two children that pass a number down to zero, each through the other's mailbox."""
    heard = []

    class Peer(Behaviour):
        def __init__(self, key):
            self.key = key

        async def receive(self, number):
            heard.append(number)
            if number:
                peers.tell_nowait(1 - self.key, number - 1)

    async with open_dynamic_supervisor(
        "peers", Peer, mailbox_capacity=capacity, child_budget=ROOMY, budget=ROOMY
    ) as peers:
        yield peers, heard


async def test_actors_with_room_for_one_message_cannot_block_each_other(autojump_clock):
    async with two_that_tell_each_other(capacity=1) as (peers, heard):
        peers.tell_nowait(0, 100)
        await settle()
    assert heard == list(range(100, -1, -1))


async def test_children_live_within_the_block_and_messages_outside_of_it_are_refused(
    autojump_clock,
):
    stage = Stage()
    supervisor = DynamicSupervisor(
        "users", partial(Player, stage), mailbox_capacity=100, child_budget=ROOMY, budget=ROOMY
    )
    with pytest.raises(ActorStopped):
        supervisor.tell_nowait("ada", "early")
    async with supervisor.open():
        supervisor.tell_nowait("ada", "hello")
    with pytest.raises(ActorStopped):
        supervisor.tell_nowait("ada", "late")
    assert stage.handled() == ["started", "hello"]
