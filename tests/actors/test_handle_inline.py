"""A child at rest handles what is handed over in the sender's task; all else is as told."""

from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import ActorCrashed, ActorStopped, Behaviour, RestartBudget, open_dynamic_supervisor

ROOMY = RestartBudget(max_restarts=1000, within=60)


class Desk:
    """Builds the clerks of a test and notes what they do."""

    def __init__(self):
        self.notes = []
        self.reports = []
        self.tell = None
        self.is_idle = False

    def open(self):
        return open_dynamic_supervisor(
            "clerks",
            partial(Clerk, self),
            mailbox_capacity=10,
            child_budget=ROOMY,
            budget=ROOMY,
            on_crash=lambda key, error, restart_in: self.reports.append((key, repr(error))),
        )


class Clerk(Behaviour):
    """Handles letters at once and parcels in its task; "boom" crashes, "echo" tells itself."""

    def __init__(self, desk, key):
        self.desk, self.key = desk, key
        self.letters = 0

    async def started(self):
        self.desk.notes.append("started")

    async def stopped(self):
        self.desk.notes.append("stopped")

    @property
    def is_idle(self):
        return self.desk.is_idle

    def receive_nowait(self, message):
        if message.startswith("parcel"):
            return False
        if message == "boom":
            raise ValueError("boom")
        if message == "echo":
            self.desk.tell(self.key, "letter told by itself")
        self.letters += 1
        self.desk.notes.append(f"{message} ({self.letters})")
        return True

    async def receive(self, message):
        if not self.receive_nowait(message):
            await trio.lowlevel.checkpoint()
            self.desk.notes.append(message)


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
async def clerks(desk):
    async with desk.open() as supervisor:
        supervisor.tell_nowait("ann", "letter")
        await wait_all_tasks_blocked()
        desk.notes.clear()
        desk.tell = supervisor.tell_nowait
        yield supervisor


async def test_a_child_at_rest_has_handled_it_when_the_call_returns(desk, clerks):
    clerks.handle_inline("ann", "letter")
    assert desk.notes == ["letter (2)"]
    assert clerks.statistics().resting == 1


async def test_an_unknown_child_is_started_first_in_a_task_of_its_own(desk, clerks):
    clerks.handle_inline("bob", "letter")
    assert desk.notes == []
    await wait_all_tasks_blocked()
    assert desk.notes == ["started", "letter (1)"]


async def test_a_busy_child_handles_it_after_earlier_messages(desk, clerks):
    clerks.tell_nowait("ann", "parcel")
    clerks.handle_inline("ann", "letter")
    assert desk.notes == []
    await wait_all_tasks_blocked()
    assert desk.notes == ["parcel", "letter (2)"]


async def test_a_declined_message_is_received_in_the_childs_task(desk, clerks):
    clerks.handle_inline("ann", "parcel")
    assert desk.notes == []
    await wait_all_tasks_blocked()
    assert desk.notes == ["parcel"]


async def test_a_declined_message_merges_in_its_slot(desk, clerks):
    for name in ("parcel 1", "parcel 2"):
        clerks.handle_inline("ann", name, slot="parcels", merge=lambda old, new: f"{old}, {new}")
    await wait_all_tasks_blocked()
    assert desk.notes == ["parcel 1, parcel 2"]


async def test_messages_during_inline_handling_come_next_in_the_same_child(desk, clerks):
    clerks.handle_inline("ann", "echo")
    assert desk.notes == ["echo (2)"]
    await wait_all_tasks_blocked()
    assert desk.notes == ["echo (2)", "letter told by itself (3)"]


async def test_a_crash_is_the_childs_own_and_the_next_message_finds_a_fresh_one(
    desk, clerks, autojump_clock
):
    clerks.handle_inline("ann", "boom")
    clerks.tell_nowait("ann", "letter")
    await trio.sleep(60)
    assert desk.reports == [("ann", "ValueError('boom')")]
    assert desk.notes == ["started", "letter (1)"]


async def test_a_child_that_is_idle_afterwards_is_retired(desk, clerks):
    desk.is_idle = True
    clerks.handle_inline("ann", "letter")
    await wait_all_tasks_blocked()
    assert desk.notes == ["letter (2)", "stopped"]
    assert len(clerks) == 0


async def test_a_closed_supervisor_takes_nothing_over(desk, clerks):
    clerks.close()
    with pytest.raises(ActorStopped):
        clerks.handle_inline("ann", "letter")
    assert desk.notes == []


# -- asking ----------------------------------------------------------------------------------


class Counter(Behaviour):
    """Answers questions with how many it was asked; "late" ones in its task, "boom" crashes."""

    def __init__(self, key):
        self.asked = 0

    def receive_nowait(self, message):
        word, reply = message
        if word == "late":
            return False
        if word == "boom":
            raise ValueError("boom")
        self.asked += 1
        reply.answer(self.asked)
        return True

    async def receive(self, message):
        await trio.lowlevel.checkpoint()
        self.receive_nowait(("word", message[1]))


@pytest.fixture
async def ask_counter(autojump_clock):
    counters = open_dynamic_supervisor(
        "counters", Counter, mailbox_capacity=10, child_budget=ROOMY, budget=ROOMY
    )

    async with counters as supervisor:
        yield lambda word: supervisor.ask_inline(
            "ann", lambda reply: (word, reply), timeout=5.0, slot=None
        )


async def test_a_question_is_answered_whether_the_child_is_new_at_rest_or_needs_its_task(
    ask_counter,
):
    words = ["word", "word", "late", "word"]
    assert [await ask_counter(word) for word in words] == [1, 2, 3, 4]


async def test_a_question_that_crashes_the_child_says_so_and_the_next_one_is_answered(ask_counter):
    assert await ask_counter("word") == 1
    await wait_all_tasks_blocked()
    with pytest.raises(ActorCrashed):
        await ask_counter("boom")
    assert await ask_counter("word") == 1
