"""`/api/v2/users`: whom VoicePing's REST lists, how, and what it must not tell."""

import re

import pytest
import trio

from presence.errors import StoreUnavailable

USERS = "/api/v2/users"
OFFLINE = {"status": "offline", "statusValue": 0}
ONLINE = {"status": "online", "statusValue": 1}
BUSY = {"status": "busy", "statusValue": 2}


async def ask(server, path="", user="bob"):
    return await server.request("GET", USERS + path, user=user)


async def listed(server, user="bob", path=""):
    answer = await ask(server, path, user)
    assert answer.status == 200
    return answer.json


def ids_of(answer):
    return [user["id"] for user in answer.json]


def entry(user, status, name=None):
    return {"id": user, "username": str(user) if name is None else name, **status}


@pytest.fixture
async def closed(start_server):
    """A server where one sees nobody but the members of one's own servers."""
    return await start_server(everyone_server=False, max_requests_per_second=0)


# -- who and what ----------------------------------------------------------------------------


async def test_all_are_listed_by_id_with_exactly_this_shape(server):
    for user, status in (("7", "dnd"), ("10", "online"), ("ann", "away"), ("zoe", "offline")):
        client = await server.connect_with(server.token(user, name=f"Name of {user}"))
        await client.update(status=status)
    await (await server.connect("gone")).leave()
    await server.connect("bob")
    await server.quiet()
    answer = await ask(server)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.json == [
        entry(10, ONLINE, "Name of 10"),
        entry(7, BUSY, "Name of 7"),
        entry("ann", ONLINE, "Name of ann"),
        entry("bob", ONLINE),
        entry("gone", OFFLINE),
        entry("zoe", OFFLINE, "Name of zoe"),
    ]
    assert answer.header("link") == f'<{USERS}?page=1&per_page=100>; rel="first"'


async def test_each_listed_user_is_answered_alike_alone(server):
    for user in ("7", "ann", "a~1", "x@y"):
        await server.connect(user)
    for user in await listed(server):
        assert (await ask(server, f"/{user['id']}")).json == user


@pytest.mark.parametrize("path", ["", "/ann"])
async def test_a_head_has_the_headers_of_the_answer_and_no_body(server, path):
    await server.connect("ann")
    head = await server.request("HEAD", USERS + path, user="bob")
    answer = await ask(server, path)
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


@pytest.mark.parametrize("path", ["", "/ann"])
async def test_the_user_list_is_read_only(server, path):
    answer = await server.request("POST", USERS + path, user="bob", body={})
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")


# -- oneself ---------------------------------------------------------------------------------


async def test_one_sees_oneself_as_one_is(server):
    alice = await server.connect_with(server.token("alice", name="Alice"))
    await alice.update(status="dnd")
    await alice.rest()
    assert await listed(server, "alice") == [entry("alice", BUSY, "Alice")]
    await alice.update(status="offline")
    await alice.rest()
    await server.connect_with(server.token("alice", name="Another"))
    own, others = [(await ask(server, "/alice", user)).json for user in ("alice", "bob")]
    assert own == entry("alice", OFFLINE, "Another")
    assert others == entry("alice", OFFLINE, "Alice")
    assert await listed(server, "alice") == [own]
    assert await listed(server) == [others, entry("bob", OFFLINE)]


async def test_a_user_lists_itself_before_it_was_announced(server):
    await server.connect("hana", status="offline")
    for user in ("ann", "zoe"):
        await server.connect(user)
    assert [user["id"] for user in await listed(server, "hana")] == ["ann", "hana", "zoe"]
    assert [user["id"] for user in await listed(server)] == ["ann", "bob", "zoe"]
    assert (await ask(server, "/hana", "hana")).json == entry("hana", OFFLINE)


async def test_an_unknown_user_sees_itself_offline_and_is_not_created(server):
    assert await listed(server) == [entry("bob", OFFLINE)]
    assert (await ask(server, "/bob")).json == entry("bob", OFFLINE)
    await server.quiet()
    assert (await ask(server, "/bob", "ann")).status == 404
    assert await server.node.writer.read_user("bob") is None


@pytest.mark.parametrize("own", ["a", "c", "g"])
async def test_a_user_that_is_not_announced_appears_once_on_its_own_pages(server, own):
    for user in ("b", "d", "e", "f"):
        await server.connect(user)
    everybody = sorted(["b", "d", "e", "f", own])
    pages = [
        [user["id"] for user in await listed(server, own, f"?per_page=2&page={page}")]
        for page in (1, 2, 3, 4)
    ]
    assert pages == [everybody[:2], everybody[2:4], everybody[4:], []]


# -- what one may not see --------------------------------------------------------------------


