"""The frames of the gateway as Server-Sent Events, for clients that get no WebSocket."""

import json
from functools import partial

import pytest
import trio
import trio.lowlevel

PATH = "/users/@me/events"
VERSIONS = pytest.mark.parametrize("version", ["1.0", "1.1"])


@pytest.fixture
def open_frames(open_events):
    return partial(open_events, path=PATH)


async def begin(events):
    """The data of READY, which comes first."""
    ready = json.loads(await events.next_frame())
    assert (ready["op"], ready["t"]) == ("DISPATCH", "READY")
    return ready["d"]


async def next_of(events, event):
    """The data of the next frame of this event; skips everything before it."""
    while (frame := json.loads(await events.next_frame()))["t"] != event:
        pass
    return frame["d"]


def updates_of(frames, user):
    return [
        frame["d"]
        for frame in frames
        if frame["t"] == "PRESENCE_UPDATE" and frame["d"]["user_id"] == user
    ]


# -- what is sent ----------------------------------------------------------------------------


@VERSIONS
async def test_ready_is_that_of_the_gateway_byte_for_byte(server, open_frames, version):
    for name in ("chess", "go"):
        await server.administer("PUT", f"/servers/{name}")
        await server.administer("PUT", f"/servers/{name}/members", {"members": ["alice", "bob"]})
    bob = await server.connect("bob")
    await bob.update(status="dnd", custom_status="naïve ☕")
    await server.connect("alice", device="first")
    gateway = await server.open("/ws?user=alice&device=desk")
    ready = await gateway.message()

    events = await open_frames(server, "alice", device="tab", version=version)

    assert b"content-type: text/event-stream" in events.head
    assert await events.next_frame() == ready
    assert '"custom_status":"naïve ☕"' in ready


@VERSIONS
async def test_every_later_frame_is_that_of_the_gateway_byte_for_byte(
    start_server, open_frames, version
):
    server = await start_server(everyone_server=False, max_requests_per_second=0)
    for name in ("chess", "go"):
        await server.administer("PUT", f"/servers/{name}")
    await server.administer("PUT", "/servers/chess/members/alice")
    gateway = await server.connect("alice", device="desk")
    events = await open_frames(server, "alice", device="tab", version=version)
    await begin(events)
    bob = await server.connect("bob")

    await server.administer("PUT", "/servers/chess/members/bob")
    await server.quiet()
    await bob.update(status="dnd", custom_status="x")
    await server.patch("alice", status="away")
    await server.administer("PUT", "/servers/go/members/alice")
    await server.administer("DELETE", "/servers/chess/members/bob")
    await server.administer("DELETE", "/servers/go/members/alice")

    sent = [await gateway.message() for _ in range(6)]
    assert [await events.next_frame() for _ in sent] == sent
    assert [json.loads(frame)["t"] for frame in sent] == [
        "SERVER_MEMBER_ADD",
        "PRESENCE_UPDATE",
        "PRESENCE_UPDATE",
        "SERVER_ADD",
        "SERVER_MEMBER_REMOVE",
        "SERVER_REMOVE",
    ]


async def test_a_member_that_was_removed_is_told_of_no_more(start_server, open_frames):
    server = await start_server(everyone_server=False, max_requests_per_second=0)
    await server.administer("PUT", "/servers/chess")
    await server.administer("PUT", "/servers/chess/members", {"members": ["alice", "bob", "carol"]})
    bob, carol = await server.connect("bob"), await server.connect("carol")
    events = await open_frames(server, "alice")
    await begin(events)
    await server.administer("DELETE", "/servers/chess/members/bob")
    assert await next_of(events, "SERVER_MEMBER_REMOVE") == {"server_id": "chess", "user_id": "bob"}
    await bob.update(status="dnd")
    await carol.update(status="away")
    assert (await next_of(events, "PRESENCE_UPDATE"))["user_id"] == "carol"


