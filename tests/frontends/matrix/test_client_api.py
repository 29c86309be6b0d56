"""The client-server API: logins, presence, errors."""

import pytest

PREFIX = "/_matrix/client/v3"


@pytest.fixture
async def alice(server, log_in):
    return await log_in(server, "alice")


# -- logging in ------------------------------------------------------------------------------


async def test_anybody_may_read_the_versions_and_the_ways_to_log_in(server):
    versions = await server.request("GET", "/_matrix/client/versions")
    assert "v1.11" in versions.json["versions"]
    assert versions.json["unstable_features"]["org.matrix.msc3026.busy_presence"] is True
    assert versions.header("access-control-allow-origin") == "*"
    flows = (await server.request("GET", f"{PREFIX}/login")).json["flows"]
    assert [flow["type"] for flow in flows] == ["m.login.token", "m.login.password"]


async def test_a_token_of_ours_is_exchanged_for_an_access_token(start_server):
    server = await start_server(is_development=False, matrix_server_name="example.org:8448")
    body = {"type": "m.login.token", "token": server.token("Bob"), "device_id": "TAB"}
    answer = await server.request("POST", f"{PREFIX}/login", body=body)
    assert answer.json["user_id"] == "@=42ob:example.org:8448"
    assert answer.json["device_id"] == "TAB"
    whoami = await server.request(
        "GET", f"{PREFIX}/account/whoami", token=answer.json["access_token"]
    )
    assert whoami.json == {
        "user_id": "@=42ob:example.org:8448",
        "device_id": "TAB",
        "is_guest": False,
    }


async def test_passwords_are_for_development_alone(start_server):
    server = await start_server(is_development=False)
    flows = (await server.request("GET", f"{PREFIX}/login")).json["flows"]
    assert flows == [{"type": "m.login.token"}]
    body = {"type": "m.login.password", "user": "alice", "password": "x"}
    answer = await server.request("POST", f"{PREFIX}/login", body=body)
    assert (answer.status, answer.json["errcode"]) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("token", ["", "abc", "a.b.c"])
async def test_a_login_with_a_bad_token_is_forbidden(server, token):
    body = {"type": "m.login.token", "token": token}
    answer = await server.request("POST", f"{PREFIX}/login", body=body)
    assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_login_keeps_the_claims_of_its_token(server, log_in):
    token = server.token("alice", name="Alice", servers=["chess"])
    body = {"type": "m.login.token", "token": token}
    access = (await server.request("POST", f"{PREFIX}/login", body=body)).json["access_token"]
    await server.request("GET", f"{PREFIX}/sync", token=access)
    answer = await server.request("GET", "/servers/chess/members", token=server.admin())
    assert [member["username"] for member in answer.json["members"]] == ["Alice"]


async def test_a_token_for_one_device_logs_no_other_in(server):
    token = server.token("alice", device="PHONE")
    body = {"type": "m.login.token", "token": token, "device_id": "TAB"}
    answer = await server.request("POST", f"{PREFIX}/login", body=body)
    assert answer.status == 403
    answer = await server.request("POST", f"{PREFIX}/login", body={**body, "device_id": "PHONE"})
    assert answer.json["device_id"] == "PHONE"


async def test_each_login_without_a_device_gets_one(server, log_in):
    first, second = await log_in(server, "alice"), await log_in(server, "alice")
    assert first.device != second.device


async def test_an_expired_access_token_is_a_soft_logout(server):
    token = server.token("alice", ttl=1.0, issued_ago=100.0)
    expired = server.token("alice", ttl=-50.0, issued_ago=100.0)
    for each, is_soft in ((expired, True), (token[:-5] + "AAAAA", False)):
        answer = await server.request("GET", f"{PREFIX}/sync", token=each)
        assert (answer.status, answer.json["errcode"]) == (401, "M_UNKNOWN_TOKEN")
        assert answer.json.get("soft_logout", False) is is_soft


