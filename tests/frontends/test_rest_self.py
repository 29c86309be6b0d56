"""`/users/@me`: one's own presence over REST, with and without a connection."""

from datetime import datetime, timedelta

import pytest
import trio
import trio.testing

BARE_SELF = {
    "id": "alice",
    "username": "alice",
    "status": "offline",
    "intent": "online",
    "until": None,
    "appear_offline": False,
    "custom_status": None,
    "custom_status_until": None,
    "activity": None,
}
BARE = BARE_SELF | {"lease_until": None}
"""As the REST addresses tell of it; the gateway tells of no lease."""


async def me(server, user="alice"):
    answer = await server.request("GET", "/users/@me", user=user)
    assert answer.status == 200
    return answer.json


# -- reading ---------------------------------------------------------------------------------


async def test_an_unknown_user_gets_the_default_view_and_is_not_created(server):
    assert await me(server) == BARE
    assert await server.status_of("alice") == 404
    assert len(server.node.users) == 0
    assert await server.node.writer.read_user("alice") is None


async def test_the_self_view_shows_what_is_hidden_and_the_own_id_the_public_view(server):
    alice = await server.connect("alice")
    await alice.update(status="dnd", custom_status="busy")
    await alice.update(status="offline", custom_status="secret")
    await alice.rest()
    assert await me(server) == BARE | {"intent": "offline", "custom_status": "secret"}
    own = (await server.request("GET", "/users/alice", user="alice")).json
    others = (await server.request("GET", "/users/alice", user="bob")).json
    assert own == others
    assert own["custom_status"] == "busy"


@pytest.mark.parametrize("token", [None, "abc"])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_nobody_gets_in_without_a_valid_token(start_server, method, token):
    server = await start_server(is_development=False)
    answer = await server.request(method, "/users/@me?user=alice", token=token, body={})
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    assert answer.error.startswith("a token is needed" if token is None else "the token is refused")


async def test_a_token_in_the_query_of_rest_is_none(start_server):
    server = await start_server(is_development=False)
    assert (await server.request("GET", f"/users/@me?token={server.token('a')}")).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_of_the_token_is_read_in_any_case(start_server, scheme):
    server = await start_server(is_development=False)
    headers = [("authorization", f"{scheme} {server.token('alice')}")]
    assert (await server.request("GET", "/users/@me", headers=headers)).status == 200


# -- changing --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["online", "away", "dnd", "offline"])
async def test_each_of_the_four_statuses_is_taken(server, status):
    answer = await server.patch("alice", status=status)
    assert (answer.status, answer.header("presence-persisted")) == (200, None)
    assert answer.json | {"lease_until": None} == BARE | {"status": status, "intent": status}
    assert await me(server) == answer.json


async def test_several_fields_at_once_are_one_change(server):
    bob = await server.connect("bob")
    await server.patch("alice", status="online")
    await bob.rest()
    await server.patch("alice", status="dnd", custom_status="busy", activity="chess")
    assert [frame["d"] for frame in await bob.rest()] == [
        {"user_id": "alice", "status": "dnd", "custom_status": "busy", "activity": "chess"}
    ]


async def test_own_connections_get_the_change_of_a_patch(server):
    alice = await server.connect("alice")
    await server.patch("alice", custom_status="hello")
    online = BARE_SELF | {"user_id": "alice", "status": "online", "custom_status": "hello"}
    assert await alice.self_views() == [online]


async def test_omitted_fields_stay_and_null_or_blank_clears(server):
    await server.connect("alice")
    await server.patch("alice", status="dnd", custom_status="busy", activity="chess")
    kept = (await server.patch("alice", status="away")).json
    assert (kept["custom_status"], kept["activity"]) == ("busy", "chess")
    cleared = (await server.patch("alice", custom_status="  ", activity=None)).json
    assert (cleared["status"], cleared["custom_status"], cleared["activity"]) == (
        "away",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"status": "invisible"}, "status must be one of online, away, dnd, offline"),
        ({"custom_status": "x" * 129}, "custom_status is longer than 128 characters"),
        ({"activity": "x" * 129}, "activity is longer than 128 characters"),
        ({"status": "dnd", "until": -1}, "until must lie in the future, at most 365 days ahead"),
        ({"lease": 9}, "lease must be a number of seconds from 10 to 14400"),
        ({"username": "Alice"}, "username is not a known key"),
        (["dnd"], "body must be a JSON object"),
        (b"{", "body is not valid JSON"),
    ],
)
async def test_an_invalid_patch_names_its_field_and_applies_nothing(server, body, problem):
    if isinstance(body, dict):  # beside what would be good
        body = {"custom_status": "never", "activity": "never", "appear_offline": True} | body
    answer = await server.request("PATCH", "/users/@me", user="alice", body=body)

    assert (answer.status, answer.error) == (400, problem)
    assert await me(server) == BARE
    assert await server.node.writer.read_user("alice") is None


async def test_appear_offline_hides_until_it_is_taken_back(server):
    await server.connect("alice")
    bob = await server.connect("bob")
    answer = await server.patch("alice", appear_offline=True)
    assert (answer.json["status"], answer.json["intent"]) == ("offline", "online")
    assert (await server.patch("alice", status="dnd")).json["status"] == "offline"
    assert await bob.presence_of("alice") == ["offline"]
    await server.patch("alice", appear_offline=False)
    assert await bob.presence_of("alice") == ["dnd"]


