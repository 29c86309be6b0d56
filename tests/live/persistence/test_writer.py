"""Write-behind: nothing waits for the disk, and nothing is lost while it fails."""

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.adapters.store_memory import MemoryStore
from presence.core.record import Record
from presence.core.types import PublicView, ServerId, State, Status, Text, UserId
from presence.errors import StoreUnavailable
from presence.live.persistence.writer import GATHER_FOR, Writer, WriterStatistics
from presence.live.ports import Batch, MembershipRow, Revocation

ADA, BOB, CY = UserId("ada"), UserId("bob"), UserId("cy")
CHESS = ServerId("chess")


def record_of(user_id, text="", *, is_announced=True):
    view = PublicView(user_id, user_id, Status.ONLINE, Text(text), version=1)
    return Record(view, user_id, is_announced=is_announced)


@attrs.define
class FaultyStore:
    """A memory store that is slow, and fails while a fault is set."""

    inner: MemoryStore = attrs.field(factory=MemoryStore)
    write_takes: float = 0.0
    read_takes: float = 0.0
    fault: Exception | None = None
    batches: list[tuple[float, Batch]] = attrs.field(factory=list)
    """What was committed, with the (monotonic) time of it."""
    tries: list[float] = attrs.field(factory=list)

    async def open(self, now_wall):
        return await self.inner.open(now_wall)

    async def read_latest_version(self):
        return await self.inner.read_latest_version()

    async def read_user(self, user_id):
        found = await self.inner.read_user(user_id)
        await trio.sleep(self.read_takes)
        return found

    async def read_views(self, user_ids):
        found = await self.inner.read_views(user_ids)
        await trio.sleep(self.read_takes)
        return found

    async def read_announced_ids(self, after, limit):
        found = await self.inner.read_announced_ids(after, limit)
        await trio.sleep(self.read_takes)
        return found

    async def write(self, batch):
        self.tries.append(trio.current_time())
        await trio.sleep(self.write_takes)
        if self.fault is not None:
            raise self.fault
        await self.inner.write(batch)
        self.batches.append((trio.current_time(), batch))

    async def aclose(self):
        await self.inner.aclose()

    def users_written(self):
        return [dict(batch.users) for _, batch in self.batches if batch.users]


@attrs.define
class Told:
    """The reports of the writer, each with its (monotonic) time."""

    reports: list[tuple[float, str, object]] = attrs.field(factory=list)

    def failure(self, error, waiting):
        self.reports.append((trio.current_time(), str(error), waiting))

    def recovery(self, failures, seconds):
        self.reports.append((trio.current_time(), "recovered", (failures, seconds)))


@pytest.fixture
async def store():
    store = FaultyStore()
    await store.open(0.0)
    return store


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def writer(store, told):
    return Writer(
        store,
        wall=lambda: 1000.0 + trio.current_time(),
        on_failure=told.failure,
        on_recovery=told.recovery,
    )


FULL_DISK = StoreUnavailable("the disk is full")


# Batches --------------------------------------------------------------------------------


async def test_changes_before_the_task_ran_are_one_batch(store, writer, nursery, autojump_clock):
    writer.save(record_of(ADA, "old"))
    writer.save(record_of(BOB))
    writer.save(record_of(ADA, "new"))
    writer.forget_user(CY)
    writer.save_server(CHESS, "Chess")
    row = MembershipRow(ADA, CHESS, by_admin=True, by_claim=False, by_shown_claim=False)
    writer.save_membership(row)
    writer.forget_membership(BOB, CHESS)
    writer.save_revocation(Revocation(CY, 5.0, last_version=3))
    ticket = writer.settle(1)
    await nursery.start(writer.run)
    assert await writer.wait_committed(ticket, within=1.0)
    assert [batch for _, batch in store.batches] == [
        Batch(
            committed_at=1000.0,
            users={ADA: record_of(ADA, "new"), BOB: record_of(BOB), CY: None},
            servers={CHESS: "Chess"},
            memberships={(ADA, CHESS): row, (BOB, CHESS): None},
            revocations={CY: Revocation(CY, 5.0, last_version=3)},
            settled_epoch=1,
        )
    ]


async def test_changes_during_a_write_are_the_next_batch(store, writer, nursery, autojump_clock):
    store.write_takes = 1.0
    writer.save(record_of(ADA, "1"))
    await nursery.start(writer.run)
    await trio.sleep(0.5)
    for text in ("2", "3", "4"):
        writer.save(record_of(ADA, text))
    last = writer.save(record_of(BOB, "5"))
    assert await writer.wait_committed(last, within=5.0)
    assert trio.current_time() == 2.0
    assert store.users_written() == [
        {ADA: record_of(ADA, "1")},
        {ADA: record_of(ADA, "4"), BOB: record_of(BOB, "5")},
    ]


