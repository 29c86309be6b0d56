"""How much and how fast a client may send, and what ends on time."""

from datetime import UTC, datetime, timedelta

import pytest
import trio


def padded(length):
    """A heartbeat frame of exactly so many bytes."""
    bare = '{"op":"HEARTBEAT","x":""}'
    return bare.replace('""', f'"{"x" * (length - len(bare))}"')


def at(seconds):
    """The RFC 3339 time so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_a_frame_of_16384_bytes_is_read_and_one_byte_more_closes_with_1009(start_server):
    server = await start_server(grace_after=5.0)
    alice = await server.connect("alice")
    await alice.send(padded(16_384))
    assert await alice.receive() == {"op": "HEARTBEAT_ACK"}
    await alice.send(padded(16_385))
    assert await alice.close_code() == 1009
    assert await server.status_of("alice") == "online"  # as a lost connection


# -- frames per second -----------------------------------------------------------------------


async def test_heartbeats_over_20_frames_a_second_are_dropped(server):
    alice = await server.connect("alice")
    for _ in range(26):
        await alice.send({"op": "HEARTBEAT"})
    await server.quiet()
    assert server.counted("presence_frames_dropped", reason="over_rate") == 6


async def test_changes_over_the_frame_rate_merge_and_the_last_is_never_lost(start_server):
    server = await start_server(max_presence_changes=0)
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await bob.rest()
    began_at = trio.current_time()
    for number in range(40):
        activity = {"activity": "chess"} if number == 30 else {}
        await alice.update(status="dnd", custom_status=str(number), **activity)
    frames = []
    while not frames or frames[-1]["custom_status"] != "39":
        frames.append(await bob.next_of("PRESENCE_UPDATE"))

    assert 0.5 < trio.current_time() - began_at < 4
    assert len(frames) <= 21
    assert frames[-1] == {
        "user_id": "alice",
        "status": "dnd",
        "custom_status": "39",
        "activity": "chess",
    }
    assert server.counted("presence_frames_dropped", reason="over_rate") == 0


async def test_hiding_does_not_wait_for_the_frame_rate(start_server):
    server = await start_server(max_frames_per_second=5, max_presence_changes=0)
    alice, bob = await server.connect("alice"), await server.connect("bob")
    for number in range(6):
        await alice.update(status="online", custom_status=str(number))
    await alice.update(status="offline")
    began_at = trio.current_time()
    while (await bob.next_of("PRESENCE_UPDATE"))["status"] != "offline":
        pass
    assert trio.current_time() - began_at < 0.5


async def test_a_postponed_change_is_not_lost_when_the_client_leaves(start_server):
    server = await start_server(max_frames_per_second=5, max_presence_changes=0)
    alice, other = await server.connect("alice"), await server.connect("alice")
    for number in range(6):
        await alice.update(status="dnd", custom_status=str(number))
    await alice.leave()
    assert (await other.self_views())[-1]["custom_status"] == "5"


# -- presence changes in the window ----------------------------------------------------------


@pytest.fixture
async def paced(start_server):
    """Two changes in 0.8 seconds."""
    return await start_server(
        max_presence_changes=2, presence_window=0.8, max_requests_per_second=0
    )


async def test_five_changes_apply_at_once_and_the_sixth_waits(start_server):
    server = await start_server(presence_window=1.0)
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await bob.rest()
    began_at = trio.current_time()
    for number in range(8):
        await alice.update(status="dnd", custom_status=str(number))
    texts = []
    while "7" not in texts:
        texts.append((await bob.next_of("PRESENCE_UPDATE"))["custom_status"])
        if texts == ["0", "1", "2", "3", "4"]:
            assert trio.current_time() - began_at < 0.5
    assert texts == ["0", "1", "2", "3", "4", "7"]
    assert 0.9 < trio.current_time() - began_at < 4


async def test_over_rest_a_change_over_the_rate_is_refused_and_nothing_of_it_applies(paced):
    bob = await paced.connect("bob")
    await paced.connect("alice")
    for status in ("dnd", "away"):
        assert (await paced.patch("alice", status=status)).status == 200
    await bob.rest()
    refused = await paced.patch("alice", status="dnd", custom_status="x", appear_offline=False)

    assert (refused.status, refused.header("retry-after")) == (429, "1")
    assert refused.error == "too many changes of presence"
    await trio.sleep(1.0)
    assert await bob.rest() == []
    view = (await paced.request("GET", "/users/@me", user="alice")).json
    assert (view["intent"], view["custom_status"]) == ("away", None)
    assert (await paced.patch("alice", status="dnd")).status == 200


async def test_hiding_over_rest_is_never_refused(paced):
    await paced.connect("alice")
    for status in ("dnd", "away", "offline"):
        assert (await paced.patch("alice", status=status)).status == 200
    for flag in (True, True):
        assert (await paced.patch("alice", appear_offline=flag)).status == 200
    assert await paced.status_of("alice") == "offline"


# -- what ends by itself ---------------------------------------------------------------------


@pytest.mark.parametrize("until", [0.4, at], ids=["relative", "RFC 3339"])
async def test_an_intent_with_an_end_gives_the_former_one_back(server, until):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await bob.rest()
    await alice.update(status="away")
    await alice.update(status="dnd", until=until(0.4) if callable(until) else until)
    statuses = [(await bob.next_of("PRESENCE_UPDATE"))["status"] for _ in range(3)]
    assert statuses == ["away", "dnd", "away"]
    assert await bob.rest() == []
    views = await alice.self_views()
    assert [(it["intent"], it["until"] is None) for it in views] == [
        ("away", True),
        ("dnd", False),
        ("away", True),
    ]


@pytest.mark.parametrize("until", [0.3, at], ids=["relative", "RFC 3339"])
async def test_a_custom_status_with_an_end_is_cleared_by_one_event(server, until):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await bob.rest()
    end = until(0.3) if callable(until) else until
    await alice.update(status="online", custom_status="lunch", custom_status_until=end)
    texts = [(await bob.next_of("PRESENCE_UPDATE"))["custom_status"] for _ in range(2)]
    assert texts == ["lunch", None]
    assert await bob.rest() == []


# -- devices ---------------------------------------------------------------------------------


async def test_one_device_too_many_is_refused_with_429_and_the_others_stay(start_server):
    server = await start_server(max_devices_per_user=2)
    first, second = [await server.connect("alice") for _ in range(2)]
    refused = await server.refusal("/ws?user=alice")
    assert (refused.status, refused.header("retry-after")) == (429, "10")
    assert (await first.rest(), await second.rest()) == ([], [])
    await second.leave()
    await server.connect("alice")