async def test_all_that_one_may_not_see_is_the_same_404_byte_for_byte(closed):
    await closed.connect_with(closed.token("bob", servers=["s1"]))
    await closed.connect_with(closed.token("eve", servers=["s2"]))
    await closed.connect_with(closed.token("hana", servers=["s1"]), status="offline")
    paths = ("/nobody", "/eve", "/hana", "/07", "/0", "/a%20b", "/@me", "/%2F")
    answers = [await ask(closed, path) for path in paths]
    assert {answer.status for answer in answers} == {404}
    assert len(set(answers)) == 1
    assert answers[0].error == "not found"
    # The same answer as that of Together, so that neither tells more than the other.
    assert answers[0] == await closed.request("GET", "/users/nobody", user="bob")


@pytest.mark.parametrize("path", ["/", "/ann/", "/ann/status"])
async def test_beyond_the_two_addresses_there_is_nothing(server, path):
    await server.connect("ann")
    assert (await ask(server, path)).status == 404


async def test_in_explicit_servers_one_sees_each_member_once(closed):
    groups = {"bob": "s1 s2 s3", "ann": "s1 s2", "carl": "s2", "eve": "s4", "7": "s3 s1"}
    for user, servers in groups.items():
        client = await closed.connect_with(closed.token(user, servers=servers.split()))
        if user == "carl":
            await client.leave()
    assert await listed(closed) == [
        entry(7, ONLINE),
        entry("ann", ONLINE),
        entry("bob", ONLINE),
        entry("carl", OFFLINE),
    ]
    assert [user["id"] for user in await listed(closed, "eve")] == ["eve"]
    alone = entry("nobody", OFFLINE)
    assert await listed(closed, "nobody") == [alone]
    assert (await ask(closed, "/nobody", "nobody")).json == alone
    pages = [ids_of(await ask(closed, f"?per_page=3&page={page}")) for page in (1, 2, 3)]
    assert pages == [[7, "ann", "bob"], ["carl"], []]


async def test_an_administrator_sees_everybody(closed):
    await closed.connect_with(closed.token("eve", servers=["s1"]))
    await closed.connect_with(closed.token("hana", servers=["s2"]), status="offline")
    await closed.connect_with(closed.token("zoe"))
    answer = await closed.request("GET", USERS, token=closed.admin())
    assert answer.json == [entry("eve", ONLINE), entry("root", OFFLINE), entry("zoe", ONLINE)]
    answers = [
        await closed.request("GET", f"{USERS}/{user}", token=closed.admin())
        for user in ("eve", "hana")
    ]
    assert [answer.status for answer in answers] == [200, 404]


# -- hidden and gone -------------------------------------------------------------------------


async def seen_of(server, user):
    """Everything that these addresses answer others of *user*."""
    admin = server.admin()
    return [
        await ask(server, f"/{user}"),
        await ask(server),
        await ask(server, "?per_page=1"),
        await server.request("HEAD", f"{USERS}/{user}", user="bob"),
        await server.request("GET", f"{USERS}/{user}", token=admin),
        await server.request("GET", USERS, token=admin),
    ]


@pytest.mark.parametrize("everyone_server", [True, False])
async def test_an_invisible_user_is_byte_for_byte_a_gone_one(start_server, everyone_server):
    server = await start_server(
        everyone_server=everyone_server, max_requests_per_second=0, max_presence_changes=0
    )
    await server.connect_with(server.token("bob", servers=["s1"]))
    alice = await server.connect_with(server.token("alice", servers=["s1"]))
    await alice.update(status="dnd")
    await alice.update(status="offline")
    await alice.rest()
    hidden = [await seen_of(server, "alice")]
    await server.patch("alice", custom_status="more", appear_offline=True)
    await server.connect_with(server.token("alice", name="Another", servers=["s1", "s2"]))
    await ask(server, user="alice")
    hidden.append(await seen_of(server, "alice"))
    await server.administer("POST", "/users/alice/disconnect")
    await server.patch("alice", appear_offline=False)
    await server.quiet()
    gone = await seen_of(server, "alice")
    assert hidden == [gone, gone]
    assert {answer.status for answer in gone} == {200}
    assert gone[0].json == entry("alice", OFFLINE)


async def test_a_user_that_was_never_visible_is_byte_for_byte_an_unknown_one(server):
    await server.connect("bob")
    before = [await ask(server, path) for path in ("", "/hana", "?per_page=1&page=2")]
    await server.connect("hana", status="offline")
    await ask(server, user="hana")
    assert [await ask(server, path) for path in ("", "/hana", "?per_page=1&page=2")] == before


async def test_a_question_about_oneself_leaves_no_trace_for_others(server):
    alice = await server.connect("alice")
    await alice.leave()
    server.forget_view("alice")
    await ask(server, user="alice")
    await ask(server, "/alice", "alice")
    assert server.node.public_views.peek("alice") is None


