"""What the users of one server see of each other while they come, change and go."""

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


async def test_navigating_away_is_a_lost_connection_and_a_return_shows_nothing(start_server):
    server = await start_server(grace_after=0.6)
    alice, bob = await server.connect("alice", device="tab"), await server.connect("bob")
    await bob.rest()
    await alice.connection.aclose(code=1001)
    await server.quiet()
    await server.connect("alice", device="tab")
    await trio.sleep(0.8)
    assert await bob.rest() == []


async def test_a_silent_socket_is_lost_and_one_that_answers_pings_is_not(start_server):
    server = await start_server(
        socket_ping_every=0.1, socket_lost_after=0.4, grace_after=0.0, max_requests_per_second=0
    )
    bob = await server.connect("bob")
    await server.connect("alice")
    await bob.rest()
    mute = await trio.open_tcp_stream("127.0.0.1", server.port)
    await mute.send_all(
        b"GET /ws?user=mute HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
        b"connection: upgrade\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
    )
    await server.wait_status("mute", "offline")
    told = [(frame["d"].get("user_id"), frame["d"].get("status")) for frame in await bob.rest()]
    assert told == [(None, None), ("mute", "offline")]  # it came, and it was lost
    await mute.aclose()


async def test_a_dying_server_asks_to_come_back_and_publishes_nothing(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.rest()
    await bob.rest()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.stop)
        assert await alice.close_code() == 1012
        assert await bob.close_code() == 1012


@pytest.mark.parametrize("grace_after", [0.0, 10.0])
async def test_a_restart_keeps_what_was_chosen_and_outs_nobody(start_server, grace_after):
    server = await start_server(grace_after=grace_after)
    await server.connect("alice", device="phone", status="dnd")
    await server.connect("ines", device="phone", status="offline")
    await server.stop()

    server = await start_server()
    bob = await server.connect("bob")
    _, ready = await server.join("alice", device="phone", status="online")
    assert ready["user"]["status"] == "dnd"
    _, ready = await server.join("ines", device="phone", status="online")
    assert ready["user"]["status"] == "offline"
    assert await bob.presence_of("ines") == []


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


async def test_an_older_token_changes_no_memberships(start_server):
    server = await start_server(everyone_server=False)
    await server.connect_with(server.token("alice", servers=["s1"]))
    token = server.token("alice", servers=["s2"], issued_ago=10)
    ready = (await (await server.open(f"/ws?token={token}")).receive())["d"]
    assert [it["id"] for it in ready["servers"]] == ["s1"]


async def test_a_new_username_in_a_token_is_told_by_a_member_add(start_server):
    server = await start_server()
    bob = await server.connect("bob")
    await server.connect_with(server.token("alice", name="Alice"))
    await bob.rest()
    await server.connect_with(server.token("alice", name="Alicia"))
    [frame] = await bob.rest()
    assert (frame["t"], frame["d"]["member"]["username"]) == ("SERVER_MEMBER_ADD", "Alicia")


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


async def test_04_a_stale_connection_that_ends_does_not_evict_a_newer_one(start_server):
    server = await start_server(grace_after=0.2, max_requests_per_second=0)
    old = await server.connect("alice", device="phone")
    await server.connect("alice", device="phone")
    bob = await server.connect("bob")
    await old.vanish()
    await trio.sleep(0.4)
    assert await bob.presence_of("alice") == []
    assert await server.status_of("alice") == "online"


async def test_05_patch_broadcasts_and_clears_on_null(server):
    await server.connect("alice")
    bob = await server.connect("bob")
    await server.patch("alice", status="dnd", custom_status="busy", activity="chess")
    await server.patch("alice", custom_status=None, activity=None)
    texts = [(it["d"]["custom_status"], it["d"]["activity"]) for it in await bob.rest()]
    assert texts == [("busy", "chess"), (None, None)]


async def test_06_a_missing_or_non_string_status_is_invalid_not_online(server):
    alice, bob = await server.connect("alice", status="dnd"), await server.connect("bob")
    for data in ({}, {"status": None}, {"status": 1}, {"status": ["online"]}, {"status": True}):
        await alice.update(**data)
    assert await bob.rest() == []
    assert server.counted("presence_frames_dropped", reason="bad_status") == 5


async def test_07_128_characters_are_checked_on_the_socket_too(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="online", custom_status="x" * 129)
    await alice.update(status="online", activity="x" * 129)
    assert await bob.rest() == []
    await alice.update(status="online", custom_status="x" * 128, activity="é" * 128)
    [frame] = await bob.rest()
    assert (len(frame["d"]["custom_status"]), len(frame["d"]["activity"])) == (128, 128)


async def test_08_auto_away_really_exists(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="away", afk=True)
    await alice.update(afk=False)
    assert await bob.presence_of("alice") == ["away", "online"]


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


async def test_10_who_was_never_visible_is_not_in_any_snapshot(server):
    bob = await server.connect("bob")
    hidden = await server.connect("alice", status="offline")
    await hidden.update(status="offline", custom_status="secret")
    _, ready = await server.join("carol")
    assert [it["user_id"] for it in ready["servers"][0]["members"]] == ["bob", "carol"]
    assert [frame["d"]["member"]["user_id"] for frame in await bob.rest()] == ["carol"]


async def test_10_what_was_set_in_secret_shows_with_the_next_visible_status(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="offline")
    await alice.update(status="offline", custom_status="hello", activity="chess")
    await alice.update(status="dnd")
    last = (await bob.rest())[-1]["d"]
    assert last == {"user_id": "alice", "status": "dnd", "custom_status": "hello", "activity": None}