async def test_a_waiter_has_gathered_changes_written_at_once(writer, nursery, autojump_clock):
    await nursery.start(writer.run)
    await trio.sleep(3.0)
    ticket = writer.save(record_of(ADA))
    await trio.sleep(GATHER_FOR / 2)
    assert await writer.wait_committed(ticket, within=1.0)
    assert trio.current_time() == pytest.approx(3.0 + GATHER_FOR / 2)


async def test_changes_that_follow_one_another_closely_are_one_batch(
    store, writer, nursery, autojump_clock
):
    await nursery.start(writer.run)
    await trio.sleep(3.0)
    writer.save(record_of(ADA))
    await trio.sleep(GATHER_FOR / 2)
    writer.save(record_of(BOB))
    await trio.sleep(GATHER_FOR)
    assert store.users_written() == [{ADA: record_of(ADA), BOB: record_of(BOB)}]


@pytest.mark.parametrize(
    "hidden",
    [{"intent": Status.OFFLINE}, {"appear_offline": True}, {"forced_hidden": True}],
    ids=str,
)
async def test_a_change_that_hides_its_user_is_written_at_once(
    store, writer, nursery, autojump_clock, hidden
):
    await nursery.start(writer.run)
    await trio.sleep(3.0)
    writer.save(record_of(BOB))
    writer.save(attrs.evolve(record_of(ADA), **hidden))
    await trio.testing.wait_all_tasks_blocked()
    assert [user_id for written in store.users_written() for user_id in written] == [BOB, ADA]
    assert trio.current_time() == 3.0


async def test_closing_does_not_wait_for_more_changes(store, writer, autojump_clock):
    async with trio.open_nursery() as inner:
        await inner.start(writer.run)
        await trio.sleep(3.0)
        writer.save(record_of(ADA))
        await trio.testing.wait_all_tasks_blocked()
        writer.close()
    assert trio.current_time() == 3.0
    assert store.users_written() == [{ADA: record_of(ADA)}]


async def test_an_idle_writer_commits_the_time_every_ten_seconds(
    store, writer, nursery, autojump_clock
):
    await nursery.start(writer.run)
    await trio.sleep(15.0)
    writer.save(record_of(ADA))
    await trio.sleep(15.0)
    times = [1000, 1010, 1015 + GATHER_FOR, 1025 + GATHER_FOR]
    assert [batch.committed_at for _, batch in store.batches] == pytest.approx(times)


async def test_forgotten_servers_and_memberships_are_deleted(
    store, writer, nursery, autojump_clock
):
    row = MembershipRow(ADA, CHESS, by_admin=True, by_claim=False, by_shown_claim=False)
    writer.save_server(CHESS, "Chess")
    writer.save_membership(row)
    await nursery.start(writer.run)
    await trio.testing.wait_all_tasks_blocked()
    writer.forget_server(CHESS)
    ticket = writer.forget_membership(ADA, CHESS)
    assert await writer.wait_committed(ticket, within=1.0)
    startup = await store.open(0.0)
    assert (startup.servers, list(startup.memberships)) == ({}, [])


# Tickets --------------------------------------------------------------------------------


async def test_a_ticket_waits_for_its_own_commit_and_no_longer(
    store, writer, nursery, autojump_clock
):
    store.write_takes = 1.0
    first = writer.save(record_of(ADA, "1"))
    await nursery.start(writer.run)
    await trio.sleep(0.5)
    second = writer.save(record_of(ADA, "2"))
    assert await writer.wait_committed(first, within=5.0)
    assert trio.current_time() == 1.0
    assert await writer.wait_committed(second, within=5.0)
    assert trio.current_time() == 2.0
    assert await writer.wait_committed(first, within=0.0)


async def test_a_ticket_of_a_slow_commit_is_answered_in_time(
    store, writer, nursery, autojump_clock
):
    store.write_takes = 3.0
    ticket = writer.save(record_of(ADA))
    await nursery.start(writer.run)
    assert not await writer.wait_committed(ticket, within=1.0)
    assert trio.current_time() == 1.0
    assert await writer.wait_committed(ticket, within=5.0)
    assert trio.current_time() == 3.0