# -- pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "ids", "links"),
    [
        ("per_page=2", ["ann", "bob"], {"first": 1, "next": 2}),
        ("per_page=2&page=1", ["ann", "bob"], {"first": 1, "next": 2}),
        ("per_page=2&page=2", ["carl", "dora"], {"first": 1, "prev": 1, "next": 3}),
        ("per_page=2&page=3", ["eve"], {"first": 1, "prev": 2}),
        ("per_page=2&page=4", [], {"first": 1, "prev": 3}),
        ("per_page=5", ["ann", "bob", "carl", "dora", "eve"], {"first": 1}),
        ("per_page=4", ["ann", "bob", "carl", "dora"], {"first": 1, "next": 2}),
        ("per_page=500&page=999999999", [], {"first": 1, "prev": 999_999_998}),
    ],
)
async def test_a_page_links_to_the_first_and_to_those_beside_it(server, query, ids, links):
    for user in ("ann", "bob", "carl", "dora", "eve"):
        await server.connect(user)
    size = re.search(r"per_page=(\d+)", query)[1]
    answer = await ask(server, f"?{query}")
    assert (answer.status, ids_of(answer)) == (200, ids)
    assert answer.header("link") == ", ".join(
        f'<{USERS}?page={page}&per_page={size}>; rel="{relation}"'
        for relation, page in links.items()
    )


@pytest.mark.parametrize(
    ("field", "values", "problem"),
    [
        (
            "page",
            ["0", "", "-1", "%2B1", "1.0", "01", "x", "%EF%BC%91", "1_0", "1000000000", "9" * 5000],
            "page must be a number from 1 to 999999999",
        ),
        (
            "per_page",
            ["0", "501", "", "-1", "+1", "1%20", "05", "%EF%BC%91", "1_0", "1e2", "9" * 5000],
            "per_page must be a number from 1 to 500",
        ),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(server, field, values, problem):
    for value in values:
        answer = await ask(server, f"?{field}={value}")
        assert (value, answer.status, answer.error) == (value, 400, problem)


@pytest.mark.parametrize("query", ["page=1&page=2", "per_page=1&per_page=1"])
async def test_a_name_that_comes_twice_is_refused(server, query):
    answer = await ask(server, f"?{query}")
    name = query.partition("=")[0]
    assert (answer.status, answer.error) == (400, f"{name} comes twice in the query")


async def test_a_page_may_have_500_users_and_other_names_are_not_ours_to_judge(server):
    assert (await ask(server, "?per_page=500&sort=name&sort=id")).status == 200


# -- who may ask, and a store that fails -----------------------------------------------------


@pytest.mark.parametrize("path", ["", "/ann"])
async def test_the_user_list_needs_a_token(start_server, path):
    server = await start_server(is_development=False)
    answer = await server.request("GET", USERS + path)
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    token = server.token("ann")
    assert (await server.request("GET", USERS + path, token=token)).status == 200


async def test_an_unreadable_user_is_503_and_no_404(closed, monkeypatch):
    await closed.connect_with(closed.token("bob", servers=["s1"]))
    for user in ("ann", "zoe"):
        client = await closed.connect_with(closed.token(user, servers=["s1"]))
        if user == "zoe":
            await client.leave()
    closed.forget_view("zoe")
    await closed.until(lambda: closed.node.writer.statistics().waiting == 0)

    async def read(*_):
        raise StoreUnavailable("told to fail")

    store = closed.store
    for method in ("read_views", "read_announced_ids"):
        monkeypatch.setattr(store, method, read)
    answers = [
        await ask(closed),
        await ask(closed, "/zoe"),
        await closed.request("GET", USERS, token=closed.admin()),
    ]
    assert [(answer.status, answer.header("retry-after")) for answer in answers] == [
        (503, "10")
    ] * 3
    assert (await ask(closed, "/ann")).json == entry("ann", ONLINE)
    monkeypatch.undo()
    assert ids_of(await ask(closed)) == ["ann", "bob", "zoe"]


@pytest.mark.slow
async def test_a_caller_whose_actor_does_not_answer_gets_503(server, monkeypatch):
    await server.connect("ann")

    async def read_for_ever(user_id):
        await trio.sleep_forever()

    monkeypatch.setattr(server.node.writer, "read_user", read_for_ever)
    monkeypatch.setattr("presence.live.service.ASK_TIMEOUT", 0.01)
    for path in ("", "/bob"):
        answer = await ask(server, path)
        assert (answer.status, answer.header("retry-after")) == (503, "1")
    assert (await ask(server, "/ann")).json == entry("ann", ONLINE)
    assert ids_of(await ask(server, "?per_page=1")) == ["ann"]
