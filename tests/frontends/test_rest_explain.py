"""`/users/@me/explain` and `/users/{id}/explain`: why a user has its status."""

import pytest


async def test_a_user_reads_why_it_is_invisible(server):
    alice = await server.connect("alice", device="phone")
    await alice.update(status="offline")
    await alice.rest()
    answer = await server.request("GET", "/users/@me/explain", user="alice")
    assert answer.status == 200
    assert answer.json["status"] == "offline"
    assert [(each["kind"], each["is_deciding"]) for each in answer.json["because"]] == [
        ("intent", True),
        ("device", False),
    ]


async def test_an_administrator_reads_it_of_anybody(server):
    await server.connect("alice", device="phone")
    answer = await server.request("GET", "/users/alice/explain", token=server.admin())
    assert answer.json["status"] == "online"
    assert answer.json["because"][-1]["says"] == "Device phone is connected and is online."


@pytest.mark.parametrize("user", ["nobody", "no%20id"])
async def test_an_unknown_user_is_not_found(server, user):
    answer = await server.request("GET", f"/users/{user}/explain", token=server.admin())
    assert answer.status == 404
    assert len(server.node.users) == 0


@pytest.mark.parametrize("user", ["alice", "bob", "nobody"])
async def test_others_are_refused_alike_whomever_they_ask_about(server, user):
    await server.connect("bob", device="phone")
    answer = await server.request("GET", f"/users/{user}/explain", user="alice")
    assert answer.status == 403


async def test_to_ask_about_oneself_creates_nobody(server):
    answer = await server.request("GET", "/users/@me/explain", user="alice")
    assert (answer.json["status"], answer.json["next"]) == ("offline", None)
    assert await server.status_of("alice") == 404
