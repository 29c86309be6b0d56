"""Auto-away in the page: idle users are shown away, and nothing that was set by hand is lost."""

import pytest

FIVE_MINUTES = 5 * 60 * 1000
IDLE = {"status": "away", "afk": True}
BACK = {"afk": False}


@pytest.fixture
def bob(server):
    return server.client("bob")


@pytest.fixture
def alice(open_page):
    return open_page("alice", clock=True)


def told(client, user):
    """The statuses that *client* was told of, after the one in which it met the user."""
    met = [member["user_id"] for member in client.frames[0]["d"]["servers"][0]["members"]]
    return [status for _, status in client.told_of(user)][0 if user in met else 1 :]


def wait_told(client, user, statuses):
    client.wait_for(lambda _: told(client, user) == statuses)


def test_a_user_without_input_is_away_after_five_minutes_and_back_with_the_next(alice, bob):
    alice.page.clock.fast_forward(FIVE_MINUTES - 10_000)
    bob.beat()
    assert told(bob, "alice") == []
    alice.page.clock.fast_forward(10_000)
    alice.expect_own("Away, idle")
    alice.page.mouse.move(200, 200)
    alice.expect_own("Online")
    wait_told(bob, "alice", ["away", "online"])
    assert alice.sent == [IDLE, BACK]


def test_input_starts_the_five_minutes_anew(alice):
    for _ in range(3):
        alice.page.clock.fast_forward(FIVE_MINUTES - 10_000)
        alice.page.keyboard.press("Shift")
    assert alice.sent == []
    alice.expect_own("Online")


def test_a_hidden_tab_is_away_at_once_and_back_when_it_is_shown(alice, bob):
    alice.set_visibility("hidden")
    alice.expect_own("Away, idle")
    alice.set_visibility("visible")
    alice.expect_own("Online")
    wait_told(bob, "alice", ["away", "online"])


@pytest.mark.parametrize(
    ("label", "words"), [("Do Not Disturb", "Do Not Disturb"), ("Away", "Away")]
)
def test_a_status_set_by_hand_is_not_overridden(alice, label, words):
    alice.open_menu()
    alice.choose(label)
    alice.expect_own(words)
    sent = len(alice.sent)
    alice.page.clock.fast_forward(FIVE_MINUTES + 1000)
    alice.set_visibility("hidden")
    alice.set_visibility("visible")
    alice.expect_own(words)
    assert len(alice.sent) == sent


def test_a_change_by_hand_while_away_is_not_taken_back_on_return(alice, bob, server):
    alice.set_visibility("hidden")
    alice.expect_own("Away, idle")
    server.request("PATCH", "/users/@me", user="alice", body={"status": "dnd"})
    alice.expect_own("Do Not Disturb")
    alice.set_visibility("visible")
    alice.page.mouse.move(100, 100)
    alice.expect_own("Do Not Disturb")
    wait_told(bob, "alice", ["away", "dnd"])


def test_an_idle_user_who_is_no_longer_busy_is_shown_away(alice, server):
    alice.open_menu()
    alice.choose("Do Not Disturb")
    alice.expect_own("Do Not Disturb")
    alice.set_visibility("hidden")
    server.request("PATCH", "/users/@me", user="alice", body={"status": "online"})
    alice.expect_own("Away, idle")


def test_two_tabs_of_a_user_are_away_only_once_both_are_hidden(open_page, open_context, bob):
    context = open_context()
    first = open_page("alice", context=context)
    second = open_page("alice", context=context)
    first.set_visibility("hidden")
    second.page.mouse.move(10, 10)
    second.expect_own("Online")
    second.set_visibility("hidden")
    first.expect_own("Away, idle")
    second.expect_own("Away, idle")
    first.set_visibility("visible")
    first.expect_own("Online")
    second.expect_own("Online")
    wait_told(bob, "alice", ["away", "online"])


def test_two_tabs_are_one_device_and_a_closed_one_shows_nothing(
    open_page, open_context, bob, server
):
    context = open_context()
    first = open_page("alice", context=context)
    second = open_page("alice", context=context)
    explained = server.request("GET", "/users/@me/explain", user="alice")[2]["because"]
    devices = [each for each in explained if each["kind"] == "device"]
    assert [each["connections"] for each in devices] == [2]
    second.page.close()
    first.expect_own("Online")
    bob.beat()
    assert told(bob, "alice") == []


def test_a_closed_page_says_goodbye(open_page, bob):
    page = open_page("alice")
    page.page.close(run_before_unload=True)
    wait_told(bob, "alice", ["offline"])
