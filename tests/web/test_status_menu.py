"""The status menu: what is sent, when, and what it shows."""

import re

import pytest
from playwright.sync_api import expect

CHOICES = [
    ("Online", "online", "online", "Online"),
    ("Away", "away", "away", "Away"),
    ("Do Not Disturb", "dnd", "dnd", "Do Not Disturb"),
    ("Invisible", "offline", "offline", "Invisible"),
]


@pytest.fixture
def alice(open_page):
    page = open_page("alice")
    page.open_menu()
    return page


@pytest.fixture
def bob(server):
    return server.client("bob")


def last_told(client, user):
    return client.told_of(user)[-1][1]


@pytest.mark.parametrize(
    ("label", "intent", "shown", "words"), CHOICES, ids=[each[0] for each in CHOICES]
)
def test_a_click_sets_the_status_and_moves_the_check_mark(alice, bob, label, intent, shown, words):
    first = "Away" if intent == "online" else "Online"
    if intent == "online":
        alice.choose(first)
        alice.expect_set(first)
    alice.choose(label)
    alice.expect_set(label)
    alice.expect_own(words)
    assert alice.sent[-1] == {"status": intent}
    bob.beat()
    if bob.told_of("alice"):
        assert last_told(bob, "alice") == shown


def test_arrow_keys_move_the_choice_and_send_nothing(alice, bob):
    alice.choose("Invisible")
    alice.expect_own("Invisible")
    sent = len(alice.sent)
    for _ in range(9):
        alice.page.keyboard.press("ArrowDown")
    expect(alice.radio("Online")).to_be_checked()
    alice.page.keyboard.press("ArrowUp")
    alice.expect_set("Invisible")
    alice.page.keyboard.press("Escape")
    expect(alice.menu).to_be_hidden()
    alice.expect_own("Invisible")
    bob.beat()
    assert len(alice.sent) == sent
    assert "online" not in [status for _, status in bob.told_of("alice")[1:]]


@pytest.mark.parametrize("key", ["Enter", " "])
def test_a_key_sets_the_choice(alice, key):
    alice.page.keyboard.press("ArrowDown")
    alice.page.keyboard.press("ArrowDown")
    alice.page.keyboard.press(key)
    alice.expect_set("Do Not Disturb")
    assert alice.sent == [{"status": "dnd"}]


def test_leaving_the_group_sets_the_choice(alice):
    alice.page.keyboard.press("ArrowDown")
    alice.page.keyboard.press("Tab")
    alice.expect_set("Away")


def test_escape_takes_the_choice_back_and_returns_the_focus(alice):
    alice.page.keyboard.press("ArrowDown")
    alice.page.keyboard.press("Escape")
    expect(alice.menu).to_be_hidden()
    expect(alice.own_button).to_be_focused()
    alice.open_menu()
    alice.expect_set("Online")
    expect(alice.radio("Online")).to_be_checked()
    assert alice.sent == []


def test_a_click_outside_closes_the_menu(alice):
    alice.page.locator(".members-head h1").click()
    expect(alice.menu).to_be_hidden()
    expect(alice.own_button).to_have_attribute("aria-expanded", "false")


def test_a_status_ends_after_a_time_that_is_chosen(alice):
    alice.choose("Do Not Disturb")
    alice.expect_set("Do Not Disturb")
    alice.menu.get_by_label("Clear status after").select_option("1 hour")
    expect(alice.own_button).to_have_accessible_name(
        re.compile(r"^alice, Do Not Disturb until (\w{3} )?\d\d:\d\d, change status$")
    )
    shown = alice.menu.get_by_label("Clear status after")
    expect(shown.locator("option:checked")).to_have_text(re.compile(r"^until"))
    assert alice.sent[-1]["status"] == "dnd"
    assert alice.sent[-1]["until"].endswith("Z")


# -- the custom status -------------------------------------------------------------------------


def test_enter_saves_the_custom_status(alice, bob):
    alice.custom.fill("In a meeting")
    alice.custom.press("Enter")
    expect(alice.menu.get_by_role("button", name="Clear", exact=True)).to_be_visible()
    alice.expect_line("alice", "Online, In a meeting")
    expect(alice.announcement).to_have_text("Your custom status is saved.")
    bob.wait_for(lambda frames: "In a meeting" in str(frames))


