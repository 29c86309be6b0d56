"""Syncs: what changed since the last one, at once or as soon as something does."""

import pytest
import trio

BOB = "@bob:localhost"
POLL = 5000


@pytest.fixture
async def alice(server, log_in):
    return await log_in(server, "alice")


@pytest.fixture
async def bob(server, log_in):
    return await log_in(server, "bob")


async def wait_for_poll(server, user):
    """Wait until a poll of *user* is attached and waits."""
    await server.until(lambda: server.node.connections.welcomed(user))
    await server.quiet()


# -- what an answer holds --------------------------------------------------------------------


async def test_the_first_sync_tells_of_all_who_are_visible_and_of_oneself(server, alice):
    for user, status in (("bob", "online"), ("carol", "dnd"), ("dora", "offline")):
        client = await server.connect(user)
        await client.update(status=status)
        await client.rest()
    events = await alice.sync()
    assert {sender: content["presence"] for sender, content in events.items()} == {
        "@alice:localhost": "online",
        BOB: "online",
        "@carol:localhost": "unavailable",
    }


async def test_a_sync_tells_only_what_changed_since_the_last_one(server, alice):
    bob, carol = await server.connect("bob"), await server.connect("carol")
    await alice.sync()
    assert await alice.sync() == {}
    await bob.update(status="away")
    await bob.update(status="dnd", custom_status="x")
    await carol.update(status="online", custom_status="y")
    await carol.rest()
    events = await alice.sync()
    assert set(events) == {BOB, "@carol:localhost"}
    assert events[BOB]["status_msg"] == "x"
    assert await alice.sync() == {}


async def test_a_poll_is_answered_as_soon_as_somebody_changes(server, alice, nursery):
    bob = await server.connect("bob")
    await alice.sync()
    found = []

    async def poll():
        found.append(await alice.presences(POLL))

    async with trio.open_nursery() as polling:
        polling.start_soon(poll)
        await wait_for_poll(server, "alice")
        await bob.update(status="dnd")
        await server.until(lambda: found)
    assert found == [{BOB: "unavailable"}]
    assert await alice.sync() == {}


async def test_a_poll_without_a_change_ends_after_its_timeout(server, alice):
    await server.connect("bob")
    await alice.sync()
    began = trio.current_time()
    assert await alice.sync(300) == {}
    assert trio.current_time() - began >= 0.29


async def test_a_change_between_two_polls_is_told_by_the_next_one(server, alice):
    bob = await server.connect("bob")
    await alice.sync()
    await bob.update(status="online", custom_status="while you were away")
    await bob.rest()
    assert (await alice.sync(POLL))[BOB]["status_msg"] == "while you were away"


async def test_a_poll_is_not_woken_by_what_this_dialect_does_not_show(server, alice):
    bob = await server.connect("bob")
    await bob.update(status="away")
    await bob.rest()
    await alice.sync()
    events = []

    async def poll():
        events.append(await alice.sync(700))

    async with trio.open_nursery() as polling:
        polling.start_soon(poll)
        await wait_for_poll(server, "alice")
        await bob.update(status="dnd")
        await bob.update(status="dnd", activity="chess")
        await bob.rest()
    assert events == [{}]
    assert await alice.sync() == {}, "and it is not told later either"


async def test_a_change_of_ones_own_state_is_told_to_ones_other_devices(server, alice, log_in):
    await alice.sync()
    tab = await log_in(server, "alice")
    await tab.put("online", status_msg="mine")
    events = await alice.sync(POLL)
    assert events["@alice:localhost"]["status_msg"] == "mine"
    assert await alice.sync() == {}


async def test_a_filter_leaves_presence_out_and_the_device_stays_online(server, alice):
    await server.connect("bob")
    assert await alice.sync(filter="1") == {}
    assert await server.status_of("alice") == "online"


async def test_the_snapshot_is_current(server, alice):
    bob = await server.connect("bob")
    for number in range(4):
        await bob.update(status="online", custom_status=f"{number}")
        await bob.rest()
        alice.since = None
        assert (await alice.sync())[BOB]["status_msg"] == f"{number}"


# -- positions -------------------------------------------------------------------------------


@pytest.mark.parametrize("since", ["nonsense", "s72594_4483", "9" * 19 + ".00000000", "1.x"])
async def test_an_unknown_position_is_answered_by_a_snapshot_at_once(server, alice, since):
    await server.connect("bob")
    alice.since = since
    with trio.fail_after(2.0):
        assert await alice.presences(POLL) == {BOB: "online"}
    assert await alice.sync() == {}


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_a_position_of_before_a_restart_tells_also_who_is_offline_now(
    start_server, log_in, end
):
    server = await start_server()
    carol = await server.connect("carol")
    await server.connect("bob")
    await carol.leave()
    alice = await log_in(server, "alice")
    await alice.sync()
    await server.quiet()
    await getattr(server, end)()
    alice.server = await start_server()
    dora = await alice.server.connect("dora")
    await dora.rest()
    told = await alice.presences(POLL)
    assert told.pop("@carol:localhost", "offline") == "offline"
    assert told == {BOB: "offline", "@dora:localhost": "online"}
    assert await alice.sync() == {}