async def test_appear_offline_outlives_devices_and_a_restart(start_server):
    server = await start_server()
    await server.patch("alice", appear_offline=True)
    await server.stop()
    server = await start_server()
    _, ready = await server.join("alice")
    assert (ready["user"]["status"], ready["user"]["appear_offline"]) == ("offline", True)
    assert await server.status_of("alice") == 404


async def test_ends_are_answered_as_times_in_utc(server):
    answer = await server.patch(
        "alice", status="dnd", until=3600, custom_status="x", custom_status_until=60
    )
    until = datetime.fromisoformat(answer.json["until"])
    text_until = datetime.fromisoformat(answer.json["custom_status_until"])
    assert answer.json["until"].endswith("Z")
    assert timedelta(seconds=3539) < until - text_until < timedelta(seconds=3541)


# -- the lease of those without a connection -------------------------------------------------


async def test_naming_a_status_attaches_for_the_length_of_the_lease(start_server):
    server = await start_server(lease_after=0.4)
    bob = await server.connect("bob")
    began_at = trio.current_time()
    await server.patch("alice", status="dnd", custom_status="bot")
    assert (await bob.next_of("SERVER_MEMBER_ADD"))["member"]["status"] == "dnd"
    assert (await bob.next_of("PRESENCE_UPDATE"))["status"] == "offline"
    assert 0.4 <= trio.current_time() - began_at < 4
    assert await me(server) == BARE | {"custom_status": "bot"}


async def test_an_activity_that_nothing_would_keep_is_refused_and_creates_nobody(server):
    body = {"custom_status": "never", "activity": "chess", "appear_offline": True}
    answer = await server.patch("alice", **body)
    assert (answer.status, answer.error) == (
        409,
        "activity needs a status beside it while no device of the user is attached",
    )
    assert await me(server) == BARE
    assert await server.node.writer.read_user("alice") is None


def seconds_left(server, answer):
    left = datetime.fromisoformat(answer.json["lease_until"]).timestamp()
    return left - server.node.clock.now().wall


async def test_the_answer_says_until_when_the_lease_holds(server):
    for body, length in (
        ({"status": "dnd"}, 300),
        ({"lease": 7200}, 7200),
        ({}, 7200),
        ({"lease": 10}, 10),
        ({}, 300),
        ({"status": "away", "until": 900, "lease": 60}, 900),
        ({"status": "away", "until": 20_000}, 14_400),
    ):
        answer = await server.patch("alice", **body)
        assert answer.status == 200
        assert length - 5 < seconds_left(server, answer) <= length + 0.001  # in milliseconds
        assert await me(server) == answer.json


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_a_lease_outlives_a_restart_with_the_time_that_was_left(start_server, end):
    server = await start_server()
    before = (await server.patch("alice", status="dnd", lease=3600)).json
    await (server.stop() if end == "stop" else server.crash())
    server = await start_server()
    assert await server.status_of("alice") == "dnd"
    assert await me(server) == before
    assert (await server.patch("alice", custom_status="renewed")).json["lease_until"] == (
        before["lease_until"]
    )


# -- too much at once ------------------------------------------------------------------------


async def test_commands_waiting_for_one_user_are_bounded(start_server, monkeypatch, nursery):
    """While its actor waits for the disk, a hundred commands wait for it."""
    server = await start_server(max_requests_per_second=0, max_presence_changes=0)
    may_read = hold_reads_of(server, "alice", monkeypatch)
    answers = []

    async def patch():
        answers.append(await server.patch("alice", status="dnd"))

    for _ in range(120):
        nursery.start_soon(patch)
    await server.until(lambda: len(answers) == 20)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert [(it.status, it.error, it.header("retry-after")) for it in answers] == [
        (503, "the server is busy or stopping", "1")
    ] * 20
    assert (await server.patch("bob", status="dnd")).status == 200
    may_read.set()
    await server.until(lambda: len(answers) == 120)
    assert {it.status for it in answers[20:]} == {200}


def hold_reads_of(server, user, monkeypatch):
    """Have the store keep those who read *user* waiting until the event that is returned."""
    store, may_read = server.store, trio.Event()
    read_user = store.read_user

    async def read_late(user_id):
        if user_id == user:
            await may_read.wait()
        return await read_user(user_id)

    monkeypatch.setattr(store, "read_user", read_late)
    return may_read


# -- stored, or said not to be ---------------------------------------------------------------


async def test_an_answer_comes_after_the_commit(start_server):
    server = await start_server()
    await server.patch("alice", status="dnd", custom_status="hello")
    await server.crash()
    server = await start_server()
    assert (await me(server))["custom_status"] == "hello"


async def test_where_the_store_fails_the_answer_says_so_and_the_broadcast_goes_on(
    server, monkeypatch, break_store
):
    bob = await server.connect("bob")
    await server.connect("alice")
    break_store(server)
    answer = await server.patch("alice", status="dnd")

    assert (answer.status, answer.header("presence-persisted")) == (200, "false")
    assert answer.json["status"] == "dnd"
    assert await bob.presence_of("alice") == ["dnd"]
    monkeypatch.undo()
    answer = await server.patch("alice", status="away")
    assert (answer.status, answer.header("presence-persisted")) == (200, None)
