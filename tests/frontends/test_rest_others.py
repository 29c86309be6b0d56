"""Other users over REST, and what it must not reveal."""

import re
from ipaddress import ip_network
from urllib.parse import unquote

import pytest
import trio


async def ask(server, path, user="bob"):
    return await server.request("GET", path, user=user)


async def ask_many(server, ids, user="bob"):
    return await server.request("POST", "/users/presence", user=user, body={"ids": ids})


async def test_a_user_has_exactly_this_shape(server):
    alice = await server.connect_with(server.token("alice", name="Alice"))
    await alice.update(status="dnd", custom_status="busy", activity="chess")
    await alice.rest()
    user = (await ask(server, "/users/alice")).json
    version = user.pop("version")
    assert version > 2**32
    assert user == {
        "id": "alice",
        "username": "Alice",
        "status": "dnd",
        "custom_status": "busy",
        "activity": "chess",
        "last_seen": None,
    }


async def test_a_user_that_left_has_a_last_seen_in_utc(server):
    alice = await server.connect("alice")
    await alice.leave()
    user = (await ask(server, "/users/alice")).json
    assert user["status"] == "offline"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", user["last_seen"])


# -- what one may not see --------------------------------------------------------------------


async def test_all_that_one_may_not_see_is_the_same_404_byte_for_byte(start_server):
    server = await start_server(everyone_server=False)
    await server.connect_with(server.token("bob", servers=["s1"]))
    await server.connect_with(server.token("eve", servers=["s2"]))
    await server.connect_with(server.token("hana", servers=["s1"]), status="offline")
    answers = [
        await ask(server, path)
        for path in (
            "/users/nobody",
            "/users/eve",
            "/users/hana",
            "/users/07",
            "/users/a%20b",
            "/users/0",
            "/servers/s2/members",
            "/servers/s3/members",
            "/servers/everyone/members",
            "/servers/a%20b/members",
        )
    ]
    assert {answer.status for answer in answers} == {404}
    assert len(set(answers)) == 1


async def snapshot_of(server, user):
    """Everything that REST answers to bob about *user*."""
    return [
        await ask(server, f"/users/{user}"),
        await ask_many(server, [user]),
        await ask(server, "/servers/everyone/members"),
        await ask(server, "/servers/s1/members"),
        await server.request("HEAD", f"/users/{user}", user="bob"),
        await server.request("GET", f"/users/{user}", token=server.admin()),
        await server.request("GET", "/servers/s1/members", token=server.admin()),
    ]


async def test_an_invisible_user_is_byte_for_byte_a_gone_one(start_server):
    server = await start_server(max_requests_per_second=0, max_presence_changes=0)
    await server.connect_with(server.token("bob", servers=["s1"]))
    alice = await server.connect_with(server.token("alice", servers=["s1"]))
    await alice.update(status="dnd", custom_status="busy", activity="chess")
    await alice.update(status="offline", custom_status="secret", activity="poker")
    await alice.rest()
    hidden = [await snapshot_of(server, "alice")]

    await alice.update(status="offline", custom_status="more", activity="go")
    await server.patch("alice", custom_status="even more", appear_offline=True)
    await server.connect_with(server.token("alice", name="Another", servers=["s1", "s2"]))
    hidden.append(await snapshot_of(server, "alice"))
    await server.administer("POST", "/users/alice/disconnect")
    await server.patch("alice", appear_offline=False)
    await server.quiet()
    gone = await snapshot_of(server, "alice")

    assert hidden == [gone, gone]
    assert {answer.status for answer in gone} == {200}
    assert gone[0].json["status"] == "offline"
    assert (gone[0].json["custom_status"], gone[0].json["activity"]) == ("busy", None)


async def test_a_claim_of_a_hidden_user_is_not_seen_before_it_is_visible(start_server):
    server = await start_server(everyone_server=False)
    bob = await server.connect_with(server.token("bob", servers=["s1"]))
    token = server.token("alice", servers=["s1"])
    alice = await server.connect_with(token, status="offline")
    page = (await ask(server, "/servers/s1/members")).json["members"]
    assert [it["user_id"] for it in page] == ["bob"]
    assert (await ask(server, "/users/bob", user="alice")).status == 200
    await alice.update(status="online")
    assert [frame["t"] for frame in await bob.rest()] == ["SERVER_MEMBER_ADD"]
    page = (await ask(server, "/servers/s1/members")).json["members"]
    assert [it["user_id"] for it in page] == ["alice", "bob"]


# -- many at once ----------------------------------------------------------------------------


