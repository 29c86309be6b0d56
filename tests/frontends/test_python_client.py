"""The Python client against a whole server: it watches, sets, and comes back."""

import json
from datetime import timedelta

import pytest
import trio

from presence.client import presence, rest
from presence.client.backoff import Backoff
from presence.client.connection import ConnectionState, PresenceRefused
from presence.client.presence import open_presence
from presence.client.rest import RequestFailed
from presence.core.types import Status

SOON = Backoff(0.05, 0.2)


@pytest.fixture
def open_client(nursery):
    """Open a client that ends with the test, or at once by `leave`."""

    async def hold(server, options, *, task_status):
        url = f"http://127.0.0.1:{server.port}"
        with trio.CancelScope() as scope:
            async with open_presence(url, reconnect=SOON, **options) as client:
                client.leave = scope.cancel
                task_status.started(client)
                await trio.sleep_forever()

    async def open_client(server, **options):
        client = await nursery.start(hold, server, options)
        with trio.fail_after(5.0):
            await client.wait_live()
        return client

    return open_client


async def test_ten_lines_watch_and_set(server, open_client):
    alice = await open_client(server, user="alice")
    bob = await open_client(server, user="bob")
    async with alice.changes() as changes:
        me = await bob.set(Status.DND, custom_status="Deploying", until=timedelta(hours=1))
        assert (me.intent, me.custom_status) == (Status.DND, "Deploying")
        with trio.fail_after(5.0):
            async for change in changes:
                if change.user.status is Status.DND:
                    break
    assert change.user.id == "bob"
    assert alice.users["bob"] == change.user
    assert [user.id for user in await alice.get_users(["bob", "nobody"])] == ["bob"]
    assert (await bob.explain())["status"] == "dnd"


async def test_a_user_is_waited_for(server, open_client):
    alice = await open_client(server, user="alice")
    bob = await server.connect("bob")
    await bob.update(status="away")
    with trio.fail_after(5.0):
        found = await alice.wait_for("bob", lambda user: user.status is Status.AWAY)
    assert found.id == "bob"


async def test_members_are_read_in_pages(server, open_client, monkeypatch):
    for module in (rest, presence):
        monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        await server.patch(f"user{number}", status="online")
    alice = await open_client(server, user="alice")
    members = [user.id async for user in alice.members("everyone")]
    assert members == ["alice", *(f"user{number}" for number in range(5))]
    with pytest.raises(RequestFailed):
        [user async for user in alice.members("nowhere")]


async def test_idle_is_the_state_of_the_device_alone(server, open_client):
    alice = await open_client(server, user="alice")
    await alice.set_idle(True)
    await server.wait_status("alice", "away")
    await alice.set_idle(False)
    await server.wait_status("alice", "online")


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_a_restart_costs_a_gap_that_is_told_of(start_server, open_client, end):
    server = await start_server()
    alice = await open_client(server, user="alice", device="pc")
    bob = await server.connect("bob", device="pc")
    await bob.update(status="dnd", custom_status="before")
    with trio.fail_after(5.0):
        await alice.wait_for("bob", lambda user: user.custom_status == "before")
    port = server.port
    async with alice.changes() as changes:
        await getattr(server, end)()
        with trio.fail_after(5.0):
            while not alice.connection.is_stale:  # noqa: ASYNC110 - a plain value
                await trio.sleep(0.01)
        assert alice.connection.live_until is not None
        assert "bob" in alice.users
        server = await start_server(port=port)
        with trio.fail_after(10.0):
            async for change in changes:
                if change.is_catch_up:
                    break
    assert (change.user.id, change.user.status) == ("bob", Status.OFFLINE)
    assert alice.connection.state is ConnectionState.LIVE


async def test_the_end_of_the_block_is_a_goodbye(server, open_client):
    watcher = await server.connect("watcher")
    alice = await open_client(server, user="alice")
    await watcher.rest()
    alice.leave()
    assert (await watcher.next_of("PRESENCE_UPDATE"))["status"] == "offline"


async def test_a_refused_token_ends_the_trying(start_server):
    server = await start_server(is_development=False)
    async with open_presence(f"http://127.0.0.1:{server.port}", "a.b.c", reconnect=SOON) as client:
        with trio.fail_after(5.0), pytest.raises(PresenceRefused) as refusal:
            await client.wait_live()
    assert refusal.value.status == 401
    assert client.connection.state is ConnectionState.CLOSED


async def test_without_a_token_or_a_user_nothing_is_tried(server):
    async with open_presence(f"http://127.0.0.1:{server.port}", reconnect=SOON) as client:
        with trio.fail_after(5.0), pytest.raises(PresenceRefused):
            await client.wait_live()


async def test_a_disconnected_user_does_not_come_back_by_itself(server, open_client):
    alice = await open_client(server, user="alice")
    async with alice.changes() as changes:
        await server.request("POST", "/users/alice/disconnect", token=server.admin())
        with trio.fail_after(5.0):
            assert [change async for change in changes] == []
    assert alice.connection.state is ConnectionState.CLOSED


async def test_a_slow_reader_gets_the_newest_of_each_user(server, open_client):
    alice = await open_client(server, user="alice")
    bob = await server.connect("bob")
    async with alice.changes() as changes:
        for number in range(4):
            await bob.update(status="online", custom_status=f"{number}")
        with trio.fail_after(5.0):
            while alice.users["bob"].custom_status != "3":  # noqa: ASYNC110 - a plain value
                await trio.sleep(0.01)
            change = await anext(changes)
    assert change.user.custom_status == "3"


async def test_a_token_is_asked_for_each_attempt(start_server, open_client):
    server = await start_server(is_development=False)
    asked = []

    async def get_token():
        await trio.lowlevel.checkpoint()
        asked.append(server.token("alice", ttl=2.0 if not asked else 900.0))
        return asked[-1]

    alice = await open_client(server, get_token=get_token)
    with trio.fail_after(10.0):
        while len(asked) < 2 or alice.connection.is_stale:  # noqa: ASYNC110 - a plain value
            await trio.sleep(0.05)
    assert alice.me.id == "alice"


async def test_a_user_of_a_development_server_outlives_the_end_of_its_token(server, open_client):
    alice = await open_client(server, user="alice")
    first = alice.connection
    await server.request("POST", "/users/alice/revoke", token=server.admin())
    with trio.fail_after(10.0):
        while alice.connection is first or alice.connection.is_stale:  # noqa: ASYNC110 - plain
            await trio.sleep(0.05)
    assert alice.connection.state is ConnectionState.LIVE


def test_waits_grow_up_to_the_most_and_are_drawn():
    backoff = Backoff(1.0, 30.0, draw=lambda: 0.5)
    assert [backoff.wait(attempt) for attempt in (1, 2, 3, 5, 6, 1000)] == [
        0.5,
        1.0,
        2.0,
        8.0,
        15.0,
        15.0,
    ]
    assert json.dumps([Backoff().wait(1) <= 1.0]) == "[true]"