async def test_a_change_during_a_write_that_fails_is_not_committed_with_it(
    store, writer, nursery, autojump_clock
):
    store.write_takes, store.fault = 1.0, FULL_DISK
    first = writer.save(record_of(ADA, "1"))
    await nursery.start(writer.run)
    await trio.sleep(0.5)
    second = writer.save(record_of(ADA, "2"))
    assert not await writer.wait_committed(first, within=4.0)
    store.fault = None
    assert await writer.wait_committed(second, within=4.0)
    assert store.users_written() == [{ADA: record_of(ADA, "2")}]


# Failures -------------------------------------------------------------------------------


async def test_a_write_that_fails_is_tried_again_ever_more_slowly(
    store, writer, nursery, autojump_clock
):
    store.fault = FULL_DISK
    writer.save(record_of(ADA))
    await nursery.start(writer.run)
    await trio.sleep(5.0)
    assert store.tries == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 2.5, 3.5, 4.5])
    store.fault = None
    await trio.sleep(1.0)
    store.fault = FULL_DISK
    writer.save(record_of(ADA))
    await trio.sleep(0.25)
    gathered = 6.0 + GATHER_FOR
    assert store.tries[8:] == pytest.approx([5.5, gathered, gathered + 0.1])


async def test_failures_are_reported_sparingly_and_the_recovery_once(
    store, writer, told, nursery, autojump_clock
):
    store.fault = FULL_DISK
    writer.save(record_of(ADA))
    writer.save(record_of(BOB))
    await nursery.start(writer.run)
    await trio.sleep(25.0)
    store.fault = None
    await trio.sleep(25.0)
    assert told.reports == [
        (0.0, "the disk is full", 2),
        (pytest.approx(10.5), "the disk is full", 2),
        (pytest.approx(20.5), "the disk is full", 2),
        (pytest.approx(25.5), "recovered", (28, pytest.approx(25.5))),
    ]
    assert writer.statistics().failures == 28


async def test_a_disk_that_comes_and_goes_does_not_fill_the_log(
    store, writer, told, nursery, autojump_clock
):
    await nursery.start(writer.run)
    for _ in range(20):
        store.fault = FULL_DISK
        writer.save(record_of(ADA))
        await trio.sleep(0.25)
        store.fault = None
        await trio.sleep(0.75)
    assert [(int(at), what) for at, what, _ in told.reports] == [
        (0, "the disk is full"),
        (0, "recovered"),
        (10, "the disk is full"),
        (10, "recovered"),
    ]


async def test_a_crash_of_the_task_loses_nothing(store, writer, autojump_clock):
    store.fault = RuntimeError("a bug")
    writer.save(record_of(ADA, "1"))
    writer.save(record_of(BOB, "1"))
    with pytest.raises(RuntimeError):
        await writer.run()
    assert await writer.read_user(ADA) == record_of(ADA, "1")
    ticket = writer.save(record_of(ADA, "2"))
    store.fault = None
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        assert await writer.wait_committed(ticket, within=1.0)
        writer.close()
    assert store.users_written() == [{ADA: record_of(ADA, "2"), BOB: record_of(BOB, "1")}]


async def test_a_write_that_is_cut_short_is_done_again(store, writer, autojump_clock):
    store.write_takes = 5.0
    writer.save(record_of(ADA))
    with trio.move_on_after(1.0):
        await writer.run()
    assert store.users_written() == []
    writer.close()
    await writer.run()
    assert store.users_written() == [{ADA: record_of(ADA)}]


@pytest.mark.parametrize(
    "poison",
    [
        attrs.evolve(record_of(ADA), name="\ud800"),
        attrs.evolve(record_of(ADA), activity=Text("\udfff")),
        record_of(ADA, "\ud800"),
        attrs.evolve(record_of(ADA), awaited_states={"\ud800": State.IDLE}),
        attrs.evolve(record_of(ADA), claims_at=float("nan")),
        attrs.evolve(record_of(ADA), named_at=float("nan")),
        attrs.evolve(record_of(ADA), intent_until=float("inf")),
    ],
)
async def test_a_record_that_cannot_be_stored_is_refused(writer, poison):
    with pytest.raises(ValueError, match=r"surrogates|time"):
        writer.save(poison)
    assert writer.statistics().waiting == 0


async def test_a_server_name_that_no_database_takes_is_refused(writer):
    with pytest.raises(ValueError, match="surrogates"):
        writer.save_server(CHESS, "\ud800")
    assert writer.statistics().waiting == 0


# The end --------------------------------------------------------------------------------


