"""The addresses of administration: servers, members and users."""

import pytest

WRITES = [
    ("PUT", "/servers/s1", None),
    ("DELETE", "/servers/s1", None),
    ("PUT", "/servers/s1/members", {"members": []}),
    ("PUT", "/servers/s1/members/alice", None),
    ("DELETE", "/servers/s1/members/alice", None),
    ("PUT", "/users/alice", None),
    ("DELETE", "/users/alice", None),
    ("POST", "/users/alice/revoke", None),
    ("POST", "/users/alice/disconnect", None),
]


@pytest.fixture
async def closed(start_server):
    """A server without development mode and without `everyone`."""
    return await start_server(is_development=False, everyone_server=False)


@pytest.mark.parametrize(("method", "path", "body"), [*WRITES, ("GET", "/servers", None)])
async def test_only_an_administrator_is_let_in(closed, method, path, body):
    refused = await closed.request(method, path, token=closed.token("alice"), body=body)
    assert (refused.status, refused.error) == (403, "an admin token is needed")
    assert (await closed.request(method, path, body=body)).status == 401


async def test_servers_are_made_renamed_listed_and_deleted(closed):
    await closed.administer("PUT", "/servers/s2", {"name": "Team"})
    await closed.administer("PUT", "/servers/s1")
    await closed.administer("PUT", "/servers/s2")  # no name: as it was
    answer = await closed.request("GET", "/servers", token=closed.admin())
    assert answer.json == {"servers": [{"id": "s1", "name": "s1"}, {"id": "s2", "name": "Team"}]}
    await closed.administer("PUT", "/servers/s2", {"name": "Crew"})
    await closed.administer("DELETE", "/servers/s1")
    answer = await closed.request("GET", "/servers", token=closed.admin())
    assert answer.json == {"servers": [{"id": "s2", "name": "Crew"}]}


async def test_members_get_the_new_name_of_their_server_at_once(closed):
    await closed.administer("PUT", "/servers/s1", {"name": "Team"})
    await closed.administer("PUT", "/servers/s1/members/alice")
    alice = await closed.connect_with(closed.token("alice"))
    stranger = await closed.connect_with(closed.token("bob"))
    await closed.administer("PUT", "/servers/s1", {"name": "Crew"})
    added = await alice.next_of("SERVER_ADD")
    assert (added["id"], added["name"]) == ("s1", "Crew")
    assert [member["user_id"] for member in added["members"]] == ["alice"]
    await closed.administer("PUT", "/servers/s1", {"name": "Crew"})  # which it has
    assert (await alice.rest(), await stranger.rest()) == ([], [])


async def test_administration_outlives_a_crash(start_server):
    server = await start_server(everyone_server=False)
    for path, body in (
        ("/servers/s1", {"name": "Team"}),
        ("/servers/s1/members/alice", None),
        ("/users/alice", {"username": "Alice"}),
    ):
        await server.administer("PUT", path, body)
    await server.crash()
    server = await start_server(everyone_server=False)
    _, ready = await server.join("alice")
    [it] = ready["servers"]
    assert (it["id"], it["name"], it["members"][0]["username"]) == ("s1", "Team", "Alice")


async def test_members_are_added_and_removed_live(closed):
    await closed.administer("PUT", "/servers/s1", {"name": "Team"})
    alice = await closed.connect_with(closed.token("alice"))
    bob = await closed.connect_with(closed.token("bob"))
    await alice.update(status="dnd")
    await closed.administer("PUT", "/servers/s1/members/bob")
    await bob.rest()
    await closed.administer("PUT", "/servers/s1/members/alice")

    [own] = [frame for frame in await alice.rest() if frame["t"] != "PRESENCE_UPDATE"]
    assert (own["t"], own["d"]["id"], own["d"]["name"]) == ("SERVER_ADD", "s1", "Team")
    assert [(it["user_id"], it["status"]) for it in own["d"]["members"]] == [
        ("alice", "dnd"),
        ("bob", "online"),
    ]
    [other] = await bob.rest()
    assert other["t"] == "SERVER_MEMBER_ADD"
    assert (other["d"]["server_id"], other["d"]["member"]["status"]) == ("s1", "dnd")

    await closed.administer("DELETE", "/servers/s1/members/alice")
    assert [(it["t"], it["d"]) for it in await alice.rest()] == [
        ("SERVER_REMOVE", {"server_id": "s1"})
    ]
    assert [(it["t"], it["d"]) for it in await bob.rest()] == [
        ("SERVER_MEMBER_REMOVE", {"server_id": "s1", "user_id": "alice"})
    ]
    await alice.update(status="away")
    assert await bob.rest() == []