async def test_an_access_token_in_the_query_is_taken_as_older_clients_send_it(alice):
    answer = await alice.server.request(
        "GET", f"{PREFIX}/account/whoami?access_token={alice.token}"
    )
    assert answer.json["user_id"] == "@alice:localhost"


# -- setting and reading ---------------------------------------------------------------------


async def test_a_presence_that_is_set_is_read_in_every_dialect(server, log_in, alice):
    bob = await server.connect("bob")
    assert (await alice.put("unavailable", status_msg="Lunch")).status == 200
    member = (await bob.next_of("SERVER_MEMBER_ADD"))["member"]
    assert (member["user_id"], member["status"]) == ("alice", "away")
    assert member["custom_status"] == "Lunch"
    carol = await log_in(server, "carol")
    content = (await carol.get("@alice:localhost")).json
    assert (content["presence"], content["status_msg"]) == ("unavailable", "Lunch")
    assert type(content["last_active_ago"]) is int
    assert "currently_active" not in content


async def test_a_change_of_another_dialect_is_read(server, alice):
    bob = await server.connect("bob")
    await bob.update(status="dnd", custom_status="focus")
    await bob.rest()
    content = (await alice.get("@bob:localhost")).json
    assert (content["presence"], content["status_msg"]) == ("unavailable", "focus")


async def test_a_device_that_has_used_busy_sees_busy_and_takes_it_back(server, log_in, alice):
    bob = await log_in(server, "bob", device="B")
    await bob.put("busy")
    assert await server.status_of("bob") == "dnd"
    assert (await bob.get("@bob:localhost")).json["presence"] == "busy"
    assert (await alice.get("@bob:localhost")).json["presence"] == "unavailable"
    await alice.put("org.matrix.msc3026.busy")
    assert (await alice.get("@bob:localhost")).json["presence"] == "busy"
    await bob.put("online")
    assert await server.status_of("bob") == "online"


async def test_a_device_that_never_used_busy_ends_no_do_not_disturb(server, log_in):
    bob = await server.connect("bob")
    await bob.update(status="dnd")
    client = await log_in(server, "bob")
    await client.put("online")
    assert await server.status_of("bob") == "dnd"


@pytest.mark.parametrize("presence", ["online", "unavailable", "busy"])
async def test_a_presence_shows_nobody_who_chose_to_appear_offline(server, log_in, presence):
    bob = await log_in(server, "bob")
    await server.patch("bob", appear_offline=True)
    await bob.put(presence)
    await bob.sync(set_presence="online")
    assert await server.status_of("bob") == 404  # never announced
    await bob.sync()
    assert (await bob.get("@bob:localhost")).json["presence"] == "offline"


async def test_an_online_presence_of_a_busy_device_does_not_undo_invisible(server, log_in):
    client = await log_in(server, "bob")
    await client.put("busy")
    bob = await server.connect("bob")
    await bob.update(status="offline")
    await bob.rest()
    await client.put("online")
    assert await server.status_of("bob") == "offline"