def test_the_save_button_saves_and_the_clear_button_clears(alice, bob):
    alice.custom.fill("At lunch")
    alice.menu.get_by_role("button", name="Save").click()
    alice.expect_line("alice", "Online, At lunch")
    alice.menu.get_by_role("button", name="Clear", exact=True).click()
    alice.expect_line("alice", "Online")
    expect(alice.custom).to_have_value("")
    assert [each["custom_status"] for each in alice.sent] == ["At lunch", None]


def test_an_emptied_text_clears_the_custom_status(alice):
    alice.custom.fill("Soon gone")
    alice.custom.press("Enter")
    alice.expect_line("alice", "Online, Soon gone")
    alice.custom.fill("")
    alice.custom.press("Enter")
    alice.expect_line("alice", "Online")


def test_a_text_may_have_128_characters_of_any_size(alice):
    counter = alice.menu.locator(".counter")
    alice.custom.fill("a" * 99)
    expect(counter).to_be_hidden()
    alice.custom.fill("😀" * 128)
    expect(counter).to_have_text("128 of 128")
    save = alice.menu.get_by_role("button", name="Save")
    expect(save).to_be_enabled()
    alice.custom.fill("😀" * 129)
    expect(counter).to_have_text("129 of 128")
    expect(save).to_be_disabled()
    expect(alice.custom).to_have_attribute("aria-invalid", "true")
    alice.custom.press("Enter")
    alice.custom.fill("😀" * 128)
    alice.custom.press("Enter")
    alice.expect_line("alice", "Online, " + "😀" * 128)
    assert len(alice.sent) == 1


def test_a_custom_status_ends_after_a_time_that_is_chosen(alice):
    alice.custom.fill("Back soon")
    alice.menu.get_by_label("Clear text after").select_option("30 minutes")
    alice.custom.press("Enter")
    expect(alice.menu.locator("#custom-until-text")).to_have_text(re.compile(r"^until"))
    assert alice.sent[-1]["custom_status_until"].endswith("Z")


# -- hidden, and why ---------------------------------------------------------------------------


def test_the_menu_says_that_one_appears_offline_and_takes_it_back(alice, server):
    server.request("PATCH", "/users/@me", user="alice", body={"appear_offline": True})
    alice.expect_own("Appearing offline")
    expect(alice.menu.get_by_text("You appear offline to everybody")).to_be_visible()
    alice.menu.get_by_role("button", name="Stop appearing offline").click()
    alice.expect_own("Online")
    expect(alice.menu.get_by_text("You appear offline to everybody")).to_be_hidden()


def test_the_menu_explains_the_status(alice):
    alice.choose("Do Not Disturb")
    alice.expect_own("Do Not Disturb")
    alice.menu.get_by_text("Why am I shown").click()
    deciding = alice.menu.locator(".reasons .is-deciding")
    expect(deciding).to_contain_text("The user chose dnd")
    expect(alice.menu.get_by_text("Nothing changes by itself.")).to_be_visible()


def test_the_whole_menu_works_by_keyboard_alone(open_page, bob):
    page = open_page("alice")
    keys = page.page.keyboard
    page.own_button.focus()
    keys.press("Enter")
    expect(page.radio("Online")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    page.expect_set("Do Not Disturb")
    keys.press("Tab")
    expect(page.menu.get_by_label("Clear status after")).to_be_focused()
    keys.press("Tab")
    expect(page.custom).to_be_focused()
    keys.type("By keyboard")
    keys.press("Enter")
    page.expect_line("alice", "Do Not Disturb, By keyboard")
    keys.press("Tab")
    expect(page.menu.get_by_role("button", name="Clear", exact=True)).to_be_focused()
    keys.press("Tab")
    expect(page.menu.get_by_label("Clear text after")).to_be_focused()
    keys.press("Tab")
    keys.press("Enter")
    expect(page.menu.locator(".reasons .is-deciding")).to_be_visible()
    keys.press("Tab")
    expect(page.menu.get_by_role("button", name="Sign out")).to_be_focused()
    keys.press("Tab")  # the focus stays in the dialog
    expect(page.radio("Do Not Disturb")).to_be_focused()
    keys.press("Escape")
    expect(page.own_button).to_be_focused()
    bob.wait_for(lambda frames: "By keyboard" in str(frames))
