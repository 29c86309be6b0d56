"""Matrix clients of others beside a browser and each other, through a real server."""

import pytest
from matrix_programs import NodePrograms, run_nio


@pytest.fixture(scope="session")
def node_programs(tmp_path_factory):
    return NodePrograms(tmp_path_factory.mktemp("matrix"))


SETTINGS = {"max_presence_changes": 0}


@pytest.fixture
def server(serving):
    with serving(**SETTINGS) as server:
        yield server


@pytest.fixture(params=["matrix-nio", "matrix-js-sdk"])
def run_client(request):
    if request.param == "matrix-nio":
        return run_nio
    return request.getfixturevalue("node_programs").run


def wait_shown(browser, user, status, since=0):
    """Wait until *browser* was told so after its first *since* events about the user.

    Not until it is so at last: a sync that was on its way may say otherwise.
    """
    browser.wait_for(lambda _: status in [told for _, told in browser.told_of(user)[since:]])


def test_a_client_sets_all_presences_and_a_browser_sees_them(server, run_client):
    browser = server.client("bob")
    client = run_client(server, "alice")
    assert client.wait_for(logged_in="@alice:localhost")
    wait_shown(browser, "alice", "online")
    for presence, status in (("unavailable", "away"), ("online", "online"), ("offline", "offline")):
        known = len(browser.told_of("alice"))
        client.set(presence, "in a test")
        wait_shown(browser, "alice", status, known)


def test_a_client_is_told_of_a_browser_and_reads_it(server, run_client):
    browser = server.client("bob")
    client = run_client(server, "alice")
    client.wait_for(event="@bob:localhost", presence="online")
    for status, presence in (("dnd", "unavailable"), ("online", "online"), ("away", "unavailable")):
        browser.set(status, custom_status=f"now {status}")
        client.wait_for(event="@bob:localhost", presence=presence, text=f"now {status}")
    found = client.get("@bob:localhost")
    assert (found["get"], found["text"]) == ("unavailable", "now away")
    assert type(found["ago"]) is int
    browser.close()
    client.wait_for(event="@bob:localhost", presence="offline")


def test_two_libraries_see_each_other(server, node_programs):
    nio, js = run_nio(server, "nio"), node_programs.run(server, "js")
    nio.wait_for(event="@js:localhost", presence="online")
    js.wait_for(event="@nio:localhost", presence="online")
    nio.set("unavailable", "gone for lunch")
    js.wait_for(event="@nio:localhost", presence="unavailable", text="gone for lunch")
    js.set("unavailable", "me too")
    nio.wait_for(event="@js:localhost", presence="unavailable", text="me too")