async def test_comments_keep_the_connection_alive(start_server, open_frames):
    server = await start_server(socket_ping_every=0.1, socket_lost_after=5.0)
    events = await open_frames(server, "alice")
    await begin(events)
    with trio.fail_after(5.0):
        assert [await events.chunk() for _ in range(3)] == [b": keep-alive\n\n"] * 3


# -- devices ---------------------------------------------------------------------------------


async def test_the_parameters_are_those_of_the_gateway(server, open_frames):
    watcher = await server.connect("watcher")
    events = await open_frames(server, "alice", device="tab", state="idle", status="dnd")
    assert (await begin(events))["user"]["intent"] == "dnd"
    await server.request("PATCH", "/users/@me", user="alice", body={"status": "online"})
    assert [each["status"] for each in updates_of(await watcher.rest(), "alice")][-1] == "away"


async def test_the_state_of_the_stream_is_set_over_rest(server, open_frames):
    events = await open_frames(server, "alice", device="tab")
    await begin(events)
    path = "/presence/alice/devices/tab"
    answer = await server.request("PUT", path, user="alice", body={"state": "idle"})
    assert answer.status == 204
    assert (await next_of(events, "PRESENCE_UPDATE"))["status"] == "away"
    assert await server.status_of("alice") == "away"


async def test_a_reconnect_within_the_grace_shows_nothing_to_others(start_server, open_frames):
    server = await start_server(grace_after=30.0, poll_grace_after=0.0)
    watcher = await server.connect("watcher")
    events = await open_frames(server, "alice", device="tab")
    await begin(events)
    await watcher.rest()
    for _ in range(3):
        await events.aclose()
        await server.until(lambda: not server.node.connections.of("alice"))
        events = await open_frames(server, "alice", device="tab")
        await begin(events)
    assert await watcher.rest() == []
    assert await server.status_of("alice") == "online"


async def test_a_stream_that_does_not_come_back_is_offline_after_the_grace(
    start_server, open_frames
):
    server = await start_server(grace_after=0.2, poll_grace_after=60.0)
    watcher = await server.connect("watcher")
    events = await open_frames(server, "alice", device="tab")
    await begin(events)
    await events.aclose()
    assert (await watcher.next_of("PRESENCE_UPDATE"))["status"] == "offline"


# -- who is let in ---------------------------------------------------------------------------


async def test_a_page_sends_its_token_in_the_address(start_server, open_frames):
    server = await start_server(is_development=False)
    events = await open_frames(server, None, token=server.token("alice"))
    assert (await begin(events))["user"]["id"] == "alice"
    header = f"authorization: Bearer {server.token('bob')}"
    events = await open_frames(server, "nobody", headers=[header])
    assert (await begin(events))["user"]["id"] == "bob"


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", (), 401),
        ("token=x", (), 401),
        ("user=alice", [("origin", "https://elsewhere.example")], 403),
        ("user=alice&state=away", (), 400),
        ("user=alice&status=idle", (), 400),
        ("user=alice&device=a%20b", (), 400),
    ],
)
async def test_a_refusal_is_a_plain_answer(server, query, headers, status):
    answer = await server.request("GET", f"{PATH}?{query}", headers=headers)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert len(server.node.connections) == 0


async def test_a_server_that_stops_lets_no_stream_in(server):
    server.node.is_draining = True
    answer = await server.request("GET", PATH, user="alice")
    assert (answer.status, answer.header("retry-after")) == (503, "1")


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("max_connections_per_user", "too many connections of this user"),
        ("max_devices_per_user", "too many devices of this user"),
    ],
)
async def test_a_stream_beyond_a_limit_is_refused_and_the_others_stay(
    start_server, open_frames, limit, problem
):
    server = await start_server(**{limit: 1})
    events = await open_frames(server, "alice", device="tab")
    await begin(events)
    answer = await server.request("GET", f"{PATH}?device=desk", user="alice")
    assert (answer.status, answer.error) == (429, problem)
    assert (await server.refusal("/ws?user=alice&device=desk")).status == 429
    await server.patch("alice", status="dnd")
    assert (await next_of(events, "PRESENCE_UPDATE"))["intent"] == "dnd"