async def test_a_member_who_leaves_the_servers_one_shares_is_offline(start_server, log_in):
    server = await start_server(everyone_server=False)
    admin = server.admin()
    await server.request("PUT", "/servers/chess", token=admin)
    for user in ("alice", "bob"):
        await server.request("PUT", f"/users/{user}", token=admin)
        await server.request("PUT", f"/servers/chess/members/{user}", token=admin)
    await server.connect("bob")
    alice = await log_in(server, "alice")
    assert await alice.presences() == {BOB: "online"}
    events = []

    async def poll():
        events.append(await alice.presences(POLL))

    async with trio.open_nursery() as polling:
        polling.start_soon(poll)
        await wait_for_poll(server, "alice")
        await server.request("DELETE", "/servers/chess/members/bob", token=admin)
    assert events == [{BOB: "offline"}]
    await server.request("PUT", "/servers/chess/members/bob", token=admin)
    assert await alice.presences() == {BOB: "online"}


# -- devices ---------------------------------------------------------------------------------


async def test_a_device_that_polls_and_pauses_is_online_without_an_event(start_server, log_in):
    server = await start_server(poll_grace_after=1.0, grace_after=0.1)
    watcher = await server.connect("watcher")
    alice = await log_in(server, "alice")
    await alice.sync()
    await watcher.rest()
    for _ in range(4):
        await alice.sync(200)
        await trio.sleep(0.3)
    assert await watcher.rest() == []
    update = await watcher.next_of("PRESENCE_UPDATE")
    assert update["status"] == "offline"


@pytest.mark.parametrize(
    ("presence", "status"), [("online", "online"), ("unavailable", "away"), ("busy", "online")]
)
async def test_a_sync_sets_the_state_of_its_device(server, alice, presence, status):
    await alice.sync(set_presence=presence)
    assert await server.status_of("alice") == status


async def test_a_sync_that_is_offline_shows_nobody(server, alice):
    await server.connect("bob")
    assert await alice.presences(set_presence="offline") == {BOB: "online"}
    assert await server.status_of("alice") == 404


async def test_a_dropped_poll_is_over_at_once_and_its_device_stays_for_the_timer(
    start_server, log_in
):
    server = await start_server(poll_grace_after=1.0)
    await server.connect("bob")
    alice = await log_in(server, "alice")
    await alice.sync()
    with trio.move_on_after(0.3):
        await alice.sync(POLL)
    await server.until(lambda: not server.node.connections.of("alice"))
    assert await server.status_of("alice") == "online"
    await server.wait_status("alice", "offline")


# -- ends ------------------------------------------------------------------------------------


async def test_a_stop_answers_those_who_wait_within_a_second(server, alice):
    await alice.sync()
    found = []

    async def poll():
        found.append(await alice.request("GET", f"/sync?since={alice.since}&timeout=60000"))

    async with trio.open_nursery() as polling:
        polling.start_soon(poll)
        await wait_for_poll(server, "alice")
        began = trio.current_time()
        await server.stop()
    assert trio.current_time() - began < 1.5
    assert [answer.status for answer in found] == [200]


async def test_a_revoked_user_is_logged_out_of_its_poll(server, alice):
    await server.request("PUT", "/users/alice", token=server.admin())
    await alice.sync()
    found = []

    async def poll():
        found.append(await alice.request("GET", f"/sync?since={alice.since}&timeout=60000"))

    async with trio.open_nursery() as polling:
        polling.start_soon(poll)
        await wait_for_poll(server, "alice")
        await server.request("POST", "/users/alice/revoke", token=server.admin())
    [answer] = found
    assert (answer.status, answer.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")


async def test_many_who_come_at_once_are_told_in_few_answers(start_server, log_in):
    """Each poll is woken once per round, and no change is told twice."""
    server = await start_server(max_connections_per_address=0, max_requests_per_second=0)
    alice = await log_in(server, "alice")
    await alice.sync()
    changes = 0
    seen = {}
    async with trio.open_nursery() as joining:
        for number in range(200):
            joining.start_soon(server.connect, f"user{number}")
        while len(seen) < 200:
            events = await alice.presences(POLL)
            for sender in events:
                assert sender not in seen
            seen |= events
            changes += 1
    assert set(seen.values()) == {"online"}
    assert changes <= 200
