"""Users of one server see each other come, change and go."""

import pytest
import trio


async def test_a_newcomer_is_introduced_and_then_updated(server):
    bob = await server.connect("bob")
    alice = await server.connect("alice")
    [added] = await bob.rest()
    member = added["d"]["member"]
    assert (added["t"], added["d"]["server_id"], member["user_id"]) == (
        "SERVER_MEMBER_ADD",
        "everyone",
        "alice",
    )
    await alice.leave()
    [left] = await bob.rest()
    assert (left["t"], left["d"]["status"]) == ("PRESENCE_UPDATE", "offline")
    assert left["v"] > member["version"]
    await server.connect("alice")
    assert await bob.presence_of("alice") == ["online"]


async def test_ready_and_the_stream_leave_no_gap_and_no_overlap(start_server):
    """Somebody changes all the time while others arrive."""
    server = await start_server(max_presence_changes=0, max_frames_per_second=0)
    busy = await server.connect("alice")
    seen = []

    async def change():
        for number in range(60):
            change = {"status": "online", "custom_status": str(number)}
            await busy.send({"op": "PRESENCE_UPDATE", "d": change})
            await trio.sleep(0.002)

    async def watch(user):
        client, ready = await server.join(user)
        [alice] = [it for it in ready["servers"][0]["members"] if it["user_id"] == "alice"]
        versions, text = [alice["version"]], alice["custom_status"]
        while text != "59":
            frame = await client.receive()
            if frame["t"] == "PRESENCE_UPDATE" and frame["d"].get("user_id") == "alice":
                versions.append(frame["v"])
                text = frame["d"]["custom_status"]
        seen.append(versions)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        for number in range(8):
            nursery.start_soon(watch, f"w{number}")
            await trio.sleep(0.01)
    for versions in seen:
        assert versions == sorted(set(versions))  # nothing older than the snapshot came after it
    assert len({versions[0] for versions in seen}) > 1  # they arrived in the midst of it


@pytest.mark.parametrize(
    ("goodbye", "grace_after", "least", "most"),
    [
        ("leave", 9.0, 0.0, 4.0),
        ("leave_without_code", 9.0, 0.0, 4.0),
        ("vanish", 0.4, 0.4, 4.0),
    ],
)
async def test_a_goodbye_shows_at_once_and_a_lost_connection_after_its_grace(
    start_server, goodbye, grace_after, least, most
):
    server = await start_server(grace_after=grace_after)
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await bob.rest()
    began_at = trio.current_time()
    await getattr(alice, goodbye)()
    assert (await bob.next_of("PRESENCE_UPDATE"))["status"] == "offline"
    assert least <= trio.current_time() - began_at < most


async def test_a_silent_socket_is_lost_and_one_that_answers_pings_is_not(start_server):
    server = await start_server(
        socket_ping_every=0.1, socket_lost_after=0.4, grace_after=0.0, max_requests_per_second=0
    )
    bob = await server.connect("bob")
    await server.connect("alice")
    await bob.rest()
    mute = await server.open_mute("/ws?user=mute")
    await server.wait_status("mute", "offline")
    told = [(frame["d"].get("user_id"), frame["d"].get("status")) for frame in await bob.rest()]
    assert told == [(None, None), ("mute", "offline")]  # it came, and it was lost
    await mute.stream.aclose()


async def test_a_dying_server_asks_to_come_back_and_publishes_nothing(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.rest()
    await bob.rest()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.stop)
        assert await alice.close_code() == 1012
        assert await bob.close_code() == 1012


# -- servers of claims -----------------------------------------------------------------------


async def test_a_claim_adds_and_removes_servers_live(start_server):
    server = await start_server(everyone_server=False)
    bob = await server.connect_with(server.token("bob", servers=["s1", "s2"]))
    alice = await server.connect_with(server.token("alice", servers=["s1"], issued_ago=10))
    await bob.rest()
    second = await server.connect_with(server.token("alice", servers=["s2"]))

    own = await alice.rest()
    assert [(frame["t"], frame["d"].get("server_id")) for frame in own] == [
        ("SERVER_REMOVE", "s1"),
        ("SERVER_ADD", None),
    ]
    added = own[1]["d"]
    assert (added["id"], [it["user_id"] for it in added["members"]]) == ("s2", ["alice", "bob"])
    others = [(frame["t"], frame["d"]["server_id"]) for frame in await bob.rest()]
    assert sorted(others) == [("SERVER_MEMBER_ADD", "s2"), ("SERVER_MEMBER_REMOVE", "s1")]
    assert await second.rest() == []


