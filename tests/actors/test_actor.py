"""Actors: replies, asks that never hang, and one actor under its own task."""

from itertools import pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    Actor,
    ActorCrashed,
    ActorStopped,
    AskTimedOut,
    Behaviour,
    ChildSpec,
    MailboxFull,
    MessageReplaced,
    WhenFull,
    open_supervisor,
)
from actors.testing import FailsOnNth, Probe


class Script(Behaviour):
    """Does what its messages say: each is an async function."""

    async def receive(self, message):
        await message()


def answer_with(value):
    """A question, as a message for `Script`, that is answered with *value*."""

    def make(reply):
        async def act():
            reply.answer(value)

        return act

    return make


async def crash():
    raise ZeroDivisionError("boom")


@pytest.fixture
async def script(nursery):
    actor = Actor(Script, capacity=10)
    yield actor
    nursery.cancel_scope.cancel()


async def test_messages_are_handled_one_at_a_time_in_order(nursery):
    probe = Probe()
    actor = Actor(lambda: probe, capacity=10)
    for n in range(3):
        actor.ref.tell_nowait(n)
    ref = await nursery.start(actor.run)
    assert ref is actor.ref
    ref.tell_nowait(3)
    assert await probe.wait_received(4) == [0, 1, 2, 3]
    actor.close()


async def test_an_ask_gets_its_answer(nursery, script):
    await nursery.start(script.run)
    assert await script.ref.ask(answer_with(42), timeout=1) == 42


async def test_an_ask_times_out_at_its_exact_time(script, autojump_clock):
    with pytest.raises(AskTimedOut):
        await script.ref.ask(answer_with(42), timeout=3)
    assert trio.current_time() == 3


async def test_a_behaviour_may_answer_later(nursery, script, autojump_clock):
    def make(reply):
        async def act():
            async def answer_later():
                await trio.sleep(5)
                reply.answer("late")

            nursery.start_soon(answer_later)

        return act

    await nursery.start(script.run)
    assert await script.ref.ask(make, timeout=10) == "late"
    assert trio.current_time() == 5


async def test_only_the_first_answer_counts(nursery, script):
    replies = []

    def make(reply):
        async def act():
            replies.append(reply.is_answered)
            reply.answer("first")
            reply.answer("second")
            reply.fail(RuntimeError("third"))
            replies.append(reply.is_answered)

        return act

    await nursery.start(script.run)
    assert await script.ref.ask(make, timeout=1) == "first"
    assert replies == [False, True]


async def test_a_failed_reply_raises_its_error_at_the_asker(nursery, script):
    def make(reply):
        async def act():
            reply.fail(KeyError("unknown"))

        return act

    await nursery.start(script.run)
    with pytest.raises(KeyError, match="unknown"):
        await script.ref.ask(make, timeout=1)


async def test_an_answer_after_the_deadline_or_a_cancellation_is_ignored(script, autojump_clock):
    kept = []

    def make(reply):
        kept.append(reply)
        return crash

    with pytest.raises(AskTimedOut):
        await script.ref.ask(make, timeout=1)
    with trio.move_on_after(1):
        await script.ref.ask(make, timeout=10)
    assert [reply.is_answered for reply in kept] == [True, True]
    for reply in kept:
        reply.answer("too late")


async def test_a_crash_fails_its_ask_and_drops_only_that_message(script):
    async with open_supervisor("top") as supervisor:
        await supervisor.start(ChildSpec("script", script.run, script.close))
        results = []

        async def ask(make):
            try:
                results.append(await script.ref.ask(make, timeout=1))
            except ActorCrashed as error:
                results.append(type(error.__cause__))

        async with trio.open_nursery() as askers:
            askers.start_soon(ask, lambda _: crash)
            await wait_all_tasks_blocked(0.0)
            askers.start_soon(ask, answer_with("after"))
        assert sorted(results, key=str) == sorted([ZeroDivisionError, "after"], key=str)


async def test_messages_left_behind_at_a_stop_fail_their_asks(nursery, script):
    errors = []

    async def ask():
        with pytest.raises(ActorStopped) as caught:
            await script.ref.ask(answer_with(1), timeout=60)
        errors.append(caught.type)

    nursery.start_soon(ask)
    nursery.start_soon(ask)
    await wait_all_tasks_blocked()
    script.close()
    await wait_all_tasks_blocked()
    assert errors == [ActorStopped, ActorStopped]
    with pytest.raises(ActorStopped):
        script.ref.tell_nowait(crash)


async def test_cancelling_an_actor_fails_the_ask_in_hand_and_those_behind(script, autojump_clock):
    errors = []

    async def ask(make):
        try:
            await script.ref.ask(make, timeout=60)
        except ActorStopped as error:
            errors.append((trio.current_time(), str(error)))

    async with trio.open_nursery() as askers, trio.open_nursery() as actors:
        await actors.start(script.run)
        askers.start_soon(ask, lambda _: trio.sleep_forever)
        await wait_all_tasks_blocked()
        askers.start_soon(ask, answer_with(1))
        await trio.sleep(2)
        actors.cancel_scope.cancel()
    assert sorted(errors) == [
        (2, "stopped while handling the message"),
        (2, "the actor has stopped"),
    ]


