"""A lost connection: the page says so, shows no wrong status, and recovers by itself."""

import re

import pytest
from playwright.sync_api import expect

OLD = re.compile(r"^Reconnecting\. Statuses are from \d\d:\d\d\.")


@pytest.fixture
def server(own_server):
    """One that these tests may stop."""
    return own_server


@pytest.fixture
def alice(open_page):
    return open_page("alice")


def bar_of(page):
    return page.page.locator("#connection-bar")


def test_a_killed_server_is_said_and_recovered_from(alice, server):
    server.client("bob")
    server.request("PATCH", "/users/@me", user="bob", body={"status": "dnd"})  # and stored
    alice.expect_status("bob", "dnd")
    server.kill()
    expect(bar_of(alice)).to_contain_text(OLD)
    # A mark that may be wrong shows no status.
    expect(alice.row("bob").locator(".mark use")).to_be_hidden()
    expect(alice.row("bob").locator(".line")).to_have_text("Do Not Disturb")
    expect(alice.announcement).to_contain_text(OLD)
    expect(alice.page).to_have_title(re.compile("^Reconnecting"))
    expect(bar_of(alice).get_by_role("button", name="Try now")).to_be_visible(timeout=15_000)
    server.start_again()
    bar_of(alice).get_by_role("button", name="Try now").click()
    expect(bar_of(alice)).to_be_hidden()
    alice.expect_own("Online")
    expect(alice.announcement).to_have_text("Connected.")
    # bob did not come back: after the grace of a restart he is offline.
    alice.expect_status("bob", "offline")


def test_a_restarted_server_is_found_without_a_click(alice, server):
    server.stop()
    expect(bar_of(alice)).to_contain_text(OLD)
    server.start_again()
    expect(bar_of(alice)).to_be_hidden(timeout=20_000)
    server.client("bob")
    alice.expect_status("bob", "online")


def test_nobody_flickers_over_a_restart(alice, server):
    """A member that is back in time is never shown otherwise."""
    server.client("bob").set("dnd")
    alice.expect_status("bob", "dnd")
    alice.page.evaluate(
        """() => {
            window.seen = new Set();
            const mark = document.querySelector('[data-user="bob"] .mark');
            new MutationObserver(() => seen.add(mark.getAttribute("class")))
                .observe(mark, {attributes: true});
        }"""
    )
    server.stop()
    server.start_again()
    server.client("bob")
    expect(bar_of(alice)).to_be_hidden(timeout=20_000)
    alice.expect_status("bob", "dnd")
    assert "mark mark-offline" not in alice.page.evaluate("() => [...seen]")


def test_a_status_that_is_set_while_the_server_is_away_is_set_once_it_is_back(alice, server):
    server.stop()
    expect(bar_of(alice)).to_contain_text(OLD)
    alice.open_menu()
    alice.choose("Do Not Disturb")
    server.start_again()
    # As a browser says that the network is back: the next attempt is not waited for.
    alice.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    alice.expect_own("Do Not Disturb")


def test_a_disconnected_user_is_told_why_and_may_come_back(alice, server):
    admin = server.token("root", "--admin")
    server.request("POST", "/users/alice/disconnect", token=admin)
    expect(bar_of(alice)).to_contain_text("An administrator has disconnected this user.")
    bar_of(alice).get_by_role("button", name="Connect again").click()
    expect(bar_of(alice)).to_be_hidden()


def test_a_page_without_a_good_token_asks_for_another(serving, open_context):
    with serving(options=("--no-dev",)) as server:
        page = open_context().new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        token = page.get_by_label("Token")
        token.fill("not.a.token")
        token.press("Enter")
        bar = page.locator("#connection-bar")
        expect(bar.get_by_role("button", name="Sign in")).to_be_visible()
        bar.get_by_role("button", name="Sign in").click()
        page.get_by_label("Token").fill(server.token("alice"))
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".own-button")).to_have_accessible_name(re.compile("^alice, Online"))
        assert "eyJ" not in page.url


def test_a_page_falls_back_to_events_where_websockets_are_blocked(server, open_context):
    bob = server.client("bob")
    page = open_context().new_page()
    page.add_init_script(
        "window.WebSocket = class extends WebSocket {"
        " constructor() { super('ws://127.0.0.1:9/'); } };"
    )
    page.goto(f"http://127.0.0.1:{server.port}/?user=alice")
    expect(page.locator(".own-button")).to_have_accessible_name(re.compile("^alice, Online"))
    bob.set("dnd")
    expect(page.locator('[data-user="bob"] .mark-dnd')).to_be_visible()
    page.locator(".own-button").click()
    page.locator("label.choice", has_text="Away").click()
    bob.wait_for(lambda _: [status for _, status in bob.told_of("alice")][-1:] == ["away"])


def test_a_reconnect_of_an_idle_user_shows_nothing(open_page, server):
    alice = open_page("alice", clock=True)
    alice.set_visibility("hidden")
    alice.expect_own("Away, idle")
    server.stop()
    server.start_again()
    other = server.client("carol")
    alice.page.clock.fast_forward(31_000)
    expect(alice.page.locator("#connection-bar")).to_be_hidden()
    alice.expect_own("Away, idle")
    other.beat()
    assert {status for _, status in other.told_of("alice")} <= {"away"}


def test_axe_finds_no_serious_issue_while_disconnected(open_page, axe, server):
    page = open_page("alice", bypass_csp=True)
    server.stop()
    expect(page.page.locator("#connection-bar")).to_be_visible()
    expect(page.page.locator("body.is-stale")).to_be_attached()
    assert axe(page) == []
