"""Admission at `/ws`, the parameters of the connect request, and the first frame."""

import json
import time
from functools import partial

import jwt
import pytest
import trio
from trio_websocket import ConnectionRejected


def signed(server, secret=None, algorithm="HS256", **claims):
    """A token as another program would sign it."""
    secret = secret or (server.config.data / "secret.key").read_text().strip()
    now = time.time()
    claims = {"sub": "alice", "iat": now, "exp": now + 900, **claims}
    return jwt.encode(claims, secret, algorithm=algorithm)


BAD_TOKENS = [
    pytest.param(lambda server: "abc", "malformed", id="malformed"),
    pytest.param(
        lambda server: signed(server, secret="another secret of enough bytes!!"),
        "wrong signature",
        id="wrong secret",
    ),
    pytest.param(lambda server: signed(server, exp=time.time() - 1), "expired", id="expired"),
    pytest.param(
        lambda server: signed(server, token_type="refresh"), "a refresh token", id="refresh"
    ),
]


@pytest.mark.parametrize(("make", "reason"), BAD_TOKENS)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_bad_token_is_refused_before_the_upgrade(start_server, make, reason):
    server = await start_server(is_development=False)
    token = make(server)
    for resource, headers in (
        (f"/ws?token={token}", ()),
        ("/ws", (("sec-websocket-protocol", f"bearer, {token}"),)),
    ):
        answer = await server.refusal(resource, *headers)
        assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
        assert answer.error == f"the token is refused: {reason}"
    assert server.counted("presence_connections", dialect="together") == 0
    assert server.counted("presence_tokens_refused", reason=reason) == 2


async def test_without_a_token_nobody_is_let_in(start_server):
    server = await start_server(is_development=False)
    answer = await server.refusal("/ws")
    assert (answer.status, answer.error) == (401, "a token is needed")
    assert server.counted("presence_tokens_refused", reason="missing") == 1


@pytest.mark.parametrize(
    ("resource", "options", "subprotocol"),
    [
        pytest.param("/ws?token=TOKEN", {}, None),
        pytest.param("/ws", {"extra_headers": [("authorization", "Bearer TOKEN")]}, None),
        pytest.param("/ws", {"subprotocols": ["bearer", "TOKEN"]}, "bearer"),
    ],
)
async def test_a_token_may_stand_in_the_query_a_header_or_a_subprotocol(
    start_server, resource, options, subprotocol
):
    server = await start_server(is_development=False)
    token = server.token("alice")
    options = json.loads(json.dumps(options).replace("TOKEN", token))
    client = await server.open(resource.replace("TOKEN", token), **options)
    assert (await client.receive())["d"]["user"]["id"] == "alice"
    assert client.subprotocol == subprotocol


async def test_a_user_is_believed_in_development_mode_only(start_server):
    server = await start_server(is_development=False)
    assert (await server.refusal("/ws?user=alice")).status == 401


async def test_in_development_mode_a_bad_token_is_refused_all_the_same(server):
    assert (await server.refusal("/ws?user=alice&token=abc")).status == 401


@pytest.mark.parametrize("user", ["", "@me", "007", "a%20b"])
async def test_an_invalid_user_id_is_refused(server, user):
    assert (await server.refusal(f"/ws?user={user}")).status == 401


async def test_a_token_is_good_for_the_device_it_names_only(start_server):
    server = await start_server(max_devices_per_user=1)
    token = server.token("alice", device="phone")
    await server.connect("alice", device="phone")
    await server.connect_with(token, device="tablet")  # is on the phone nevertheless

    refused = await server.refusal("/ws?user=alice&device=tablet")
    assert (refused.status, refused.error) == (429, "too many devices of this user")


async def test_a_connection_that_names_no_device_gets_one_of_its_own(start_server):
    server = await start_server(max_devices_per_user=2)
    for _ in range(2):
        await server.connect("alice")
    assert (await server.refusal("/ws?user=alice")).status == 429