async def test_many_come_in_the_order_asked_without_those_one_may_not_see(start_server):
    server = await start_server(everyone_server=False)
    for user, servers in (("bob", ["s1"]), ("alice", ["s1"]), ("carl", ["s1"]), ("eve", ["s2"])):
        await server.connect_with(server.token(user, servers=servers))
    answer = await ask_many(server, ["carl", "eve", "nobody", "alice", "bob", "carl"])
    assert [it["id"] for it in answer.json["users"]] == ["carl", "alice", "bob", "carl"]
    single = (await ask(server, "/users/carl")).json
    assert answer.json["users"][0] == single


async def test_a_question_that_makes_no_sense_is_refused(server):
    answer = await ask_many(server, ["a"] * 501)
    assert (answer.status, answer.error) == (400, "ids has more than 500 entries")


# -- pages of members ------------------------------------------------------------------------


@pytest.mark.parametrize("server_id", ["everyone", "s1"])
async def test_pages_of_members_follow_the_link_to_the_end(start_server, server_id):
    server = await start_server(large_threshold=2)
    users = ["bob", "ann", "zoe", "a~1", "Zed", "7"]
    for user in users:
        client = await server.connect_with(server.token(user, servers=["s1"]))
        if user != "zoe":
            await client.leave()
    path, seen, links = f"/servers/{server_id}/members?limit=2", [], 0
    while path:
        answer = await ask(server, path)
        seen += [it["user_id"] for it in answer.json["members"]]
        link = answer.header("link")
        path = re.fullmatch(r'<(.*)>; rel="next"', link)[1] if link else None
        links += path is not None
    assert seen == sorted(users)
    assert links == 2


async def test_a_page_holds_members_as_ready_does(server):
    _, ready = await server.join("alice")
    answer = await ask(server, "/servers/everyone/members", user="alice")
    assert answer.json == {"members": ready["servers"][0]["members"]}
    assert answer.header("link") is None


async def test_a_page_starts_after_any_id_whether_or_not_it_exists(server):
    for user in ("ann", "bob", "zoe"):
        await server.connect(user)
    answer = await ask(server, "/servers/everyone/members?after=b&limit=1")
    assert [it["user_id"] for it in answer.json["members"]] == ["bob"]
    assert unquote(answer.header("link")) == (
        '</servers/everyone/members?limit=1&after=bob>; rel="next"'
    )


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("limit=501", "limit must be a number from 1 to 500"),
        ("after=a%20b", "after is not a valid user id"),
        ("limit=1&limit=2", "limit comes twice in the query"),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(server, query, problem):
    answer = await ask(server, f"/servers/everyone/members?{query}")
    assert (answer.status, answer.error) == (400, problem)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users/alice"),
        ("POST", "/users/presence"),
        ("GET", "/servers/everyone/members"),
    ],
)
async def test_others_are_not_shown_without_a_token(start_server, method, path):
    server = await start_server(is_development=False)
    assert (await server.request(method, path)).status == 401


# -- how often -------------------------------------------------------------------------------


async def test_by_default_a_burst_of_twenty_requests_of_a_user_is_answered(start_server):
    server = await start_server()
    statuses = []

    async def ask_once():
        statuses.append((await ask(server, "/users/bob")).status)

    async with trio.open_nursery() as nursery:
        for _ in range(80):
            nursery.start_soon(ask_once)
    assert set(statuses) == {404, 429}
    assert 20 <= statuses.count(404) < 60
    assert (await ask(server, "/users/bob", user="carl")).status == 404


async def test_too_many_requests_get_429_with_retry_after(start_server):
    server = await start_server(max_requests_per_second=1)
    answers = [await ask(server, "/users/bob") for _ in range(3)]
    assert [answer.status for answer in answers] == [404, 404, 429]
    assert answers[-1].error == "too many requests"
    assert answers[-1].header("retry-after") == "1"


async def test_requests_without_a_token_are_limited_by_address(start_server):
    server = await start_server(is_development=False, max_requests_per_second=1)
    statuses = [(await server.request("GET", "/users/@me")).status for _ in range(3)]
    assert statuses == [401, 401, 429]
    # A user may be called like that address.
    token = server.token("127.0.0.1")
    assert (await server.request("GET", "/users/@me", token=token)).status == 200


async def test_behind_a_trusted_proxy_an_ipv6_client_is_its_network(start_server):
    server = await start_server(
        is_development=False,
        max_requests_per_second=1,
        trusted_proxies=(ip_network("127.0.0.1/32"),),
    )
    statuses = []
    for client in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"):
        headers = [("x-forwarded-for", client)]
        statuses.append((await server.request("GET", "/users/@me", headers=headers)).status)
    assert statuses == [401, 401, 429, 401]


async def test_an_admin_token_has_no_request_limit(start_server):
    server = await start_server(max_requests_per_second=1)
    token = server.admin()
    for _ in range(10):
        assert (await server.request("GET", "/users/@me", token=token)).status == 200
