"""The contract of a store, checked on each of them."""

import contextlib
import tempfile
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.adapters.store_memory import MemoryStore
from presence.adapters.store_sqlite.store import SqliteStore
from presence.core.events import REST_DEVICE
from presence.core.record import Record
from presence.core.types import DeviceId, PublicView, ServerId, State, Status, Text, UserId
from presence.errors import StoreUnavailable
from presence.live.ports import (
    Batch,
    MembershipRow,
    MembershipTable,
    Revocation,
    StartupState,
)

STARTS_APART = 2**32
ADA, BOB, CY = UserId("ada"), UserId("bob"), UserId("cy")
CHESS, GO = ServerId("chess"), ServerId("go")


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request, tmp_path):
    """A function for each start of a server on the same data."""
    memory = MemoryStore()
    return (lambda: memory) if request.param == "memory" else lambda: SqliteStore(tmp_path / "data")


@contextlib.asynccontextmanager
async def run_of(make_store, now=1000.0):
    """One run of the server, ended in order."""
    store = make_store()
    startup = await store.open(now)
    try:
        yield store, startup
        await store.write(Batch(0.0, is_last=True))
    finally:
        await store.aclose()


def view_of(user_id, **changes):
    return attrs.evolve(PublicView(user_id, user_id.title(), version=1), **changes)


def record_of(view, **changes):
    return attrs.evolve(Record(view, view.username, is_announced=True), **changes)


def users(*records):
    return {record.view.user_id: record for record in records}


FULL = record_of(
    PublicView(ADA, "Ada", Status.DND, Text("public ♞"), 5000.0, Text("chess"), 9),
    custom_status=Text("true"),
    custom_status_until=6000.5,
    activity=Text("own"),
    intent=Status.DND,
    intent_until=7000.25,
    former_intent=Status.AWAY,
    appear_offline=True,
    forced_hidden=True,
    attached_in=1,
    device_states={DeviceId("phone"): State.IDLE, REST_DEVICE: State.OFFLINE},
    awaited_states={DeviceId("laptop"): State.ONLINE},
    claims_at=123.0,
    named_at=456.5,
)


async def test_a_new_store_is_empty_and_counts_its_first_start(make_store):
    async with run_of(make_store) as (store, startup):
        assert startup == StartupState(
            epoch=1,
            settled_epoch=0,
            servers={},
            memberships=MembershipTable(),
            revocations=[],
            text_ends={},
            announced_count=0,
            was_moved_aside=False,
        )
        assert await store.read_user(ADA) is None
        assert await store.read_views([ADA]) == {}
        assert await store.read_announced_ids("", 10) == []
        assert await store.read_latest_version() == 0


async def test_a_record_is_read_as_it_was_written(make_store):
    async with run_of(make_store) as (store, _):
        await store.write(Batch(1.0, users=users(FULL)))
        assert await store.read_user(ADA) == FULL
        newer = attrs.evolve(FULL, custom_status=None, device_states={}, attached_in=None)
        await store.write(Batch(2.0, users=users(newer)))
        assert await store.read_user(ADA) == newer


async def test_a_deleted_user_is_gone(make_store):
    async with run_of(make_store) as (store, _):
        await store.write(Batch(1.0, users=users(FULL, record_of(view_of(BOB)))))
        await store.write(Batch(2.0, users={ADA: None, CY: None}))
        assert await store.read_user(ADA) is None
        assert await store.read_announced_ids("", 10) == [BOB]


async def test_only_announced_users_have_a_view(make_store):
    shown, unshown = record_of(view_of(ADA)), record_of(view_of(BOB), is_announced=False)
    async with run_of(make_store) as (store, _):
        await store.write(Batch(1.0, users=users(shown, unshown)))
        assert await store.read_views([ADA, BOB, CY]) == {ADA: shown.view}
        assert await store.read_views([]) == {}


async def test_shown_ids_come_in_pages_by_code_point(make_store):
    ids = [UserId(name) for name in ("~", "Z", "a", "10", "9", "_", "aa", "=", "hidden")]
    some = [record_of(view_of(user_id), is_announced=user_id != "hidden") for user_id in ids]
    async with run_of(make_store) as (store, _):
        await store.write(Batch(1.0, users=users(*some)))
        pages = [await store.read_announced_ids(after, 3) for after in ("", "=", "aa", "~")]
        assert pages == [["10", "9", "="], ["Z", "_", "a"], ["~"], []]