# -- wishes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("state=away", "state must be online, idle or offline"),
        ("state=", "state must be online, idle or offline"),
        ("status=invisible", "status must be online, away, dnd or offline"),
        ("status=Online", "status must be online, away, dnd or offline"),
        ("device=a%20b", "device must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ @ + = -"),
        ("device=", "device must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ @ + = -"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_and_named(server, query, problem):
    answer = await server.refusal(f"/ws?user=alice&{query}")
    assert (answer.status, answer.error) == (400, problem)
    assert await server.status_of("alice") == 404


@pytest.mark.parametrize(
    ("wish", "own", "seen"),
    [
        ({}, "online", ["online"]),
        ({"state": "idle"}, "away", ["away"]),
        ({"state": "offline"}, "offline", []),
        ({"status": "dnd"}, "dnd", ["dnd"]),
        ({"status": "away"}, "away", ["away"]),
        ({"status": "offline"}, "offline", []),
        ({"state": "idle", "status": "dnd"}, "dnd", ["dnd"]),
    ],
)
async def test_a_wish_holds_before_anything_is_published(server, wish, own, seen):
    bob = await server.connect("bob")
    _, ready = await server.join("alice", **wish)

    assert ready["user"]["status"] == own
    frames = await bob.rest()
    assert [frame["t"] for frame in frames] == ["SERVER_MEMBER_ADD"] * len(seen)
    assert [frame["d"]["member"]["status"] for frame in frames] == seen


# -- READY -----------------------------------------------------------------------------------


def member(user, name, status, text=None):
    """A member of a server as READY lists it, without its version."""
    view = {"user_id": user, "username": name, "status": status}
    return view | {"custom_status": text, "activity": None}


async def test_ready_has_exactly_this_shape(start_server):
    server = await start_server()
    await server.connect_with(server.token("zoe", name="Zoë", servers=["s1"]))
    gone = await server.connect_with(server.token("bob", servers=["s1"]))
    await gone.update(status="online", custom_status="back soon", activity="chess")
    await gone.leave()
    client = await server.open(f"/ws?token={server.token('alice', name='Alice', servers=['s1'])}")
    frame = await client.receive()

    members = [
        member("alice", "Alice", "online"),
        member("zoe", "Zoë", "online"),
        member("bob", "bob", "offline", "back soon"),
    ]
    versions = [[member.pop("version") for member in it["members"]] for it in frame["d"]["servers"]]
    assert frame == {
        "op": "DISPATCH",
        "t": "READY",
        "d": {
            "user": {
                "id": "alice",
                "username": "Alice",
                "status": "online",
                "intent": "online",
                "until": None,
                "appear_offline": False,
                "custom_status": None,
                "custom_status_until": None,
                "activity": None,
            },
            "servers": [
                {"id": "everyone", "name": "everyone", "members": members},
                {"id": "s1", "name": "s1", "members": members},
            ],
        },
    }
    assert versions[0] == versions[1]
    alice, zoe, bob = versions[0]
    assert 2**32 < zoe < bob < alice


async def test_a_large_server_lists_the_first_only_and_says_how_many_there_are(start_server):
    server = await start_server(large_threshold=3)
    for user in ("ann", "bea", "cleo"):
        gone = await server.connect(user)
        await gone.leave()
    await server.connect("zoe")
    await server.connect("yves")
    _, ready = await server.join("alice")

    [everyone] = ready["servers"]
    assert everyone["large"] is True
    assert (everyone["member_count"], everyone["online_count"]) == (6, 3)
    assert [it["user_id"] for it in everyone["members"]] == ["alice", "yves", "zoe"]

    await server.node.writer.wait_committed(10**9, within=0.05)
    _, ready = await server.join("dora", state="offline")
    assert [it["user_id"] for it in ready["servers"][0]["members"]] == ["alice", "yves", "zoe"]


async def test_live_events_come_of_those_a_large_server_does_not_list(start_server):
    server = await start_server(large_threshold=1)
    zoe = await server.connect("zoe")
    alice, ready = await server.join("alice")
    assert [it["user_id"] for it in ready["servers"][0]["members"]] == ["alice"]
    await zoe.update(status="dnd")
    assert await alice.presence_of("zoe") == ["dnd"]


# -- refusals --------------------------------------------------------------------------------


async def test_one_connection_too_many_of_a_user_is_refused_and_the_others_stay(start_server):
    server = await start_server(max_connections_per_user=3)
    clients = [await server.connect("alice") for _ in range(3)]
    answer = await server.refusal("/ws?user=alice")

    assert (answer.status, answer.header("retry-after")) == (429, "10")
    assert answer.error == "too many connections of this user"
    assert [await client.rest() for client in clients] == [[], [], []]
    await server.connect("bob")
    await clients[0].leave()
    await server.connect("alice")


async def test_the_default_is_twenty_connections_of_a_user(server):
    for _ in range(20):
        await server.connect("alice", device="phone")
    assert (await server.refusal("/ws?user=alice")).status == 429


async def test_simultaneous_connects_respect_the_limit(start_server):
    server = await start_server(max_connections_per_user=3)
    outcomes = []

    async def come():
        try:
            client = await server.open("/ws?user=alice")
            outcomes.append((await client.receive())["t"])
        except* ConnectionRejected:
            outcomes.append(429)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(come)
    assert outcomes.count("READY") == 3
    assert outcomes.count(429) == 7


async def test_while_draining_nobody_is_let_in_whatever_the_token(server):
    server.node.is_draining = True
    for resource in ("/ws?user=alice", "/ws?token=abc"):
        answer = await server.refusal(resource)
        assert (answer.status, answer.header("retry-after")) == (503, "1")
        assert answer.error == "the server is stopping"
    server.node.is_draining = False


async def test_a_socket_elsewhere_is_not_found(server):
    assert (await server.refusal("/wss?user=alice")).status == 404


async def test_ws_without_an_upgrade_asks_for_one(server):
    answer = await server.request("GET", "/ws", user="alice")
    assert (answer.status, answer.header("upgrade")) == (426, "websocket")


async def test_an_upgrade_is_no_request(start_server):
    server = await start_server(max_requests_per_second=1)
    for _ in range(5):
        await server.connect("alice")


async def test_pages_of_other_origins_are_refused_before_the_upgrade(start_server):
    server = await start_server(origins=("https://app.example",))
    own = f"http://127.0.0.1:{server.port}"
    open_from = partial(server.open, "/ws?user=alice")

    for origin in (own, "https://app.example"):
        await open_from(extra_headers=[("origin", origin)])
    for origin in ("https://evil.example", "null", f"{own}0"):
        refused = await server.refusal("/ws?token=abc", ("origin", origin))
        assert (refused.status, refused.error) == (403, "origin not allowed")
