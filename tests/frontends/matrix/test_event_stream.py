"""The draft's event stream: Server-Sent Events that resume, and the same as a long poll."""

import socket

import pytest
import trio
import trio.lowlevel


async def users_of(event):
    kind, _, data = event
    assert kind == "snapshot"
    return {each["user_id"]: each["status"] for each in data}


async def begin(events):
    """Skip the self view and return the snapshot."""
    kind, position, own = await events.next_event()
    assert (kind, position) == ("self", None)
    return own, await events.next_event()


# -- what is sent ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_stream_begins_with_oneself_and_all_who_are_visible(server, open_events, version):
    bob = await server.connect("bob")
    await server.connect("dora", state="offline")
    events = await open_events(server, "alice", version=version)
    assert b"content-type: text/event-stream" in events.head
    own, snapshot = await begin(events)
    assert (own["user_id"], own["status"]) == ("alice", "online")
    assert await users_of(snapshot) == {"bob": "online"}
    await bob.update(status="dnd", custom_status="x")
    kind, position, data = await events.next_event()
    assert (kind, position) == ("presence", data["version"])
    assert (data["state"], data["status"], data["custom_status"]) == ("online", "dnd", "x")


async def test_a_change_of_ones_own_is_an_event_without_a_position(server, open_events):
    events = await open_events(server, "alice")
    await begin(events)
    await server.patch("alice", status="dnd")
    kind, position, own = await events.next_event()
    assert (kind, position, own["intent"]) == ("self", None, "dnd")


async def test_a_stream_resumes_after_the_position_that_the_browser_sends(server, open_events):
    bob = await server.connect("bob")
    events = await open_events(server, "alice", device="tab")
    _, (_, position, _) = await begin(events)
    await events.aclose()
    await bob.update(status="away")
    await server.connect("carol")
    await server.quiet()
    header = f"last-event-id: {position}"
    again = await open_events(server, "alice", device="tab", headers=[header])
    assert (await again.next_event())[0] == "self"
    changes = [await again.next_event() for _ in range(2)]
    assert [(kind, data["user_id"]) for kind, _, data in changes] == [
        ("presence", "bob"),
        ("presence", "carol"),
    ]
    positions = [position for _, position, _ in changes]
    assert positions == sorted(positions)


@pytest.mark.parametrize("position", ["x", "-1", "0", "1", "99999999999999"])
async def test_an_unknown_position_is_answered_by_a_snapshot(server, open_events, position):
    await server.connect("bob")
    events = await open_events(server, "alice", since=position)
    _, snapshot = await begin(events)
    assert await users_of(snapshot) == {"bob": "online"}


async def test_a_position_of_before_a_restart_tells_also_who_is_offline_now(
    start_server, open_events
):
    server = await start_server()
    await server.connect("bob")
    events = await open_events(server, "alice")
    _, (_, position, _) = await begin(events)
    await server.quiet()
    await server.stop()
    server = await start_server()
    events = await open_events(server, "alice", since=str(position))
    _, snapshot = await begin(events)
    assert await users_of(snapshot) == {"bob": "offline"}


async def test_members_come_and_go_as_presence(start_server, open_events):
    server = await start_server(everyone_server=False)
    admin = server.admin()
    for user in ("alice", "bob"):
        await server.request("PUT", f"/users/{user}", token=admin)
    for name in ("chess", "go"):
        await server.request("PUT", f"/servers/{name}", token=admin)
    await server.request("PUT", "/servers/chess/members/alice", token=admin)
    await server.connect("bob")
    events = await open_events(server, "alice")
    _, snapshot = await begin(events)
    assert await users_of(snapshot) == {}
    await server.request("PUT", "/servers/chess/members/bob", token=admin)
    assert await events.next_presence() == ("bob", "online")
    await server.request("DELETE", "/servers/chess/members/bob", token=admin)
    assert await events.next_presence() == ("bob", "offline")
    await server.request("PUT", "/servers/go/members/bob", token=admin)
    await server.request("PUT", "/servers/go/members/alice", token=admin)
    assert await events.next_presence() == ("bob", "online")
    await server.request("DELETE", "/servers/go/members/alice", token=admin)
    assert await events.next_presence() == ("bob", "offline")


# -- devices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "status"), [("online", "online"), ("idle", "away")])
async def test_the_state_of_the_request_is_that_of_its_device(server, open_events, state, status):
    await open_events(server, "alice", device="tab", state=state)
    await server.wait_status("alice", status)


