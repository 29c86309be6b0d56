"""The draft's operations: states of devices, statuses, the flag, and reading."""

import pytest

USER = "/presence/alice"


async def put(server, path, body, user="alice", **options):
    return await server.request("PUT", path, user=user, body=body, **options)


async def test_the_state_of_a_device_is_set_without_a_connection(server):
    assert (await put(server, f"{USER}/devices/desk", {"state": "idle", "lease": 60})).status == 204
    assert await server.status_of("alice") == "away"
    answer = await server.request("GET", USER, user="alice")
    assert answer.json["devices"] == [{"device": "desk", "state": "idle"}]


async def test_a_removed_device_is_gone_at_once_and_its_connections_stay(server):
    await put(server, f"{USER}/devices/desk", {"state": "online"})
    answer = await server.request("DELETE", f"{USER}/devices/desk", user="alice")
    assert answer.status == 204
    assert await server.status_of("alice") == "offline"
    await server.connect("alice", device="desk")
    await server.request("DELETE", f"{USER}/devices/desk", user="alice")
    assert await server.status_of("alice") == "online"


async def test_a_status_is_set_by_hand(server):
    assert (await put(server, f"{USER}/status", {"status": "busy"})).status == 204
    assert await server.status_of("alice") == "dnd"
    await put(server, f"{USER}/status", {"status": "offline"})
    assert await server.status_of("alice") == "offline"


async def test_the_flag_beats_every_device_and_stays(start_server):
    server = await start_server()
    await put(server, f"{USER}/devices/desk", {"state": "online"})
    await put(server, f"{USER}/appear_offline", {"appear_offline": True})
    await put(server, f"{USER}/status", {"status": "online"})
    assert await server.status_of("alice") == "offline"
    await server.stop()
    server = await start_server()
    await server.connect("alice")
    assert await server.status_of("alice") == "offline"
    await put(server, f"{USER}/appear_offline", {"appear_offline": False})
    assert await server.status_of("alice") == "online"


async def test_others_read_the_public_view_and_the_user_itself_the_truth(server):
    await put(server, f"{USER}/status", {"status": "dnd", "custom_status": "busy"})
    await put(server, f"{USER}/status", {"status": "offline", "custom_status": "secret"})
    own = (await server.request("GET", USER, user="alice")).json
    assert (own["status"], own["intent"], own["custom_status"]) == ("offline", "offline", "secret")
    seen = (await server.request("GET", USER, user="bob")).json
    assert set(seen) == {
        "user_id",
        "state",
        "status",
        "custom_status",
        "activity",
        "version",
        "last_active_ago",
    }
    assert (seen["status"], seen["custom_status"]) == ("offline", "busy")
    admin = (await server.request("GET", USER, token=server.admin())).json
    assert admin["custom_status"] == "secret"


async def test_an_administrator_acts_for_users_that_exist(server):
    admin = server.admin()
    path = "/presence/bob/devices/desk"
    answer = await server.request("PUT", path, token=admin, body={"state": "online"})
    assert answer.status == 404
    await server.request("PUT", "/users/bob", token=admin)
    answer = await server.request("PUT", path, token=admin, body={"state": "online"})
    assert answer.status == 204
    assert await server.status_of("bob") == "online"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("status", {"status": "dnd"}),
        ("devices/desk", {"state": "online"}),
        ("appear_offline", {"appear_offline": True}),
    ],
)
async def test_nobody_changes_somebody_else(server, path, body):
    await server.connect("bob")
    for name in ("bob", "nobody", "no%20id"):
        answer = await put(server, f"/presence/{name}/{path}", body)
        assert answer.status == 403
    assert await server.status_of("bob") == "online"


async def test_a_token_for_one_device_is_good_for_no_other(server):
    token = server.token("alice", device="phone")
    for device, status in (("phone", 204), ("desk", 403)):
        answer = await server.request(
            "PUT", f"{USER}/devices/{device}", token=token, body={"state": "online"}
        )
        assert answer.status == status


@pytest.mark.parametrize("name", ["nobody", "no%20id"])
async def test_an_unknown_user_is_not_found(server, name):
    answer = await server.request("GET", f"/presence/{name}", user="alice")
    assert answer.status == 404


async def test_oneself_is_read_before_anybody_knows_one(server):
    own = (await server.request("GET", USER, user="alice")).json
    assert (own["status"], own["devices"], own["last_active_ago"]) == ("offline", [], None)
    assert await server.status_of("alice") == 404


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("status", {"status": "gone"}, "status"),
        ("devices/desk", {}, "state"),
        ("devices/a%20b", {"state": "online"}, "device"),
        ("devices/%2Frest", {"state": "online"}, "device"),
        ("appear_offline", {"appear_offline": "yes"}, "appear_offline"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(server, path, body, field):
    answer = await put(server, f"{USER}/{path}", body)
    assert answer.status == 400
    assert answer.json["error"].startswith(field)


async def test_over_the_rate_nothing_applies(server):
    states = ["online", "idle"] * 3
    answers = [await put(server, f"{USER}/devices/desk", {"state": state}) for state in states]
    assert [answer.status for answer in answers] == [204] * 5 + [429]
    assert await server.status_of("alice") == "online"