async def test_closing_writes_what_waits_and_the_time(store, writer, autojump_clock):
    store.write_takes = 1.0
    async with trio.open_nursery() as inner:
        await inner.start(writer.run)
        await trio.sleep(5.0)
        writer.save(record_of(ADA))
        await trio.sleep(0.5)
        writer.save(record_of(BOB))
        writer.close()
    gathered = 6.0 + GATHER_FOR
    assert [dict(batch.users) for _, batch in store.batches] == [
        {},
        {ADA: record_of(ADA)},
        {BOB: record_of(BOB)},
        {},
    ]
    assert [at for at, _ in store.batches] == pytest.approx(
        [1.0, gathered, gathered + 1.0, gathered + 2.0]
    )
    assert [batch.is_last for _, batch in store.batches] == [False, False, False, True]
    assert store.batches[-1][1].committed_at == pytest.approx(1001.0 + gathered)


async def test_closing_during_an_outage_goes_on_until_it_is_cancelled(
    store, writer, autojump_clock
):
    store.fault = FULL_DISK
    writer.save(record_of(ADA))
    writer.close()
    with trio.move_on_after(5.0) as scope:
        await writer.run()
    assert scope.cancelled_caught
    assert trio.current_time() == 5.0


async def test_the_statistics_tell_how_it_goes(store, writer, nursery, autojump_clock):
    store.write_takes = 2.0
    writer.save(record_of(ADA))
    writer.save_server(CHESS, "Chess")
    assert writer.statistics() == WriterStatistics(2, 0, 0, None)
    await nursery.start(writer.run)
    await trio.sleep(1.0)
    writer.settle(1)
    assert writer.statistics() == WriterStatistics(3, 0, 0, None)
    await trio.sleep(2.0)
    assert writer.statistics() == WriterStatistics(1, 2, 0, 2.0)


# Reads ----------------------------------------------------------------------------------


async def test_reads_see_what_waits_and_what_is_being_written(
    store, writer, nursery, autojump_clock
):
    stored = [record_of(ADA, "stored"), record_of(BOB, "stored"), record_of(CY, "stored")]
    await store.inner.write(Batch(0.0, {record.view.user_id: record for record in stored}))
    store.write_takes = 1.0
    writer.save(record_of(BOB, "in flight"))
    await nursery.start(writer.run)
    await trio.sleep(0.5)
    dee = UserId("dee")
    writer.save(record_of(dee, "waits"))
    writer.forget_user(CY)
    assert [await writer.read_user(user_id) for user_id in (ADA, BOB, CY, dee)] == [
        record_of(ADA, "stored"),
        record_of(BOB, "in flight"),
        None,
        record_of(dee, "waits"),
    ]
    assert await writer.read_views([dee, CY, BOB, ADA, UserId("nobody")]) == {
        ADA: record_of(ADA, "stored").view,
        BOB: record_of(BOB, "in flight").view,
        dee: record_of(dee, "waits").view,
    }
    assert await writer.read_announced_ids("", 10) == [ADA, BOB, dee]
    assert await writer.read_announced_ids("ada", 1) == [BOB]


async def test_a_user_not_shown_any_more_has_no_view(store, writer):
    await store.inner.write(Batch(0.0, {ADA: record_of(ADA)}))
    writer.save(record_of(ADA, is_announced=False))
    assert await writer.read_views([ADA]) == {}
    assert await writer.read_announced_ids("", 10) == []


@pytest.mark.parametrize("write_takes", [0.0, 0.5, 5.0])
async def test_a_change_during_a_read_is_seen_by_it(
    store, writer, nursery, autojump_clock, write_takes
):
    await store.inner.write(Batch(0.0, {ADA: record_of(ADA, "old"), BOB: record_of(BOB, "old")}))
    store.read_takes, store.write_takes = 2.0, write_takes
    results: dict[str, object] = {}

    async def keep(name, read):
        results[name] = await read()  # type: ignore[misc]

    await nursery.start(writer.run)
    async with trio.open_nursery() as readers:
        readers.start_soon(keep, "ada", lambda: writer.read_user(ADA))
        readers.start_soon(keep, "bob", lambda: writer.read_user(BOB))
        readers.start_soon(keep, "views", lambda: writer.read_views([ADA, BOB, CY]))
        readers.start_soon(keep, "ids", lambda: writer.read_announced_ids("", 10))
        await trio.sleep(1.0)
        writer.save(record_of(ADA, "new"))
        writer.forget_user(BOB)
        writer.save(record_of(CY, "new"))
    assert results == {
        "ada": record_of(ADA, "new"),
        "bob": None,
        "views": {ADA: record_of(ADA, "new").view, CY: record_of(CY, "new").view},
        "ids": [ADA, CY],
    }