async def test_views_of_many_users_are_read_at_once(make_store):
    many = [record_of(view_of(UserId(f"user{n}"), version=n)) for n in range(3000)]
    async with run_of(make_store) as (store, _):
        await store.write(Batch(1.0, users=users(*many)))
        views = await store.read_views([record.view.user_id for record in many])
        assert views == {record.view.user_id: record.view for record in many}


async def test_everything_but_the_statuses_outlives_a_restart(make_store):
    memberships = [
        MembershipRow(ADA, CHESS, by_admin=True, by_claim=False, by_shown_claim=False),
        MembershipRow(BOB, CHESS, by_admin=False, by_claim=True, by_shown_claim=False),
        MembershipRow(ADA, GO, by_admin=False, by_claim=False, by_shown_claim=True),
    ]
    revocations = {ADA: Revocation(ADA, 55.5), BOB: Revocation(BOB, 56.0, last_version=77)}
    batch = Batch(
        900.0,
        users=users(FULL, record_of(view_of(BOB), is_announced=False)),
        servers={CHESS: "Chess", GO: "Go"},
        memberships={(row.user_id, row.server_id): row for row in memberships},
        revocations=revocations,
        settled_epoch=1,
    )
    async with run_of(make_store) as (store, _):
        await store.write(batch)
    async with run_of(make_store) as (store, startup):
        assert attrs.evolve(startup, revocations=[]) == StartupState(
            epoch=2,
            settled_epoch=1,
            servers={CHESS: "Chess", GO: "Go"},
            memberships=MembershipTable(memberships),
            revocations=[],
            text_ends={ADA: 5000.0},
            announced_count=1,
            was_moved_aside=False,
        )
        assert {row.user_id: row for row in startup.revocations} == revocations
        view = attrs.evolve(
            FULL.view,
            status=Status.OFFLINE,
            activity=None,
            last_seen=900.0,
            version=2 * STARTS_APART + 1,
        )
        assert await store.read_user(ADA) == attrs.evolve(FULL, view=view)


async def test_deleted_rows_do_not_outlive_a_restart(make_store):
    row = MembershipRow(ADA, CHESS, by_admin=True, by_claim=False, by_shown_claim=False)
    async with run_of(make_store) as (store, _):
        await store.write(
            Batch(1.0, users=users(FULL), servers={CHESS: "C"}, memberships={(ADA, CHESS): row})
        )
        gone = Batch(
            2.0, users={ADA: None}, servers={CHESS: None}, memberships={(ADA, CHESS): None}
        )
        await store.write(gone)
    async with run_of(make_store) as (store, startup):
        assert (startup.servers, list(startup.memberships), startup.text_ends) == ({}, [], {})
        assert startup.announced_count == 0


async def test_a_start_shows_nobody_online_and_leaves_the_others_alone(make_store):
    away = record_of(view_of(ADA, status=Status.AWAY, activity=Text("chess")))
    hidden = record_of(view_of(BOB, last_seen=50.0), intent=Status.OFFLINE, attached_in=1)
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(away, hidden)))
    async with run_of(make_store) as (store, _):
        now_offline = attrs.evolve(
            away.view,
            status=Status.OFFLINE,
            activity=None,
            last_seen=900.0,
            version=2 * STARTS_APART + 1,
        )
        assert await store.read_views([ADA, BOB]) == {ADA: now_offline, BOB: hidden.view}
        assert await store.read_user(BOB) == hidden
        assert await store.read_latest_version() == 2 * STARTS_APART + 1


def leased(user_id, end, state=State.ONLINE, **changes):
    """A user who is away, for as long as a lease holds."""
    view = view_of(user_id, status=Status.AWAY, activity=Text("chess"))
    devices = {DeviceId("bot"): state, DeviceId("phone"): State.ONLINE}
    record = record_of(view, attached_in=1, device_states=devices, intent=Status.AWAY)
    return attrs.evolve(record, lease_ends={DeviceId("bot"): end}, **changes)


async def test_a_user_shown_by_a_lease_stays_shown_over_a_start(make_store):
    shown, over = leased(ADA, 2000.5), leased(BOB, 2000.0)
    does_not_count = leased(CY, 3000.0, State.OFFLINE)
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(shown, over, does_not_count)))
    async with run_of(make_store, now=2000.0) as (store, startup):
        views = await store.read_views([ADA, BOB, CY])
        assert views[ADA] == shown.view
        assert await store.read_user(ADA) == shown
        for user_id in (BOB, CY):
            assert (views[user_id].status, views[user_id].last_seen) == (Status.OFFLINE, 900.0)
        assert startup.leased == {ADA: views[ADA], CY: views[CY]}


