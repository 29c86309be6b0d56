"""Frames that a client may send over the gateway, and the exact frames that go out."""

import json

import pytest

SELF = {
    "id": "alice",
    "username": "alice",
    "status": "online",
    "intent": "online",
    "until": None,
    "appear_offline": False,
    "custom_status": None,
    "custom_status_until": None,
    "activity": None,
}


def self_update(**changes):
    return {"op": "DISPATCH", "t": "PRESENCE_UPDATE", "d": SELF | {"user_id": "alice"} | changes}


async def test_a_heartbeat_is_acknowledged_with_the_bare_op(server):
    alice = await server.connect("alice")
    await alice.send({"op": "HEARTBEAT"})
    assert await alice.receive() == {"op": "HEARTBEAT_ACK"}


async def test_others_get_exactly_four_keys_and_the_version_on_the_envelope(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="dnd", custom_status="busy", activity="chess")

    [frame] = await bob.rest()
    version = frame.pop("v")
    assert frame == {
        "op": "DISPATCH",
        "t": "PRESENCE_UPDATE",
        "d": {
            "user_id": "alice",
            "status": "dnd",
            "custom_status": "busy",
            "activity": "chess",
        },
    }
    answer = await server.request("GET", "/users/alice", user="bob")
    assert answer.json["version"] == version > 2**32


async def test_all_own_connections_get_the_self_view_without_a_version(server):
    first, second = await server.connect("alice"), await server.connect("alice")
    await second.update(status="away", custom_status="lunch")

    expected = self_update(status="away", intent="away", custom_status="lunch")
    assert await first.rest() == [expected]
    assert await second.rest() == [expected]


async def test_an_update_that_changes_nothing_is_not_published(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="dnd", custom_status="busy")
    await alice.rest()
    await bob.rest()
    await alice.update(status="dnd", custom_status="busy")
    assert (await alice.rest(), await bob.rest()) == ([], [])


async def test_changes_while_hidden_reach_own_connections_only(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="offline")
    await bob.rest()
    await alice.update(status="offline", custom_status="secret")
    hidden = SELF | {"user_id": "alice", "status": "offline", "intent": "offline"}
    assert await alice.self_views() == [hidden, hidden | {"custom_status": "secret"}]
    assert await bob.rest() == []


async def test_users_without_a_common_server_get_no_events_of_each_other(start_server):
    server = await start_server(everyone_server=False)
    alice = await server.connect_with(server.token("alice", servers=["s1", "s2"]))
    bob = await server.connect_with(server.token("bob", servers=["s1", "s2"]))
    eve = await server.connect_with(server.token("eve", servers=["s3"]))
    await alice.rest()
    await bob.update(status="dnd")
    assert [frame["d"]["user_id"] for frame in await alice.rest()] == ["bob"]  # once
    assert await eve.rest() == []


# -- dropped silently, counted, the socket stays ---------------------------------------------


def update(**data):
    return json.dumps({"op": "PRESENCE_UPDATE", "d": data})


# One of each reason; all that is unusable is in tests/dialects.
DROPPED = [
    pytest.param("{", "bad_json", id="no JSON"),
    pytest.param("[" * 2000, "bad_json", id="deep"),
    pytest.param("[]", "not_an_object", id="a list"),
    pytest.param('{"op":"IDENTIFY"}', "unknown_op", id="unknown op"),
    pytest.param(b'{"op":"HEARTBEAT"}', "binary", id="binary"),
    pytest.param('{"op":"PRESENCE_UPDATE"}', "bad_data", id="no data"),
    pytest.param(update(custom_status="x"), "bad_status", id="no status"),
    pytest.param(update(status="invisible", custom_status="x"), "bad_status", id="unknown status"),
    pytest.param(update(status="dnd", custom_status="x" * 129), "bad_text", id="129 characters"),
    pytest.param(update(status="dnd", until=-5), "bad_time", id="until past"),
    pytest.param(
        update(status="dnd", custom_status="x", custom_status_until=-1), "bad_time", id="text past"
    ),
    pytest.param(update(status="dnd", afk=True), "bad_afk", id="afk beside dnd"),
]


@pytest.mark.parametrize(("frame", "reason"), DROPPED)
async def test_nothing_of_an_unusable_frame_applies_and_the_socket_stays(server, frame, reason):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.rest()
    await alice.send(frame)

    assert await alice.rest() == []
    assert await bob.rest() == []
    assert server.counted("presence_frames_dropped", reason=reason) == 1


async def test_unknown_keys_are_ignored(server):
    alice = await server.connect("alice")
    await alice.send({"op": "PRESENCE_UPDATE", "t": "?", "s": 1, "d": {"status": "dnd", "x": {}}})
    assert await alice.rest() == [self_update(status="dnd", intent="dnd")]


# -- auto-away -------------------------------------------------------------------------------


async def test_afk_beside_away_makes_the_connection_idle_and_leaves_the_intent(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.update(status="away", afk=True)
    assert await alice.rest() == [
        {"op": "DISPATCH", "t": "SERVER_MEMBER_ADD", "d": await member_of(server, "bob")},
        self_update(status="away"),
    ]
    assert await bob.presence_of("alice") == ["away"]


async def member_of(server, user):
    answer = await server.request("GET", "/servers/everyone/members", user=user)
    [member] = [it for it in answer.json["members"] if it["user_id"] == user]
    return {"server_id": "everyone", "member": member}


async def test_afk_false_brings_the_connection_back_without_a_status(server):
    alice = await server.connect("alice")
    await alice.update(status="away", afk=True)
    await alice.update(afk=False)
    assert [view["status"] for view in await alice.self_views()] == ["away", "online"]


async def test_an_idle_tab_does_not_make_the_user_away_while_another_is_in_use(server):
    first, second, bob = [await server.connect(user) for user in ("alice", "alice", "bob")]
    await first.update(status="away", afk=True)
    assert await bob.presence_of("alice") == []
    await second.update(status="away", afk=True)
    assert await bob.presence_of("alice") == ["away"]
    await first.update(afk=False)
    assert await bob.presence_of("alice") == ["online"]
