"""The flag outlives everything: no way of coming back ever shows its user."""

import pytest


@pytest.fixture
async def hidden(server):
    """A user that others saw online, and who then set the flag and lost its connection."""
    watcher = await server.connect("watcher")
    alice = await server.connect("alice", device="phone")
    await server.patch("alice", appear_offline=True)
    await alice.vanish()
    await watcher.rest()
    assert await server.status_of("alice") == "offline"
    return server, watcher


async def by_gateway(server, log_in, open_events):
    await server.connect("alice", device="phone")


async def by_gateway_with_a_wish(server, log_in, open_events):
    await server.connect("alice", device="phone", status="online", state="online")


async def by_sync(server, log_in, open_events):
    client = await log_in(server, "alice")
    await client.sync(set_presence="online")
    await client.put("online")


async def by_event_stream(server, log_in, open_events):
    events = await open_events(server, "alice", state="online")
    await events.next_event()


async def by_long_poll(server, log_in, open_events):
    await server.request("GET", "/events?timeout=0&state=online", user="alice")


async def by_lease(server, log_in, open_events):
    await server.request(
        "PUT", "/presence/alice/devices/desk", user="alice", body={"state": "online"}
    )


async def by_status(server, log_in, open_events):
    await server.request("PUT", "/presence/alice/status", user="alice", body={"status": "dnd"})


async def by_voiceping(server, log_in, open_events):
    radio = await server.open("/voiceping?user=alice")
    await radio.send('[0,5,"alice",0,1]')


WAYS = [
    by_gateway,
    by_gateway_with_a_wish,
    by_sync,
    by_event_stream,
    by_long_poll,
    by_lease,
    by_status,
    by_voiceping,
]


@pytest.mark.parametrize("come_back", WAYS)
async def test_no_way_back_shows_a_user_who_appears_offline(hidden, log_in, open_events, come_back):
    server, watcher = hidden
    await come_back(server, log_in, open_events)
    await server.quiet()
    assert await watcher.rest() == []
    assert await server.status_of("alice") == "offline"
