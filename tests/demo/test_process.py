"""`presence serve --demo` as a process: what a visitor sees, and what is left of it."""

import signal
import time

import pytest

from presence.demo.cast import PEOPLE, SERVERS

CHANGES_WITHIN = 30.0
STOPPED_WITHIN = 2.0

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def members_over_rest(server, **who):
    """The members of each server, as the visitor may list them."""
    listed = {}
    for server_id in SERVERS:
        status, _, body = server.request("GET", f"/servers/{server_id}/members?limit=500", **who)
        assert status == 200
        listed[server_id] = {member["user_id"]: member for member in body["members"]}
    return listed


def updates_in(frames):
    return [frame["d"] for frame in frames if frame.get("t") == "PRESENCE_UPDATE" and "v" in frame]


def test_a_visitor_sees_three_servers_with_thirty_people_of_every_status(demo_process):
    visitor = demo_process.client("visitor")
    ready = visitor.frames[0]["d"]
    assert {each["id"]: each["name"] for each in ready["servers"]} == dict(SERVERS)

    listed = members_over_rest(demo_process, user="visitor")
    for person in PEOPLE:
        for server_id, members in listed.items():
            assert (person.id in members) == (server_id in person.servers)
    everybody = {key: member for members in listed.values() for key, member in members.items()}
    assert everybody.keys() == {"visitor"} | {person.id for person in PEOPLE}
    statuses = [member["status"] for member in everybody.values()]
    assert {"online", "away", "dnd", "offline"} == set(statuses)
    assert statuses.count("online") > len(PEOPLE) / 3


def test_a_development_token_that_names_no_servers_brings_all_three(demo_process):
    _, _, body = demo_process.request("POST", "/auth/dev-token", body={"user": "visitor"})
    assert demo_process.request("PATCH", "/users/@me", token=body["token"], body={})[0] == 200
    listed = members_over_rest(demo_process, token=body["token"])
    assert sum(map(len, listed.values())) >= sum(len(person.servers) for person in PEOPLE)


def test_a_visitor_is_told_live_of_changes_of_every_kind(demo_process):
    visitor = demo_process.client("visitor")
    known = {
        member["user_id"]: member
        for server in visitor.frames[0]["d"]["servers"]
        for member in server["members"]
    }

    def changed(field):
        return lambda frames: any(
            update[field] != known[update["user_id"]][field] for update in updates_in(frames)
        )

    for field in ("status", "custom_status", "activity"):
        visitor.wait_for(changed(field), CHANGES_WITHIN)


def test_it_says_the_address_of_the_page_and_that_nothing_is_kept(demo_process):
    told = demo_process.log.splitlines()
    address = f"http://127.0.0.1:{demo_process.port}/"
    assert f"Presence is running a demonstration in memory: {address}" in told
    assert demo_process.request("GET", "/")[0] == 200


def test_ctrl_c_ends_it_soon_and_nothing_is_left_on_the_disk(demo_process):
    visitor = demo_process.client("visitor")
    began_at = time.monotonic()
    demo_process.signal(signal.SIGINT)
    assert demo_process.process.wait(30) == 0
    assert time.monotonic() - began_at < STOPPED_WITHIN
    assert visitor.wait_closed() == 1012
    assert list(demo_process.working_directory.iterdir()) == []
    assert not demo_process.data.exists()
    assert "Traceback" not in demo_process.log
    assert "actor_crashed" not in demo_process.log
