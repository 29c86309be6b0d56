"""Connections whose token ends, and users whom an administrator sends away."""

import pytest
import trio


async def test_a_socket_whose_token_expires_is_closed_with_4001_within_five_seconds(server):
    token = server.token("alice", ttl=0.8)
    began_at = trio.current_time()
    alice = await server.connect_with(token)
    await server.connect("bob")
    assert await alice.close_code() == 4001
    assert 0.6 < trio.current_time() - began_at < 5
    assert (await server.refusal(f"/ws?token={token}")).status == 401


async def test_an_expired_token_leaves_the_user_its_grace(server):
    bob = await server.connect("bob")
    alice = await server.connect_with(server.token("alice", ttl=0.8))
    await bob.rest()
    assert await alice.close_code() == 4001
    await server.quiet()
    await server.connect_with(server.token("alice"))
    assert await bob.rest() == []


async def test_an_expired_token_ends_its_own_connection_only(server):
    other = await server.connect_with(server.token("alice"))
    alice = await server.connect_with(server.token("alice", ttl=0.8))
    assert await alice.close_code() == 4001
    assert await other.rest() == []


async def test_revoking_closes_with_4001_and_refuses_the_tokens_issued_so_far(server):
    token = server.token("alice")
    alice, bob = await server.connect_with(token), await server.connect("bob")
    answer = await server.request("POST", "/users/alice/revoke", token=server.admin())

    assert (answer.status, answer.body) == (204, b"")
    assert await alice.close_code() == 4001
    assert (await server.refusal(f"/ws?token={token}")).error == "the token is refused: revoked"
    assert (await server.request("GET", "/users/@me", token=token)).status == 401
    assert await bob.rest() == []  # within the grace
    await server.connect_with(server.token("alice"))


async def test_a_revocation_outlives_a_restart(start_server):
    server = await start_server()
    token = server.token("alice")
    await server.connect_with(token)
    await server.request("POST", "/users/alice/revoke", token=server.admin())
    await server.stop()
    server = await start_server()
    assert (await server.request("GET", "/users/@me", token=token)).status == 401
    assert (await server.request("GET", "/users/@me", token=server.token("alice"))).status == 200


async def test_disconnecting_closes_with_4002_and_the_user_is_gone_at_once(server):
    token = server.token("alice")
    alice, bob = await server.connect_with(token), await server.connect("bob")
    await server.patch("carol", status="online")  # a lease
    await bob.rest()
    for user in ("alice", "carol"):
        answer = await server.request("POST", f"/users/{user}/disconnect", token=server.admin())
        assert answer.status == 204
    assert await alice.close_code() == 4002
    gone = [(it["d"]["user_id"], it["d"]["status"]) for it in await bob.rest()]
    assert gone == [("alice", "offline"), ("carol", "offline")]
    await server.connect_with(token)


async def test_deleting_closes_with_4002_and_forgets_the_user(server):
    token = server.token("alice", servers=["s1"])
    alice, bob = await server.connect_with(token), await server.connect("bob")
    await alice.update(status="dnd", custom_status="hello")
    await bob.rest()
    before = (await server.request("GET", "/users/alice", user="bob")).json["version"]
    answer = await server.request("DELETE", "/users/alice", token=server.admin())

    assert answer.status == 204
    assert await alice.close_code() == 4002
    frames = await bob.rest()
    assert [frame["t"] for frame in frames] == ["PRESENCE_UPDATE", "SERVER_MEMBER_REMOVE"]
    assert frames[0]["d"]["status"] == "offline"
    assert frames[1]["d"] == {"server_id": "everyone", "user_id": "alice"}
    assert (await server.request("GET", "/users/alice", user="bob")).status == 404
    assert (await server.refusal(f"/ws?token={token}")).status == 401

    _, ready = await server.join("alice")
    assert ready["user"]["custom_status"] is None
    assert [it["id"] for it in ready["servers"]] == ["everyone"]
    after = (await server.request("GET", "/users/alice", user="bob")).json["version"]
    assert after > before


async def test_a_deletion_outlives_a_restart_and_versions_go_on(start_server):
    server = await start_server()
    token = server.token("alice")
    alice = await server.connect_with(token)
    await alice.update(status="dnd")
    await alice.rest()
    before = (await server.request("GET", "/users/alice", user="bob")).json["version"]
    await server.request("DELETE", "/users/alice", token=server.admin())
    await server.crash()

    server = await start_server()
    assert (await server.request("GET", "/users/alice", user="bob")).status == 404
    assert (await server.request("GET", "/users/@me", token=token)).status == 401
    await server.connect("alice")
    after = (await server.request("GET", "/users/alice", user="bob")).json
    assert after["version"] > before


async def test_the_grace_of_a_lost_connection_ends_with_a_deletion(server):
    alice, bob = await server.connect("alice"), await server.connect("bob")
    await alice.vanish()
    await bob.rest()
    await server.request("DELETE", "/users/alice", token=server.admin())
    assert [frame["t"] for frame in await bob.rest()] == ["PRESENCE_UPDATE", "SERVER_MEMBER_REMOVE"]


async def test_a_token_issued_after_the_deletion_makes_a_new_user(server):
    await server.connect("alice")
    await server.request("DELETE", "/users/alice", token=server.admin())
    await server.connect_with(server.token("alice", name="Alice the second"))
    answer = await server.request("GET", "/users/alice", user="bob")
    assert answer.json["username"] == "Alice the second"


@pytest.mark.parametrize(("method", "action"), [("DELETE", ""), ("POST", "/revoke")])
async def test_who_was_never_visible_can_be_deleted_and_revoked_too(start_server, method, action):
    server = await start_server()
    token = server.token("hana")
    answer = await server.request(
        "PATCH", "/users/@me", token=token, body={"appear_offline": True, "custom_status": "x"}
    )
    assert answer.status == 200
    await server.stop()
    server = await start_server()
    answer = await server.request(method, f"/users/hana{action}", token=server.admin())
    assert answer.status == 204
    assert (await server.request("GET", "/users/@me", token=token)).status == 401