# -- ends ------------------------------------------------------------------------------------


async def last_of(events):
    """Skip frames up to the end; the data of the event that says why."""
    while (event := await events.next_event())[0] == "message":
        pass
    kind, _, data = event
    assert (kind, await events.next_event()) == ("close", None)
    return data


@VERSIONS
async def test_a_stop_ends_the_stream_at_once(server, open_frames, nursery, version):
    events = await open_frames(server, "alice", version=version)
    await begin(events)
    began_at = trio.current_time()
    nursery.start_soon(server.stop)
    assert await last_of(events) == {"code": 1012, "reason": "server is stopping"}
    assert trio.current_time() - began_at < 0.9  # before a handler that waits is cancelled


@VERSIONS
async def test_an_expired_token_ends_its_own_stream_and_says_so(server, open_frames, version):
    other = await open_frames(server, None, token=server.token("alice"))
    await begin(other)
    token = server.token("alice", ttl=0.8)
    events = await open_frames(server, None, token=token, version=version)
    await begin(events)
    assert await last_of(events) == {"code": 4001, "reason": "token expired or revoked"}
    await server.patch("alice", status="dnd")
    assert (await next_of(other, "PRESENCE_UPDATE"))["intent"] == "dnd"
    assert (await server.request("GET", f"{PATH}?token={token}")).status == 401


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("POST", "/users/alice/revoke", 4001, "token expired or revoked"),
        ("POST", "/users/alice/disconnect", 4002, "disconnected by administration"),
        ("DELETE", "/users/alice", 4002, "disconnected by administration"),
    ],
)
async def test_administration_ends_the_stream_and_the_client_is_told_why(
    server, open_frames, method, path, code, reason
):
    events = await open_frames(server, "alice")
    await begin(events)
    await server.administer(method, path)
    assert await last_of(events) == {"code": code, "reason": reason}
    assert server.node.connections.of("alice") == ()


@VERSIONS
async def test_a_slow_reader_gets_all_that_waits_before_the_last_event(
    start_server, open_frames, version
):
    server = await start_server(max_presence_changes=0, max_requests_per_second=0)
    bob = await server.connect("bob")
    events = await open_frames(server, "alice", receive_buffer=4096, version=version)
    await server.until(lambda: server.node.connections.welcomed("alice"))
    [stream] = server.node.connections.subscribers_of("alice")
    newest = 0
    while not stream.outbox.statistics().replaced_count:
        newest += 1
        await bob.update(status="online", custom_status=f"{newest:0120}")

    await server.administer("POST", "/users/alice/revoke")

    ready, *frames = [json.loads(await events.next_frame()) for _ in range(2)]
    assert ready["t"] == "READY"
    while int(frames[-1]["d"]["custom_status"]) < newest:
        frames.append(json.loads(await events.next_frame()))
    assert await last_of(events) == {"code": 4001, "reason": "token expired or revoked"}


async def test_a_client_that_never_reads_is_cut_and_nobody_waits_for_it(start_server, open_frames):
    server = await start_server(write_blocked_after=0.5, max_presence_changes=0)
    bob = await server.connect("bob")
    await open_frames(server, "alice", receive_buffer=4096)
    await server.until(lambda: server.node.connections.welcomed("alice"))
    [stream] = server.node.connections.subscribers_of("alice")
    sent = 0
    with trio.fail_after(30.0):
        while server.node.connections.of("alice"):
            await bob.update(status="online", custom_status=f"{sent:0120}")
            sent += 1
            assert stream.outbox.statistics().waiting_keys <= 3
            await trio.lowlevel.checkpoint()


async def test_the_streams_are_counted_as_connections_of_their_own_kind(server, open_frames):
    await begin(await open_frames(server, "alice"))
    assert server.counted("presence_connections", dialect="together_events") == 1
