"""The broadcaster: who gets what, in which order, and what outlives a crash."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import (
    EACH_VALUE,
    ActorStopped,
    Broadcaster,
    BroadcasterStatistics,
    EachValue,
    PendingReader,
)
from actors.broadcast.broadcaster import BATCH
from actors.broadcast.round_pacer import BUSY_TURN, GATHER_AT_MOST, IDLE_TURN, YIELD_AT_MOST


class Recorder:
    lane = EACH_VALUE

    def __init__(self):
        self.got = []

    def offer(self, packet):
        self.got.extend(packet)


class Fragile(Recorder):
    """Raises on its first *crashes* offers."""

    def __init__(self, crashes):
        super().__init__()
        self.crashes = crashes

    def offer(self, packet):
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("reader crashed")
        super().offer(packet)


async def run_out(broadcaster):
    """Offer all that waits."""
    broadcaster.close()
    await broadcaster.run()


async def run_to_crash(broadcaster):
    with pytest.raises(RuntimeError, match="reader crashed"):
        await broadcaster.run()


async def test_a_value_goes_to_the_readers_of_its_topics_once_each():
    broadcaster = Broadcaster()
    both, one, other = Recorder(), Recorder(), Recorder()
    broadcaster.subscribe(both, ["a", "b"])
    broadcaster.subscribe(one, ["a"])
    broadcaster.subscribe(other, ["c"])
    broadcaster.publish("u1", "online", topics=["a", "b"], sequence=1)
    await run_out(broadcaster)
    assert (both.got, one.got, other.got) == ([("u1", "online")], [("u1", "online")], [])
    assert broadcaster.statistics() == BroadcasterStatistics(3, 0, 2, 0)


async def test_a_sleeping_broadcaster_wakes_for_a_value(nursery):
    broadcaster, reader = Broadcaster(), Recorder()
    broadcaster.subscribe(reader, ["a"])
    await nursery.start(broadcaster.run)
    for n in (1, 2):
        await wait_all_tasks_blocked()
        broadcaster.publish("u1", n, topics=["a"], sequence=n)
    await wait_all_tasks_blocked()
    assert reader.got == [("u1", 1), ("u1", 2)]
    broadcaster.close()


async def test_a_newer_value_replaces_the_waiting_one_and_goes_to_the_end():
    broadcaster, reader = Broadcaster(), Recorder()
    broadcaster.subscribe(reader, ["a"])
    for sequence, (key, value) in enumerate([("u1", "old"), ("u2", "x"), ("u1", "new")], start=1):
        broadcaster.publish(key, value, topics=["a"], sequence=sequence)
    assert broadcaster.statistics().waiting == 2
    await run_out(broadcaster)
    assert reader.got == [("u2", "x"), ("u1", "new")]


async def test_a_newer_value_is_merged_with_the_one_that_waits_and_with_no_other():
    broadcaster, reader, late = Broadcaster(merge=str.__add__), Recorder(), Recorder()
    broadcaster.subscribe(reader, ["a", "b"])
    broadcaster.publish("u1", "1", topics=["a"], sequence=1)
    broadcaster.publish("u2", "x", topics=["a"], sequence=2)
    broadcaster.subscribe(late, ["a", "b"], since=2)
    broadcaster.publish("u1", "2", topics=["b"], sequence=3)
    broadcaster.publish("u1", "3", topics=["b"], sequence=4)
    await run_out(broadcaster)
    # Audience and stamp are those of the newest: who came in between gets nothing older.
    assert (reader.got, late.got) == ([("u2", "x"), ("u1", "123")], [("u1", "123")])


async def test_a_value_being_delivered_is_not_merged():
    broadcaster, reader = Broadcaster(merge=str.__add__), Fragile(crashes=1)
    broadcaster.subscribe(reader, ["a"])
    broadcaster.publish("u1", "1", topics=["a"], sequence=1)
    await run_to_crash(broadcaster)
    broadcaster.publish("u1", "2", topics=["a"], sequence=2)
    await run_out(broadcaster)
    assert reader.got == [("u1", "1"), ("u1", "2")]


def test_the_topics_of_a_reader_are_those_that_it_joined():
    broadcaster, reader = Broadcaster(), Recorder()
    assert broadcaster.topics_of(reader) == frozenset()
    broadcaster.subscribe(reader, ["a", "b"])
    broadcaster.join(reader, "c")
    broadcaster.leave(reader, "a")
    assert broadcaster.topics_of(reader) == {"b", "c"}
    broadcaster.unsubscribe(reader)
    assert broadcaster.topics_of(reader) == frozenset()


@pytest.mark.parametrize(("since", "is_offered"), [(4, True), (5, False), (6, False)])
async def test_a_reader_gets_only_what_is_newer_than_its_snapshot(since, is_offered):
    broadcaster, reader = Broadcaster(), Recorder()
    broadcaster.publish("u1", "x", topics=["a"], sequence=5)
    broadcaster.subscribe(reader, ["a"], since=since)
    await run_out(broadcaster)
    assert bool(reader.got) is is_offered


async def test_each_topic_has_its_own_since():
    broadcaster, reader = Broadcaster(), Recorder()
    broadcaster.subscribe(reader, ["a"], since=1)
    broadcaster.join(reader, "b", since=10)
    broadcaster.publish("u1", "old for b", topics=["b"], sequence=5)
    broadcaster.publish("u2", "new for a", topics=["a", "b"], sequence=6)
    await run_out(broadcaster)
    assert reader.got == [("u2", "new for a")]


async def test_excepted_readers_and_readers_of_excepted_topics_are_left_out():
    broadcaster = Broadcaster()
    plain, itself, blocked = Recorder(), Recorder(), Recorder()
    broadcaster.subscribe(plain, ["a"])
    broadcaster.subscribe(itself, ["a"])
    broadcaster.subscribe(blocked, ["a", "blocked"])
    broadcaster.publish(
        "u1", "x", topics=["a"], sequence=1, except_topics=["blocked"], except_readers=[itself]
    )
    await run_out(broadcaster)
    assert (plain.got, itself.got, blocked.got) == ([("u1", "x")], [], [])


def test_readers_come_and_go_and_leave_nothing_behind():
    broadcaster, reader, stranger = Broadcaster(), Recorder(), Recorder()
    broadcaster.subscribe(reader, ["a"])
    broadcaster.join(reader, "b")
    broadcaster.join(stranger, "b")  # not subscribed
    assert list(broadcaster.readers_of("b")) == [reader]
    broadcaster.leave(reader, "a")
    broadcaster.leave(reader, "a")
    assert list(broadcaster.readers_of("a")) == []
    broadcaster.unsubscribe(reader)
    broadcaster.unsubscribe(reader)
    assert list(broadcaster.readers_of("b")) == []
    audience = broadcaster._audience  # private: a leak shows nowhere else
    assert (audience._topics, audience._joined) == ({}, {})


async def test_a_closed_broadcaster_takes_nothing_more():
    broadcaster = Broadcaster()
    broadcaster.close()
    with pytest.raises(ActorStopped):
        broadcaster.publish("u1", "x", topics=["a"], sequence=1)


async def interrupt_a_walk(broadcaster, act):
    """Call *act* between two batches of the walk of one value over many readers."""
    # Trio shuffles the tasks of each round; two batches before the last reader leave one
    # round in which `interfere` surely runs between them.
    filler = [Recorder() for _ in range(2 * BATCH)]
    for reader in filler:
        broadcaster.subscribe(reader, ["a"])
    last = Recorder()
    broadcaster.subscribe(last, ["a"])
    broadcaster.publish("u1", "x", topics=["a"], sequence=5)
    broadcaster.close()

    async with trio.open_nursery() as nursery:

        async def interfere():
            while not filler[0].got:
                await trio.lowlevel.checkpoint()
            assert last.got == []
            act(last)

        nursery.start_soon(interfere)
        nursery.start_soon(broadcaster.run)
    return last


async def test_other_tasks_run_between_batches_and_a_reader_may_leave_then():
    broadcaster = Broadcaster()
    last = await interrupt_a_walk(broadcaster, broadcaster.unsubscribe)
    assert last.got == []


@pytest.mark.parametrize(("since", "got"), [(4, [("u1", "x")]), (5, [])])
async def test_a_reader_that_subscribes_during_a_walk_misses_nothing(since, got):
    broadcaster, late = Broadcaster(), Recorder()
    last = await interrupt_a_walk(
        broadcaster, lambda _: broadcaster.subscribe(late, ["a"], since=since)
    )
    assert (last.got, late.got) == ([("u1", "x")], got)


async def test_a_crashed_walk_is_repeated_and_nothing_that_waits_is_lost():
    broadcaster, first, fragile = Broadcaster(), Recorder(), Fragile(1)
    broadcaster.subscribe(first, ["a"])
    broadcaster.subscribe(fragile, ["a"])
    broadcaster.publish("u1", "x", topics=["a"], sequence=1)
    broadcaster.publish("u2", "y", topics=["a"], sequence=2)
    broadcaster.close()
    await run_to_crash(broadcaster)
    assert broadcaster.statistics().waiting == 2
    await broadcaster.run()
    assert first.got == [("u1", "x"), ("u2", "y")] * 2
    assert fragile.got == [("u1", "x"), ("u2", "y")]


async def test_a_value_that_crashes_three_times_is_dropped_and_reported():
    dropped = []
    broadcaster = Broadcaster(on_dropped=lambda key, value: dropped.append((key, value)))
    fragile = Fragile(3)
    broadcaster.subscribe(fragile, ["a"])
    broadcaster.publish("poison", "x", topics=["a"], sequence=1)
    broadcaster.publish("u2", "y", topics=["a"], sequence=2)
    broadcaster.close()
    for _ in range(3):
        await run_to_crash(broadcaster)
    assert dropped == []
    await broadcaster.run()
    assert (dropped, fragile.got) == ([("poison", "x")], [("u2", "y")])
    assert broadcaster.statistics().dropped == 1


async def test_a_newer_value_published_after_a_crash_goes_out_after_the_older():
    broadcaster, fragile = Broadcaster(), Fragile(1)
    broadcaster.subscribe(fragile, ["a"])
    broadcaster.publish("u1", "old", topics=["a"], sequence=1)
    await run_to_crash(broadcaster)
    broadcaster.publish("u1", "new", topics=["a"], sequence=2)
    await run_out(broadcaster)
    assert fragile.got == [("u1", "old"), ("u1", "new")]


async def test_a_pending_reader_keeps_the_newest_of_each_key_in_order():
    reader = PendingReader()
    for key, value in [("u1", 1), ("u2", 2), ("u1", 3)]:
        reader.offer([(key, value)])
    assert len(reader) == 2
    assert list((await reader.take_all()).items()) == [("u2", 2), ("u1", 3)]
    assert len(reader) == 0


async def test_a_pending_reader_waits_for_a_value(nursery):
    reader, taken = PendingReader(), []

    async def take() -> None:
        taken.append(await reader.take_all())

    nursery.start_soon(take)
    await wait_all_tasks_blocked()
    reader.offer([("u1", 1)])
    reader.offer([("u1", 2)])
    await wait_all_tasks_blocked()
    assert taken == [{"u1": 2}]


async def test_a_cancelled_take_all_has_taken_nothing():
    reader = PendingReader()
    reader.offer([("u1", 1)])
    with trio.CancelScope() as scope:
        scope.cancel()
        await reader.take_all()
    assert len(reader) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("uvw"), st.sampled_from("ab")),
        st.tuples(st.sampled_from(["join", "leave"]), st.integers(0, 2), st.sampled_from("ab")),
        st.tuples(st.just("pause"), st.just(0), st.just("")),
    )
)


@given(STEPS)
def test_the_last_value_of_each_key_reaches_every_remaining_reader(steps):
    async def live() -> None:
        broadcaster, readers, last = Broadcaster(), [Recorder() for _ in range(3)], {}
        for reader in readers:
            broadcaster.subscribe(reader, ["all"])
        async with trio.open_nursery() as nursery:
            await nursery.start(broadcaster.run)
            for sequence, (step, who, topic) in enumerate(steps, start=1):
                if step == "publish":
                    broadcaster.publish(who, sequence, topics=[topic, "all"], sequence=sequence)
                    last[who] = sequence
                elif step == "pause":
                    await wait_all_tasks_blocked()
                else:
                    getattr(broadcaster, step)(readers[who], topic)
            broadcaster.close()
        for reader in readers:
            assert dict(reader.got) == last
            sequences = [sequence for _, sequence in reader.got]
            assert sequences == sorted(set(sequences))

    trio.run(live)


async def test_other_tasks_run_between_many_small_shares_too():
    """Each reader gets something else, so no share is as large as a batch."""
    broadcaster, readers, ran_at = Broadcaster(), [], []
    for number in range(3 * BATCH):
        reader = Recorder()
        readers.append(reader)
        broadcaster.subscribe(reader, [number])
        broadcaster.publish(number, "x", topics=[number], sequence=5)
    broadcaster.close()

    async with trio.open_nursery() as nursery:

        async def look():
            while not readers[-1].got:
                await trio.lowlevel.checkpoint()
                ran_at.append(sum(bool(reader.got) for reader in readers))

        nursery.start_soon(look)
        nursery.start_soon(broadcaster.run)
    assert any(0 < count < len(readers) for count in ran_at)


async def test_an_answer_to_a_round_goes_out_with_the_next_one(mock_clock):
    clock, rounds = mock_clock, []

    class Slow:
        """Each offer takes ten seconds; another value comes in during the first."""

        lane = EACH_VALUE

        def offer(self, packet):
            rounds.append([value for _, value in packet])
            clock.jump(10)
            if len(rounds) == 1:
                broadcaster.publish("u2", "meanwhile", topics=["a"], sequence=6)

    broadcaster = Broadcaster()
    broadcaster.subscribe(Slow(), ["a"])
    broadcaster.publish("u1", "first", topics=["a"], sequence=5)

    async def answer():
        while not rounds:
            await trio.lowlevel.checkpoint()
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        broadcaster.publish("u3", "answer", topics=["a"], sequence=7)
        clock.jump(GATHER_AT_MOST)
        broadcaster.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        nursery.start_soon(broadcaster.run)
    assert rounds == [["first"], ["meanwhile", "answer"]]


@pytest.mark.parametrize(
    ("turn", "together"),
    [(YIELD_AT_MOST / 10, 9), (YIELD_AT_MOST / 4, 3), (IDLE_TURN / 4, 50)],
    ids=["as long as a busy server yields", "and no longer", "unless they have nothing to do"],
)
async def test_between_two_rounds_it_is_the_turn_of_others(mock_clock, turn, together):
    """The round takes as long as a busy server yields at most; others publish at every turn.

    Turns so short that nothing can have been done in them only use up the gathering.
    """
    clock, rounds = mock_clock, []

    class Slow:
        lane = EACH_VALUE

        def offer(self, packet):
            rounds.append([key for key, _ in packet])
            clock.jump(YIELD_AT_MOST)
            if len(rounds) == 1:
                broadcaster.publish("meanwhile", "x", topics=["a"], sequence=6)

    broadcaster = Broadcaster()
    broadcaster.subscribe(Slow(), ["a"])
    broadcaster.publish("first", "x", topics=["a"], sequence=5)

    async def come(rest):
        while not rounds:
            await trio.lowlevel.checkpoint()
        while len(rounds) < 2:
            clock.jump(turn)
            broadcaster.publish(len(rounds), next(rest), topics=["a"], sequence=7)
            await trio.lowlevel.checkpoint()
        broadcaster.close()

    came = iter(range(1000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(come, came)
        nursery.start_soon(broadcaster.run)
    assert abs(next(came) - together) <= 3


# -- a reader whose lane changes ---------------------------------------------------------------


class Marked(EachValue):
    """A lane that marks what it renders; it calls *then* before each offer."""

    def __init__(self, mark, then=lambda: None):
        self.mark = mark
        self.then = then

    def render(self, values):
        return [(self.mark, *value) for value in values]

    def offer_all(self, packet, readers):
        for reader in readers:
            self.then()
            reader.offer(packet)


class Speaker(Recorder):
    def __init__(self, lane):
        super().__init__()
        self.lane = lane

    def speak(self, lane):
        self.lane = lane


async def test_a_reader_in_another_lane_gets_what_waits_in_that_one():
    broadcaster = Broadcaster()
    old, new = Marked("old"), Marked("new")
    reader = Speaker(old)
    broadcaster.subscribe(reader, ["a", "b"])
    broadcaster.publish("u1", "online", topics=["a"], sequence=1)
    broadcaster.change_lane(reader, lambda: reader.speak(new))
    assert broadcaster.topics_of(reader) == {"a", "b"}
    await run_out(broadcaster)
    assert reader.got == [("new", "u1", "online")]


async def test_a_lane_change_during_a_walk_delivers_once_in_the_new_lane():
    broadcaster = Broadcaster()
    new = Marked("new")
    readers = []

    def change_the_last():
        last = readers[-1]
        if last.lane is old:
            broadcaster.change_lane(last, lambda: last.speak(new))

    old = Marked("old", change_the_last)
    readers += [Speaker(old) for _ in range(BATCH + 1)]
    for reader in readers:
        broadcaster.subscribe(reader, ["a"])
    broadcaster.publish("u1", "online", topics=["a"], sequence=1)
    await run_out(broadcaster)
    assert readers[-1].got == [("new", "u1", "online")]
    assert all(reader.got == [("old", "u1", "online")] for reader in readers[:-1])


class Numbered(Marked):
    """A lane that calls its readers by numbers, of which the last one given back comes first."""

    def __init__(self, then=lambda: None):
        super().__init__("", then)
        self.readers = {}
        self.free = list(range(2 * BATCH))

    def admit(self, reader):
        number = self.free.pop()
        self.readers[number] = reader
        return number

    def dismiss(self, address):
        del self.readers[address]
        self.free.append(address)

    def offer_all(self, packet, addresses):
        super().offer_all(packet, [self.readers[each] for each in addresses])


@pytest.mark.parametrize("topic", ["a", "b"])
async def test_a_reused_slot_gets_nothing_meant_for_its_former_reader(topic):
    broadcaster, lane = Broadcaster(), Numbered()
    readers = [Speaker(lane) for _ in range(BATCH + 1)]
    heir = Speaker(lane)

    def replace_the_last():
        lane.then = lambda: None
        broadcaster.unsubscribe(readers[-1])
        broadcaster.subscribe(heir, [topic], since=1)

    lane.then = replace_the_last
    for reader in readers:
        broadcaster.subscribe(reader, ["a"])
    broadcaster.publish("u1", "online", topics=["a"], sequence=1)
    await run_out(broadcaster)
    assert (heir.got, readers[-1].got) == ([], [])
    assert all(reader.got == [("", "u1", "online")] for reader in readers[:-1])
    assert broadcaster.statistics().readers == len(readers) == len(lane.readers)


async def test_a_reader_without_topics_can_join_one_after_it_changed_its_lane():
    broadcaster = Broadcaster()
    reader, new = Speaker(Marked("old")), Marked("new")
    broadcaster.subscribe(reader, [])
    broadcaster.change_lane(reader, lambda: reader.speak(new))
    broadcaster.join(reader, "a")
    broadcaster.publish("u1", "online", topics=["a"], sequence=1)
    await run_out(broadcaster)
    assert reader.got == [("new", "u1", "online")]


async def test_a_reader_that_is_not_subscribed_changes_its_lane_and_stays_so():
    broadcaster = Broadcaster()
    reader, new = Speaker(Marked("old")), Marked("new")
    broadcaster.change_lane(reader, lambda: reader.speak(new))
    broadcaster.join(reader, "a")
    broadcaster.publish("u1", "online", topics=["a"], sequence=1)
    await run_out(broadcaster)
    assert (reader.lane, reader.got) == (new, [])


# -- who leaves --------------------------------------------------------------------------------


async def test_a_reader_that_leaves_a_topic_gets_earlier_values():
    broadcaster = Broadcaster()
    reader = Recorder()
    broadcaster.subscribe(reader, ["a", "b"])
    broadcaster.publish("u1", "offline", topics=["a"], sequence=1)
    broadcaster.publish("u2", "offline", topics=["b"], sequence=2)
    broadcaster.publish("u3", "offline", topics=["a"], except_readers=[reader], sequence=3)
    broadcaster.leave(reader, "a")
    assert reader.got == [("u1", "offline")]
    broadcaster.publish("u4", "offline", topics=["a"], sequence=4)
    await run_out(broadcaster)
    assert reader.got == [("u1", "offline"), ("u2", "offline")]


async def test_a_reader_that_leaves_during_a_walk_still_gets_its_value():
    broadcaster = Broadcaster()
    last = Recorder()

    def leave():
        broadcaster.leave(last, "a")

    first = Speaker(Marked("m", leave))
    broadcaster.subscribe(first, ["a"])
    broadcaster.subscribe(last, ["a"])
    broadcaster.publish("u1", "offline", topics=["a"], sequence=1)
    await run_out(broadcaster)
    assert last.got == [("u1", "offline")]


# -- at once -----------------------------------------------------------------------------------


@pytest.fixture
async def resting(nursery, mock_clock):
    """A broadcaster that runs and has nothing to do, with a reader; time stands still."""
    broadcaster = Broadcaster()
    reader = Recorder()
    broadcaster.subscribe(reader, ["a"])
    nursery.start_soon(broadcaster.run)
    await wait_all_tasks_blocked()
    return broadcaster, reader


def publish(broadcaster, *keys):
    for key in keys:
        broadcaster.publish(key, "online", topics=["a"], sequence=1)


async def test_a_lone_value_has_gone_out_when_publish_returns(resting):
    broadcaster, reader = resting
    for key in ("u1", "u2", "u3"):
        publish(broadcaster, key)
        assert reader.got[-1] == (key, "online")
        await wait_all_tasks_blocked()
    assert broadcaster.statistics() == BroadcasterStatistics(1, 0, 3, 0)


async def test_only_the_first_of_many_goes_at_once_and_the_rest_together(resting):
    broadcaster, _ = resting
    packets = []
    speaker = Speaker(Marked("m", lambda: packets.append(1)))
    broadcaster.subscribe(speaker, ["a"])
    publish(broadcaster, "u1", "u2", "u3", "u4")
    assert [key for _, key, _ in speaker.got] == ["u1"]
    await wait_all_tasks_blocked()
    assert [key for _, key, _ in speaker.got] == ["u1", "u2", "u3", "u4"]
    assert len(packets) == 2


async def test_nothing_goes_at_once_while_many_come(resting):
    broadcaster, reader = resting
    publish(broadcaster, "u1", "u2", "u3")
    await wait_all_tasks_blocked()
    publish(broadcaster, "u4")
    assert reader.got[-1] == ("u3", "online")
    await wait_all_tasks_blocked()
    publish(broadcaster, "u5")  # the last round had but one
    assert reader.got[-1] == ("u5", "online")


async def test_nothing_goes_at_once_where_the_broadcaster_had_its_turn_late(resting, mock_clock):
    broadcaster, reader = resting
    publish(broadcaster, "u1")
    mock_clock.jump(2 * BUSY_TURN)  # so long others had theirs
    await wait_all_tasks_blocked()
    publish(broadcaster, "u2")
    assert reader.got[-1] == ("u1", "online")
    await wait_all_tasks_blocked()
    publish(broadcaster, "u3")  # it was in time again
    assert reader.got[-1] == ("u3", "online")


async def test_on_a_busy_server_publishers_run_before_the_next_round(mock_clock):
    """Of what is published turn by turn, all goes together that the last round had time for."""
    broadcaster, packets = Broadcaster(), []

    class Slow:
        lane = EACH_VALUE

        def offer(self, packet):
            packets.append([key for key, _ in packet])
            mock_clock.jump(YIELD_AT_MOST / 2)

    broadcaster.subscribe(Slow(), ["a"])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broadcaster.run)
        await wait_all_tasks_blocked()
        for number in range(40):
            publish(broadcaster, number)
            mock_clock.jump(YIELD_AT_MOST / 20)
            await trio.lowlevel.checkpoint()
        broadcaster.close()
    assert sorted(key for packet in packets for key in packet) == list(range(40))
    assert max(map(len, packets)) >= 5
    assert len(packets) <= 10


async def test_a_value_with_many_readers_waits_for_its_turn(resting):
    broadcaster, reader = resting
    for _ in range(BATCH):
        broadcaster.subscribe(Recorder(), ["a"])
    publish(broadcaster, "u1")
    assert reader.got == []
    await wait_all_tasks_blocked()
    assert reader.got == [("u1", "online")]


async def test_a_walk_that_crashes_in_the_publishers_task_is_the_broadcasters_crash():
    broadcaster = Broadcaster()
    fragile, reader = Fragile(1), Recorder()
    for each in (fragile, reader):
        broadcaster.subscribe(each, ["a"])
    publisher_sees = []
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="reader crashed")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broadcaster.run)
            await wait_all_tasks_blocked()
            publish(broadcaster, "u1")
            publisher_sees.append("nothing")
    assert publisher_sees == ["nothing"]
    await run_out(broadcaster)  # as its supervisor starts it again
    assert fragile.got == reader.got == [("u1", "online")]


async def test_a_value_that_crashes_every_walk_is_dropped_though_the_first_was_at_once():
    dropped = []
    broadcaster = Broadcaster(lambda key, value: dropped.append(key))
    fragile = Fragile(100)
    broadcaster.subscribe(fragile, ["a"])
    with pytest.RaisesGroup(RuntimeError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broadcaster.run)
            await wait_all_tasks_blocked()
            publish(broadcaster, "u1")
    await run_to_crash(broadcaster)
    await run_to_crash(broadcaster)
    await run_out(broadcaster)
    assert (dropped, fragile.crashes) == (["u1"], 97)