async def test_the_presence_of_a_device_lasts_as_long_as_its_lease(start_server, log_in):
    server = await start_server(lease_after=1.0)
    alice = await log_in(server, "alice")
    await alice.put("online")
    assert await server.status_of("alice") == "online"
    await server.wait_status("alice", "offline")


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", "/presence/@alice:localhost/status", b"{", 400, "M_NOT_JSON"),
        ("PUT", "/presence/@alice:localhost/status", b"{}", 400, "M_BAD_JSON"),
        ("PUT", "/presence/@alice:localhost/status", b'{"presence":"x"}', 400, "M_INVALID_PARAM"),
        ("PUT", "/presence/@bob:localhost/status", b'{"presence":"online"}', 403, "M_FORBIDDEN"),
        ("PUT", "/presence/@alice:other/status", b'{"presence":"online"}', 403, "M_FORBIDDEN"),
        ("GET", "/presence/@nobody:localhost/status", None, 403, "M_FORBIDDEN"),
        ("GET", "/presence/nonsense/status", None, 403, "M_FORBIDDEN"),
        ("POST", "/user/@bob:localhost/filter", b"{}", 403, "M_FORBIDDEN"),
        ("POST", "/user/@alice:localhost/filter", b"[]", 400, "M_BAD_JSON"),
        ("GET", "/user/@alice:localhost/filter/9", None, 404, "M_UNRECOGNIZED"),
        ("GET", "/sync?timeout=x", None, 400, "M_INVALID_PARAM"),
        ("GET", "/sync?filter=x", None, 400, "M_INVALID_PARAM"),
        ("GET", "/sync?set_presence=away", None, 400, "M_INVALID_PARAM"),
        ("GET", "/rooms", None, 404, "M_UNRECOGNIZED"),
        ("DELETE", "/sync", None, 405, "M_UNRECOGNIZED"),
        ("PUT", "/presence/@alice:localhost/status", b"x" * 70_000, 413, "M_TOO_LARGE"),
    ],
)
async def test_errors_have_the_code_of_the_specification(alice, method, path, body, status, code):
    answer = await alice.request(method, path, body)
    assert (answer.status, answer.json["errcode"]) == (status, code)
    assert answer.json["error"]
    assert answer.header("access-control-allow-origin") == "*"


@pytest.mark.parametrize("path", ["/_matrix", "/_matrix/client/v3/x", "/_matrix/media/v3/upload"])
async def test_any_other_path_of_matrix_is_unrecognized(server, path):
    answer = await server.request("GET", path)
    assert (answer.status, answer.json["errcode"]) == (404, "M_UNRECOGNIZED")


async def test_a_request_without_a_token_says_so(server):
    answer = await server.request("GET", f"{PREFIX}/sync")
    assert (answer.status, answer.json["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_a_stranger_and_an_unknown_user_are_answered_alike(start_server, log_in):
    server = await start_server(everyone_server=False)
    await server.connect("bob")
    alice = await log_in(server, "alice")
    answers = [await alice.get(f"@{name}:localhost") for name in ("bob", "nobody")]
    assert answers[0] == answers[1]
    assert answers[0].json["errcode"] == "M_FORBIDDEN"


async def test_a_change_over_the_rate_says_when_to_come_back(server, alice):
    statuses = [(await alice.put("online", status_msg=f"{n}")).status for n in range(6)]
    assert statuses == [200] * 5 + [429]
    answer = await alice.put("online", status_msg="again")
    assert answer.json["errcode"] == "M_LIMIT_EXCEEDED"
    assert 1000 <= answer.json["retry_after_ms"] <= 20_000
    assert answer.json["retry_after_ms"] == 1000 * int(answer.header("retry-after"))


async def test_requests_over_the_rate_say_when_to_come_back(start_server, log_in):
    alice = await log_in(await start_server(max_requests_per_second=2), "alice")
    while (answer := await alice.request("GET", "/pushrules/")).status == 200:
        pass
    assert (answer.status, answer.json["errcode"]) == (429, "M_LIMIT_EXCEEDED")


async def test_a_device_beyond_the_limit_is_over_a_limit(start_server, log_in):
    server = await start_server(max_devices_per_user=1)
    await server.connect("alice", device="phone")
    alice = await log_in(server, "alice")
    for answer in (await alice.put("online"), await alice.request("GET", "/sync")):
        assert (answer.status, answer.json["errcode"]) == (429, "M_LIMIT_EXCEEDED")


async def test_what_clients_ask_before_they_sync(alice):
    for path in ("/pushrules", "/pushrules/"):
        assert (await alice.request("GET", path)).json == {"global": {}}
    made = await alice.request("POST", "/user/@alice:localhost/filter", {"room": {}})
    path = f"/user/@alice:localhost/filter/{made.json['filter_id']}"
    assert (await alice.request("GET", path)).json == {}