async def test_a_hidden_user_with_a_lease_is_named_and_stays_hidden(make_store):
    view = view_of(ADA, last_seen=50.0)
    hidden = leased(ADA, 2000.5, view=view, intent=Status.OFFLINE)
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(hidden)))
    async with run_of(make_store) as (store, startup):
        assert startup.leased == {ADA: view}
        assert await store.read_user(ADA) == hidden


async def test_after_a_crash_the_version_of_a_leased_user_is_raised(make_store):
    store = make_store()
    await store.open(1000.0)
    await store.write(Batch(900.0, users=users(leased(ADA, 2000.5))))
    await store.aclose()
    async with run_of(make_store) as (store, startup):
        assert startup.leased[ADA].version == 2 * STARTS_APART
        assert await store.read_views([ADA]) == startup.leased


async def test_a_leased_users_text_that_ends_while_the_server_is_down_is_cleared(make_store):
    text = {"custom_status": Text("lunch"), "custom_status_until": 1500.0}
    record = leased(ADA, 3000.0)
    record = attrs.evolve(record, view=attrs.evolve(record.view, **text))
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(record)))
    async with run_of(make_store, now=2000.0) as (_, startup):
        view = startup.leased[ADA]
        assert (view.status, view.custom_status) == (Status.AWAY, None)
        assert view.version == 2 * STARTS_APART + 1


@pytest.mark.parametrize("count", [50, 1500])
async def test_each_view_changed_by_a_start_has_a_version_of_its_own(make_store, count):
    names = [UserId(f"user{n}") for n in range(count)]
    online = [record_of(view_of(name, status=Status.ONLINE)) for name in names]
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(*online)))
    async with run_of(make_store) as (store, _):
        versions = sorted(view.version for view in (await store.read_views(names)).values())
        assert versions == [2 * STARTS_APART + 1 + n for n in range(count)]
        assert await store.read_latest_version() == versions[-1]


async def test_last_seen_is_the_newest_commit_even_where_the_clock_went_back(make_store):
    online = record_of(view_of(ADA, status=Status.ONLINE))
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0))
        await store.write(Batch(100.0, users=users(online)))
    async with run_of(make_store, now=50.0) as (store, _):
        assert (await store.read_views([ADA]))[ADA].last_seen == 900.0


async def test_a_start_clears_public_texts_whose_time_has_passed(make_store):
    def ends_at(user_id, end, **changes):
        text = Text("lunch")
        return record_of(view_of(user_id, custom_status=text, custom_status_until=end, **changes))

    over, online = ends_at(ADA, 2000.0), ends_at(BOB, 1500.0, status=Status.ONLINE)
    still_on = ends_at(CY, 2000.5)
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(over, online, still_on)))
    async with run_of(make_store, now=2000.0) as (store, startup):
        views = dict(await store.read_views([ADA, BOB, CY]))
        assert startup.text_ends == {CY: 2000.5}
        assert {views[ADA].version, views[BOB].version} == {
            2 * STARTS_APART + 1,
            2 * STARTS_APART + 2,
        }
        assert views == {
            ADA: view_of(ADA, version=views[ADA].version),
            BOB: view_of(BOB, version=views[BOB].version, last_seen=900.0),
            CY: still_on.view,
        }


async def test_a_start_clears_true_texts_without_a_public_change(make_store):
    over = record_of(view_of(ADA), custom_status=Text("secret"), custom_status_until=2000.0)
    still_on = record_of(view_of(BOB), custom_status=Text("secret"), custom_status_until=2001.0)
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(over, still_on)))
    async with run_of(make_store, now=2000.0) as (store, _):
        assert await store.read_user(ADA) == record_of(view_of(ADA))
        assert await store.read_user(BOB) == still_on


async def test_a_start_with_nothing_to_change_uses_no_version(make_store):
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(record_of(view_of(ADA, version=5)))))
    async with run_of(make_store) as (store, _):
        assert await store.read_latest_version() == 5


async def test_the_latest_version_counts_those_of_deleted_users(make_store):
    async with run_of(make_store) as (store, _):
        await store.write(Batch(1.0, users=users(record_of(view_of(ADA, version=8)))))
        gone = Revocation(ADA, 1.0, last_version=9)
        await store.write(Batch(2.0, users={ADA: None}, revocations={ADA: gone}))
        assert await store.read_latest_version() == 9
        await store.write(Batch(3.0, users=users(record_of(view_of(BOB, version=4)))))
        assert await store.read_latest_version() == 9