async def test_a_closed_actor_handles_what_waits_then_says_farewell(nursery):
    told = []

    class Farewell(Probe):
        async def stopped(self):
            told.append(list(self.received))

    actor = Actor(Farewell, capacity=10)
    actor.ref.tell_nowait("a")
    await nursery.start(actor.run)
    actor.ref.tell_nowait("b")
    actor.close()
    await wait_all_tasks_blocked()
    assert told == [["a", "b"]]


async def test_waiting_messages_are_handled_first_after_a_crash():
    received = []
    actor = Actor(lambda: FailsOnNth(2, received), capacity=10)
    for n in range(3):
        actor.ref.tell_nowait(n)
    with pytest.raises(RuntimeError, match="told to fail"):
        await actor.run()
    actor.ref.tell_nowait("new")
    with pytest.raises(RuntimeError, match="told to fail"):
        await actor.run()
    assert received == [0, 2]


async def test_an_ask_dropped_from_a_full_mailbox_learns_it(nursery):
    actor = Actor(Script, capacity=1, when_full=WhenFull.DROP_OLDEST)
    errors = []

    async def ask():
        with pytest.raises(MailboxFull) as caught:
            await actor.ref.ask(answer_with(1), timeout=60)
        errors.append(caught.type)

    nursery.start_soon(ask)
    await wait_all_tasks_blocked()
    actor.ref.tell_nowait(crash)
    await wait_all_tasks_blocked()
    assert errors == [MailboxFull]


async def test_an_ask_replaced_in_its_slot_learns_it(nursery, script):
    errors = []

    async def ask():
        with pytest.raises(MessageReplaced) as caught:
            await script.ref.ask(answer_with(1), timeout=60, slot="command")
        errors.append(caught.type)

    nursery.start_soon(ask)
    await wait_all_tasks_blocked()
    script.ref.tell_nowait(trio.lowlevel.checkpoint, slot="command")
    await wait_all_tasks_blocked()
    assert errors == [MessageReplaced]


class Adder(Behaviour):
    """Messages are (number, reply or None)."""

    async def receive(self, message):
        number, reply = message
        if number < 0:
            raise ValueError("negative")
        if reply is not None:
            reply.answer(number)


def add(older, newer):
    return older[0] + newer[0], older[1] or newer[1]


@pytest.mark.parametrize("keep", ["older", "newer"])
async def test_merged_asks_are_answered_together_whichever_reply_is_kept(nursery, keep):
    def merge(older, newer):
        return older[0] + newer[0], (older if keep == "older" else newer)[1]

    actor, answers = Actor(Adder, capacity=1), []

    async def ask(number):
        answers.append(
            await actor.ref.ask(lambda r: (number, r), timeout=60, slot="sum", merge=merge)
        )

    for number in (1, 2, 3):
        nursery.start_soon(ask, number)
    await wait_all_tasks_blocked()
    await nursery.start(actor.run)
    await wait_all_tasks_blocked()
    assert answers == [6, 6, 6]
    actor.close()


async def test_a_tell_merged_into_an_ask_keeps_the_ask_alive(nursery):
    actor = Actor(Adder, capacity=1)
    actor.ref.tell_nowait((1, None), slot="sum", merge=add)
    answers = []

    async def ask():
        answers.append(await actor.ref.ask(lambda r: (2, r), timeout=60, slot="sum", merge=add))

    nursery.start_soon(ask)
    await wait_all_tasks_blocked()
    actor.ref.tell_nowait((4, None), slot="sum", merge=add)
    await nursery.start(actor.run)
    await wait_all_tasks_blocked()
    assert answers == [7]
    actor.close()


async def test_a_crash_fails_every_merged_ask(nursery):
    actor, errors = Actor(Adder, capacity=1), []

    async def ask(number):
        with pytest.raises(ActorCrashed) as caught:
            await actor.ref.ask(lambda r: (number, r), timeout=60, slot="sum", merge=add)
        errors.append(type(caught.value.__cause__))

    for number in (-1, -2):
        nursery.start_soon(ask, number)
    await wait_all_tasks_blocked()
    with pytest.raises(ValueError, match="negative"):
        await actor.run()
    await wait_all_tasks_blocked()
    assert errors == [ValueError, ValueError]


async def test_one_asker_leaving_does_not_take_the_answer_from_the_merged_ones(
    nursery, autojump_clock
):
    actor, answers = Actor(Adder, capacity=1), []

    async def ask(number, timeout):
        try:
            answers.append(
                await actor.ref.ask(lambda r: (number, r), timeout=timeout, slot="sum", merge=add)
            )
        except AskTimedOut:
            answers.append("timed out")

    nursery.start_soon(ask, 1, 5)
    await wait_all_tasks_blocked(0.0)
    nursery.start_soon(ask, 2, 60)
    await trio.sleep(10)
    await nursery.start(actor.run)
    await wait_all_tasks_blocked()
    assert answers == ["timed out", 3]
    actor.close()


async def test_a_busy_actor_lets_others_run(nursery):
    probe = Probe()
    actor = Actor(lambda: probe, capacity=1000)
    for n in range(640):
        actor.ref.tell_nowait(n)
    seen = []

    async def watch():
        while len(probe.received) < 640:
            seen.append(len(probe.received))
            await trio.lowlevel.checkpoint()

    nursery.start_soon(watch)
    nursery.start_soon(actor.run)
    await probe.wait_received(640)
    # Trio shuffles the tasks of each round: two turns of the actor may come in a row.
    assert max(b - a for a, b in pairwise(seen)) <= 2 * 64
    actor.close()