async def test_putting_a_user_creates_it_at_once_and_renames_it_live(start_server):
    server = await start_server()
    bob = await server.connect("bob")

    async def put(body):
        await server.administer("PUT", "/users/alice", body)

    await put(None)
    await put({"username": "Alice"})
    await put({"username": "Alice"})
    frames = await bob.rest()
    assert [(it["t"], it["d"]["member"]["username"]) for it in frames] == [
        ("SERVER_MEMBER_ADD", "alice"),
        ("SERVER_MEMBER_ADD", "Alice"),
    ]
    alice, ready = await server.join("alice")
    assert ready["user"]["username"] == "Alice"
    await put({"username": "Alicia"})
    assert [it["username"] for it in await alice.self_views()] == ["Alicia"]


async def test_an_administrator_sees_the_public_view_of_everybody(closed):
    alice = await closed.connect_with(closed.token("alice", servers=["s1"]))
    await alice.update(status="offline", custom_status="secret")
    await alice.rest()
    for path in ("/users/alice", "/servers/s1/members"):
        answer = await closed.request("GET", path, token=closed.admin())
        assert answer.status == 200
        assert b"secret" not in answer.body
    answer = await closed.request(
        "POST", "/users/presence", token=closed.admin(), body={"ids": ["alice", "nobody"]}
    )
    assert [(it["id"], it["status"]) for it in answer.json["users"]] == [("alice", "offline")]


async def test_asking_with_an_admin_token_creates_nobody(closed):
    for path in ("/users/@me", "/users/root", "/servers"):
        await closed.request("GET", path, token=closed.admin())
    answer = await closed.request("GET", "/users/root", token=closed.admin())
    assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/servers/none/members", None),
        ("DELETE", "/servers/none", None),
        ("PUT", "/servers/none/members", {"members": []}),
        ("PUT", "/servers/none/members/alice", None),
        ("DELETE", "/servers/none/members/alice", None),
        ("DELETE", "/users/nobody", None),
        ("POST", "/users/nobody/disconnect", None),
    ],
)
async def test_an_unknown_server_or_user_is_not_found(closed, method, path, body):
    answer = await closed.request(method, path, token=closed.admin(), body=body)
    assert (answer.status, answer.error) == (404, "not found")


async def test_a_token_that_leaked_before_its_first_use_can_be_revoked(closed):
    token = closed.token("nobody")
    await closed.administer("POST", "/users/nobody/revoke")

    answer = await closed.request("GET", "/users/@me", token=token)
    assert answer.status == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("PUT", "/servers/a%20b", None, "server id must be 1 to 128 characters"),
        ("PUT", "/servers/everyone", None, "server id everyone is kept by the server itself"),
        ("DELETE", "/servers/everyone", None, "server id everyone is kept by the server itself"),
        ("PUT", "/servers/s1", {"name": ""}, "name must not be empty or blank"),
        ("PUT", "/servers/s1/members", {}, "members is missing"),
        ("PUT", "/servers/s1/members/07", None, "user id is not a canonical number"),
        ("PUT", "/users/a%20b", None, "user id is not a valid user id"),
        ("PUT", "/users/alice", {"username": " "}, "username must not be empty or blank"),
        ("DELETE", "/users/07", None, "user id is not a canonical number"),
    ],
)
async def test_an_invalid_request_is_refused_with_its_reason(closed, method, path, body, problem):
    await closed.administer("PUT", "/servers/s1")
    answer = await closed.request(method, path, token=closed.admin(), body=body)
    assert answer.status == 400
    assert answer.error.startswith(problem)


async def test_a_failed_store_is_reported_and_members_get_the_event(
    closed, monkeypatch, break_store
):
    await closed.administer("PUT", "/servers/s1")
    alice = await closed.connect_with(closed.token("alice"))
    break_store(closed)
    path = "/servers/s1/members/alice"
    answer = await closed.request("PUT", path, token=closed.admin())
    assert (answer.status, answer.header("presence-persisted")) == (204, "false")
    assert [frame["t"] for frame in await alice.rest()] == ["SERVER_ADD"]
    monkeypatch.undo()