# -- where the application falls short of its page -------------------------------------------


async def test_01_an_omitted_custom_status_stays(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="online", custom_status="hello", activity="chess")
    await alice.update(status="dnd")
    last = (await bob.rest())[-1]["d"]
    assert (last["custom_status"], last["activity"]) == ("hello", "chess")
    answer = await server.patch("alice", status="away")
    assert answer.json["custom_status"] == "hello"


async def test_02_connecting_and_disconnecting_do_not_wipe_the_custom_status(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="online", custom_status="hello", activity="chess")
    await alice.leave()
    last = (await bob.rest())[-1]["d"]
    assert last == {
        "user_id": "alice",
        "status": "offline",
        "custom_status": "hello",
        "activity": None,
    }
    _, ready = await server.join("alice")
    assert ready["user"]["custom_status"] == "hello"
    assert (await bob.rest())[-1]["d"] == last | {"status": "online"}


async def test_03_ready_holds_the_members_statuses(server):
    alice = await server.connect("alice")
    await alice.update(status="dnd", custom_status="busy", activity="chess")
    await alice.rest()
    _, ready = await server.join("bob")
    [member] = [it for it in ready["servers"][0]["members"] if it["user_id"] == "alice"]
    assert (member["status"], member["custom_status"], member["activity"]) == (
        "dnd",
        "busy",
        "chess",
    )


async def test_04_every_connection_of_a_user_counts(server):
    first, second = await server.connect("alice"), await server.connect("alice")
    bob = await server.connect("bob")
    await second.leave()
    assert await bob.presence_of("alice") == []
    assert await server.status_of("alice") == "online"
    await first.leave()
    assert await bob.presence_of("alice") == ["offline"]


async def test_05_patch_broadcasts_and_clears_on_null(server):
    await server.connect("alice")
    bob = await server.connect("bob")
    await server.patch("alice", status="dnd", custom_status="busy", activity="chess")
    await server.patch("alice", custom_status=None, activity=None)
    texts = [(it["d"]["custom_status"], it["d"]["activity"]) for it in await bob.rest()]
    assert texts == [("busy", "chess"), (None, None)]


async def test_09_a_start_leaves_no_ghosts(start_server):
    server = await start_server()
    alice = await server.connect("alice")
    await alice.update(status="dnd", custom_status="hello", activity="chess")
    await server.patch("alice", status="dnd")  # committed when it is answered
    before = (await server.request("GET", "/users/alice", user="bob")).json
    assert before["status"] == "dnd"
    await server.crash()

    server = await start_server()
    _, ready = await server.join("bob")
    [alice] = [it for it in ready["servers"][0]["members"] if it["user_id"] == "alice"]
    assert (alice["status"], alice["custom_status"], alice["activity"]) == (
        "offline",
        "hello",
        None,
    )
    assert alice["version"] > before["version"]
    after = (await server.request("GET", "/users/alice", user="bob")).json
    assert after["last_seen"] is not None


async def test_10_invisible_stays_invisible_and_leaks_nothing(start_server):
    server = await start_server(max_presence_changes=0)
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="offline")
    assert await bob.presence_of("alice") == ["offline"]

    await alice.update(status="offline", custom_status="secret", activity="chess")
    await alice.update(status="away", afk=True)
    await alice.update(afk=False)
    second = await server.connect("alice")
    await server.patch("alice", activity="poker")
    await second.leave()
    await alice.leave()
    assert await bob.rest() == []

    _, ready = await server.join("carol")
    [member] = [it for it in ready["servers"][0]["members"] if it["user_id"] == "alice"]
    assert (member["status"], member["custom_status"], member["activity"]) == (
        "offline",
        None,
        None,
    )