async def test_pages_are_full_although_users_went_meanwhile(store, writer, autojump_clock):
    ids = [UserId(f"u{n}") for n in range(10)]
    await store.inner.write(Batch(0.0, {user_id: record_of(user_id) for user_id in ids}))
    for user_id in ids[1:4]:
        writer.forget_user(user_id)
    writer.save(record_of(UserId("u55")))
    assert await writer.read_announced_ids("", 3) == ["u0", "u4", "u5"]
    assert await writer.read_announced_ids("u5", 3) == ["u55", "u6", "u7"]
    assert await writer.read_announced_ids("u7", 3) == ["u8", "u9"]
    store.read_takes = 1.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_replace_later, writer, ids[4:6], UserId("zed"))
        assert await writer.read_announced_ids("", 3) == ["u0", "u55", "u6"]


async def _replace_later(writer, gone, new):
    await trio.sleep(0.5)
    for user_id in gone:
        writer.forget_user(user_id)
    writer.save(record_of(new))


async def test_reads_that_the_store_cannot_answer_fail(store, writer):
    writer.save(record_of(ADA))
    await store.aclose()
    assert await writer.read_user(ADA) == record_of(ADA)
    assert await writer.read_views([ADA]) == {ADA: record_of(ADA).view}
    for read in (writer.read_user(BOB), writer.read_views([ADA, BOB])):
        with pytest.raises(StoreUnavailable):
            await read


async def test_commits_kept_for_reads_are_dropped_after_them(
    store, writer, nursery, autojump_clock
):
    store.read_takes = 1.0
    await nursery.start(writer.run)
    async with trio.open_nursery() as readers:
        for _ in range(3):
            readers.start_soon(writer.read_user, BOB)
            await trio.sleep(0.5)
            assert await writer.wait_committed(writer.save(record_of(ADA)), within=1.0)
    # Private: what is kept after the last read shows nowhere else.
    assert list(writer._commits_during_reads.committed()) == []


# A law ----------------------------------------------------------------------------------

names = st.sampled_from([UserId(name) for name in "abcdef"])
operations = st.one_of(
    st.tuples(st.just("save"), names, st.booleans()),
    st.tuples(st.just("forget"), names, st.none()),
    st.tuples(st.just("sleep"), st.sampled_from([0.05, 0.3, 1.1]), st.none()),
    st.tuples(st.just("fault"), st.booleans(), st.none()),
    st.tuples(st.just("read"), st.sampled_from(["", "b", "d"]), st.integers(1, 4)),
)


@settings(max_examples=100)
@given(st.lists(operations, max_size=25), st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 0.2]))
def test_reads_and_the_store_agree_with_a_model(steps, write_takes, read_takes):
    trio.run(
        live, steps, write_takes, read_takes, clock=trio.testing.MockClock(autojump_threshold=0)
    )


async def live(steps, write_takes, read_takes):
    store = FaultyStore(write_takes=write_takes, read_takes=read_takes)
    await store.open(0.0)
    told = Told()
    writer = Writer(
        store, wall=trio.current_time, on_failure=told.failure, on_recovery=told.recovery
    )
    model: dict[UserId, Record] = {}
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        for number, (what, first, second) in enumerate(steps):
            await take(writer, store, model, number, what, first, second)
        store.fault = None
        writer.close()
    store.read_takes = 0.0
    assert {name: await store.read_user(UserId(name)) for name in "abcdef"} == {
        name: model.get(UserId(name)) for name in "abcdef"
    }


async def take(writer, store, model, number, what, first, second):
    match what, first, second:
        case "save", str(name), bool(is_announced):
            record = record_of(UserId(name), str(number), is_announced=is_announced)
            model[UserId(name)] = record
            writer.save(record)
        case "forget", str(name), _:
            model.pop(UserId(name), None)
            writer.forget_user(UserId(name))
        case "sleep", float(seconds), _:
            await trio.sleep(seconds)
        case "fault", bool(fails), _:
            store.fault = FULL_DISK if fails else None
        case "read", str(after), int(limit):
            shown = {name: record for name, record in model.items() if record.is_announced}
            page = sorted(name for name in shown if name > after)[:limit]
            assert await writer.read_announced_ids(after, limit) == page
            every = [UserId(name) for name in "abcdef"]
            assert await writer.read_views(every) == {n: r.view for n, r in shown.items()}
            assert [await writer.read_user(name) for name in every] == [*map(model.get, every)]
