"""The servers of a user in the page: they come and go, and may be large."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def server(own_server):
    return own_server


@pytest.fixture
def alice(open_page):
    return open_page("alice")


def test_servers_come_go_and_are_renamed_live(alice, server):
    admin = server.token("root", "--admin")

    def put(path, **body):
        assert server.request("PUT", path, token=admin, body=body)[0] < 300

    put("/servers/team", name="Team")
    put("/servers/team/members/alice")
    entry = alice.page.get_by_role("navigation", name="Servers").get_by_role("button", name="Team")
    expect(entry).to_be_visible()
    entry.click()
    expect(alice.page.get_by_role("heading", level=1)).to_have_text("Team")
    put("/servers/team", name="The team")
    expect(alice.page.get_by_role("heading", level=1)).to_have_text("The team")
    server.request("DELETE", "/servers/team/members/alice", token=admin)
    expect(entry).to_be_hidden()


def test_a_server_may_have_more_members_than_its_first_list(server, open_page):
    admin = server.token("root", "--admin")
    server.request("PUT", "/servers/big", token=admin, body={"name": "Big"})
    members = [{"id": f"user-{number:04}"} for number in range(700)]
    ids = [member["id"] for member in members]
    status, _, answer = server.request(
        "PUT", "/servers/big/members", token=admin, body={"members": [*ids, "alice"]}
    )
    assert status < 300, answer
    page = open_page("alice")
    page.page.get_by_role("button", name="Big").click()
    expect(page.page.locator(".row")).to_have_count(701)
    expect(page.page.locator(".summary")).to_have_text("701 members")
    expect(page.page.locator(".group-offline h2")).to_have_text("Offline, 700")
