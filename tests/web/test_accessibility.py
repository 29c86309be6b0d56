"""The page for people who use it otherwise: axe, forced colours, reduced motion, large text."""

import json

import pytest
from playwright.sync_api import expect

LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "forced-colours": {"forced_colors": "active"},
    "more-contrast": {"contrast": "more"},
    "reduced-motion": {"reduced_motion": "reduce"},
}
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


@pytest.fixture
def members(server):
    """Members with every status."""
    for user, status in (
        ("bob", "dnd"),
        ("carol", "away"),
        ("dave", "offline"),
        ("erin", "online"),
    ):
        client = server.client(user)
        client.set(status, custom_status="In a meeting", activity="Chess")
        client.beat()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_axe_finds_no_serious_issue(open_page, members, axe, look):
    page = open_page("alice", bypass_csp=True, **look)
    page.expect_status("bob", "dnd")
    for width, height in SIZES.values():
        page.page.set_viewport_size({"width": width, "height": height})
        assert axe(page) == []
        page.open_menu()
        page.menu.get_by_text("Why am I shown").click()
        expect(page.menu.locator(".reasons .is-deciding")).to_be_visible()
        assert axe(page) == []
        page.page.keyboard.press("Escape")


def test_axe_finds_no_serious_issue_in_the_sign_in(server, open_context, axe):
    page = open_context(bypass_csp=True).new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    class Shown:
        pass

    Shown.page = page
    assert axe(Shown) == []


@pytest.mark.parametrize("look", ["light", "forced-colours"])
def test_marks_differ_by_shape_and_not_by_colour_alone(open_page, members, look):
    page = open_page("alice", **LOOKS[look])
    page.expect_status("bob", "dnd")
    shapes = {
        user: page.row(user).locator(".mark use").get_attribute("href")
        for user in ("alice", "bob", "carol", "dave")
    }
    assert len(set(shapes.values())) == 4
    if look == "forced-colours":
        colours = page.page.eval_on_selector_all(
            ".row .mark", "(marks) => marks.map((mark) => getComputedStyle(mark).fill)"
        )
        assert len(set(colours)) == 1


def test_nothing_moves_where_motion_is_reduced(open_page):
    page = open_page("alice", reduced_motion="reduce")
    moving = page.page.eval_on_selector_all(
        "*",
        """(all) => all.filter((each) => {
            const style = getComputedStyle(each);
            return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
        }).length""",
    )
    assert moving == 0


def test_a_page_at_four_hundred_percent_needs_no_sideways_scrolling(open_page, members):
    page = open_page("alice", viewport={"width": 320, "height": 256})
    page.open_menu()
    is_wide = page.page.evaluate(
        "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    assert not is_wide
    page.choose("Do Not Disturb")
    page.expect_set("Do Not Disturb")


@pytest.mark.parametrize(("size", "least"), [("desktop", 24), ("phone", 44)])
def test_targets_are_large_enough(open_page, members, size, least):
    width, height = SIZES[size]
    page = open_page("alice", viewport={"width": width, "height": height})
    page.open_menu()
    small = page.page.eval_on_selector_all(
        "button, select, input:not([type=radio]), label.choice, .menu summary",
        """(all, least) => all.filter((each) => each.checkVisibility())
            .map((each) => [each.outerHTML.slice(0, 60), each.getBoundingClientRect().height])
            .filter(([, height]) => height < least)""",
        least,
    )
    assert small == [], json.dumps(small)


def test_changes_of_others_are_not_announced(open_page, server):
    page = open_page("alice")
    server.client("bob").set("dnd")
    page.expect_status("bob", "dnd")
    expect(page.announcement).to_have_text("")
    assert page.page.locator("[aria-live], [role=status], [role=alert]:visible").count() == 1