async def test_batches_are_written_in_the_order_of_the_calls(make_store):
    async with run_of(make_store) as (store, _):
        async with trio.open_nursery() as nursery:
            for version in range(1, 21):
                record = record_of(view_of(ADA, version=version))
                nursery.start_soon(store.write, Batch(float(version), users=users(record)))
                await trio.testing.wait_all_tasks_blocked()
        assert await store.read_user(ADA) == record_of(view_of(ADA, version=20))


async def test_after_a_crash_no_version_is_older_than_the_run(make_store):
    store = make_store()
    await store.open(1000.0)
    shown = record_of(view_of(ADA, version=2**32 + 1))
    await store.write(Batch(900.0, users=users(shown)))
    await store.aclose()  # no batch was the last: something newer may have been told

    async with run_of(make_store) as (store, _):
        assert (await store.read_views([ADA]))[ADA].version == 2 * 2**32
        record = await store.read_user(ADA)
        assert record is not None
        assert record.view.version == 2 * 2**32
    async with run_of(make_store) as (store, _):
        assert (await store.read_views([ADA]))[ADA].version == 2 * 2**32


async def test_after_an_end_in_order_versions_are_as_stored(make_store):
    shown = record_of(view_of(ADA, version=2**32 + 1))
    async with run_of(make_store) as (store, _):
        await store.write(Batch(900.0, users=users(shown)))
    async with run_of(make_store) as (store, _):
        assert await store.read_user(ADA) == shown


async def test_a_closed_store_answers_nothing(make_store):
    async with run_of(make_store) as (store, _):
        pass
    await store.aclose()
    for call in (
        store.read_user(ADA),
        store.read_views([ADA]),
        store.read_announced_ids("", 1),
        store.read_latest_version(),
        store.write(Batch(1.0)),
    ):
        with pytest.raises(StoreUnavailable):
            await call


# A law: both stores are the same ------------------------------------------------------------

names = st.sampled_from([ADA, BOB, CY])
ends = st.none() | st.sampled_from([100.0, 1500.0, 2500.0])
texts = st.none() | st.just(Text("text"))
views = st.builds(
    PublicView,
    user_id=names,
    username=st.just("name"),
    status=st.sampled_from(Status),
    custom_status=texts,
    custom_status_until=ends,
    activity=texts,
    version=st.integers(1, 100),
    last_seen=ends,
)
some_records = st.builds(
    Record,
    view=views,
    name=st.just("name"),
    is_announced=st.booleans(),
    custom_status=texts,
    custom_status_until=ends,
)
batches = st.builds(
    Batch,
    committed_at=st.floats(0, 3000),
    users=st.dictionaries(names, st.none() | some_records, max_size=3).map(
        lambda users: {
            user: record and attrs.evolve(record, view=attrs.evolve(record.view, user_id=user))
            for user, record in users.items()
        }
    ),
    settled_epoch=st.none() | st.integers(0, 9),
)
runs = st.lists(st.lists(batches, max_size=3), min_size=1, max_size=3)


@settings(max_examples=50)
@given(runs)
def test_both_stores_answer_alike(runs):
    with tempfile.TemporaryDirectory() as directory:
        memory = MemoryStore()
        told_by_memory = trio.run(live, runs, lambda: memory)
        told_by_sqlite = trio.run(live, runs, lambda: SqliteStore(Path(directory)))
    assert told_by_memory == told_by_sqlite


async def live(runs, make_store):
    told: list[object] = []
    for number, run in enumerate([*runs, []]):
        async with run_of(make_store, now=1000.0 * number) as (store, startup):
            told.append(startup)
            for batch in run:
                await store.write(batch)
            told.append(await store.read_latest_version())
            told.append(await store.read_announced_ids("", 2))
            records = [await store.read_user(user_id) for user_id in (ADA, BOB, CY)]
            seen = await store.read_views([ADA, BOB, CY])
            assert seen == {r.view.user_id: r.view for r in records if r and r.is_announced}
            told.append([r and attrs.evolve(r, view=unnumbered(r.view)) for r in records])
    return told


def unnumbered(view):
    """Without the place in the run: in which order a start numbers its changes is left open."""
    return attrs.evolve(view, version=view.version // STARTS_APART)
