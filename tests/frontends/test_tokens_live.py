"""Connections whose token ends, and users whom an administrator sends away."""

import trio


async def test_a_socket_whose_token_expires_is_closed_with_4001_within_five_seconds(server):
    token = server.token("alice", ttl=0.8)
    began_at = trio.current_time()
    alice = await server.connect_with(token)
    await server.connect("bob")
    assert await alice.close_code() == 4001
    assert 0.6 < trio.current_time() - began_at < 5
    assert (await server.refusal(f"/ws?token={token}")).status == 401


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
    await server.administer("POST", "/users/alice/revoke")
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
        await server.administer("POST", f"/users/{user}/disconnect")
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
    await server.administer("DELETE", "/users/alice")
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
    await server.administer("DELETE", "/users/alice")
    await server.crash()

    server = await start_server()
    assert (await server.request("GET", "/users/alice", user="bob")).status == 404
    assert (await server.request("GET", "/users/@me", token=token)).status == 401
    await server.connect("alice")
    after = (await server.request("GET", "/users/alice", user="bob")).json
    assert after["version"] > before