async def test_a_stream_that_is_offline_receives_and_shows_nobody(server, open_events):
    events = await open_events(server, "alice", state="offline")
    await begin(events)
    await server.connect("bob")
    assert await events.next_presence() == ("bob", "online")
    assert await server.status_of("alice") == 404


async def test_a_lost_stream_counts_for_the_time_of_a_poll(start_server, open_events):
    server = await start_server(poll_grace_after=1.0, grace_after=0.05)
    watcher = await server.connect("watcher")
    events = await open_events(server, "alice", device="tab")
    await begin(events)
    await events.aclose()
    await server.until(lambda: not server.node.connections.of("alice"))
    again = await open_events(server, "alice", device="tab")
    await begin(again)
    await again.aclose()
    assert (await watcher.next_of("PRESENCE_UPDATE"))["status"] == "offline"


# -- ends ------------------------------------------------------------------------------------


async def test_a_stop_ends_the_stream_cleanly(server, open_events):
    events = await open_events(server, "alice")
    await begin(events)
    await server.stop()
    assert await events.next_event() is None


async def test_a_disconnected_user_loses_its_stream(server, open_events):
    events = await open_events(server, "alice")
    await begin(events)
    await server.request("POST", "/users/alice/disconnect", token=server.admin())
    assert await events.next_event() is None


async def test_comments_keep_the_connection_alive(start_server, open_events):
    server = await start_server(socket_ping_every=0.1, socket_lost_after=5.0)
    events = await open_events(server, "alice", version="1.0")
    await begin(events)
    seen = b""
    with trio.fail_after(5.0):
        while seen.count(b": keep-alive\n\n") < 3:
            seen += await events.chunk()


async def test_a_client_that_never_reads_is_cut_and_nobody_waits_for_it(start_server, open_events):
    server = await start_server(write_blocked_after=0.5, max_presence_changes=0)
    bob = await server.connect("bob")
    await open_events(server, "alice", receive_buffer=4096)
    await server.until(lambda: server.node.connections.welcomed("alice"))
    stream = server.node.connections.subscribers_of("alice")[0]
    sent = 0
    with trio.fail_after(30.0):
        while server.node.connections.of("alice"):
            await bob.update(status="online", custom_status=f"{sent:0120}")
            sent += 1
            assert stream.outbox.statistics().waiting_keys <= 3
            await trio.lowlevel.checkpoint()


async def test_the_kernel_detects_a_client_that_vanished_without_a_word(start_server, open_events):
    server = await start_server(socket_ping_every=20.0, socket_lost_after=26.0)
    await open_events(server, "alice")
    await server.until(lambda: server.node.connections.of("alice"))
    [stream] = server.node.connections.subscribers_of("alice")
    sock = stream.outbox._socket  # private: only the kernel tells of these options
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert [sock.getsockopt(socket.IPPROTO_TCP, each) for each in options] == [20, 2, 26_000]


async def test_a_stream_beyond_the_limit_is_refused(start_server, open_events):
    server = await start_server(max_connections_per_user=1)
    await open_events(server, "alice")
    await server.until(lambda: server.node.connections.of("alice"))
    answer = await server.request("GET", "/events", user="alice")
    assert answer.status == 429


# -- the long poll ---------------------------------------------------------------------------


async def poll(server, user="alice", **query):
    path = "/events?" + "&".join(f"{key}={value}" for key, value in query.items())
    answer = await server.request("GET", path, user=user)
    assert answer.status == 200, answer
    return answer.json


async def test_a_poll_begins_with_a_snapshot_and_goes_on_by_its_position(server):
    bob = await server.connect("bob")
    first = await poll(server, timeout=0, device="tab")
    assert first["snapshot"] is True
    assert [each["user_id"] for each in first["events"]] == ["alice", "bob"]
    second = await poll(server, timeout=0, device="tab", since=first["position"])
    assert (second["events"], "snapshot" in second) == ([], False)
    await bob.update(status="away")
    await bob.rest()
    third = await poll(server, timeout=5000, device="tab", since=second["position"])
    assert [(each["user_id"], each["status"]) for each in third["events"]] == [("bob", "away")]


async def test_a_poll_that_names_no_state_keeps_that_of_its_device(server):
    await poll(server, timeout=0, device="tab", state="idle")
    assert await server.status_of("alice") == "away"
    await poll(server, timeout=0, device="tab")
    assert await server.status_of("alice") == "away"


@pytest.mark.parametrize("query", ["timeout=x", "state=away", "device=a%20b"])
async def test_what_makes_no_sense_is_refused(server, query):
    answer = await server.request("GET", f"/events?{query}", user="alice")
    assert (answer.status, list(answer.json)) == (400, ["error"])
