"""The list of members: groups, counts, search, and texts that could be markup."""

import pytest
from playwright.sync_api import expect

ATTACKS = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg><script>window.hit=1</script></svg>",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
    "<body onload=window.hit=1>",
    "<a href=javascript:window.hit=1>x</a>",
    "<details open ontoggle=window.hit=1>",
    "<video><source onerror=window.hit=1></video>",
    "<audio src=x onerror=window.hit=1>",
    "<input autofocus onfocus=window.hit=1>",
    "<select autofocus onfocus=window.hit=1>",
    "<textarea autofocus onfocus=window.hit=1>",
    "<marquee onstart=window.hit=1>",
    "<object data='data:text/html,<script>hit=1</script>'>",
    "<embed src='data:text/html,<script>hit=1</script>'>",
    "<math><mi xlink:href='javascript:window.hit=1'>x</mi></math>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//x>",
    "<meta http-equiv=refresh content='0;url=//x'>",
    "<base href=//x>",
    "<form action=//x><button>x</button></form>",
    "<table background=javascript:window.hit=1>",
    "<div style='position:fixed;inset:0;background:red'>",
    "<template><script>window.hit=1</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=hit=1>'>",
    "'><script>window.hit=1</script>",
    '"><script>window.hit=1</script>',
    '"onmouseover="window.hit=1',
    "' onfocus=window.hit=1 autofocus='",
    "</span><script>window.hit=1</script>",
    "</bdi></li></ul><script>window.hit=1</script>",
    "</title><script>window.hit=1</script>",
    "</textarea><script>window.hit=1</script>",
    "--><script>window.hit=1</script><!--",
    "]]><script>window.hit=1</script>",
    "javascript:window.hit=1",
    "data:text/html,<script>window.hit=1</script>",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "&#60;script&#62;window.hit=1&#60;/script&#62;",
    "\\u003cscript\\u003ewindow.hit=1\\u003c/script\\u003e",
    "%3Cscript%3Ewindow.hit=1%3C/script%3E",
    "${window.hit=1}",
    "{{constructor.constructor('window.hit=1')()}}",
    "<%= window.hit=1 %>",
    "`${window.hit=1}`",
    "<scr<script>ipt>window.hit=1</scr</script>ipt>",
    "<ScRiPt>window.hit=1</sCrIpT>",
    "<img/src=x/onerror=window.hit=1>",
    "<x contenteditable onblur=window.hit=1>x</x>",
]


@pytest.fixture
def alice(open_page):
    return open_page("alice")


def heading(page, group):
    return page.page.locator(f".group-{group} h2")


def test_members_are_counted_and_those_offline_stand_below(alice, server):
    bob = server.client("bob")
    server.client("carol")
    expect(heading(alice, "online")).to_have_text("Online, 3")
    bob.close()
    alice.expect_status("bob", "offline")
    expect(heading(alice, "online")).to_have_text("Online, 2")
    expect(heading(alice, "offline")).to_have_text("Offline, 1")
    expect(alice.page.locator(".group-offline .row")).to_have_attribute("data-user", "bob")


def test_a_row_shows_status_text_and_activity(alice, server):
    server.client("bob").set("away", custom_status="In a meeting", activity="Chess")
    alice.expect_line("bob", "Away, In a meeting, Chess")


def test_a_row_does_not_move_under_the_pointer(alice, server):
    bob = server.client("bob")
    alice.expect_status("bob", "online")
    alice.row("bob").hover()
    bob.close()
    alice.expect_status("bob", "offline")
    alice.page.wait_for_timeout(2_500)  # it would have moved after one second
    expect(alice.page.locator(".group-online .row[data-user=bob]")).to_be_visible()
    alice.page.mouse.move(5, 5)
    expect(alice.page.locator(".group-offline .row[data-user=bob]")).to_be_visible()


def test_the_search_finds_members_by_name(alice, server):
    server.client("bob")
    alice.expect_status("bob", "online")
    search = alice.page.get_by_label("Search members by name")
    search.fill("BO")
    expect(alice.row("bob")).to_be_visible()
    expect(alice.row("alice")).to_be_hidden()
    search.fill("nobody at all")
    expect(alice.page.get_by_text("Nobody is called that.")).to_be_visible()
    search.fill("")
    expect(alice.row("alice")).to_be_visible()


def test_texts_of_others_are_only_text(alice, server):
    bob = server.client("bob")
    alice.expect_status("bob", "online")
    for attack in ATTACKS:
        bob.set("online", custom_status=attack)
        alice.expect_line("bob", f"Online, {attack}")
    assert len(ATTACKS) == 50
    assert alice.page.evaluate("() => window.hit") is None
    assert alice.row("bob").locator("bdi *").count() == 0


def test_a_text_of_ones_own_is_only_text(alice):
    alice.open_menu()
    alice.custom.fill(ATTACKS[1])
    alice.custom.press("Enter")
    expect(alice.own_button).to_contain_text(ATTACKS[1])
    assert alice.page.evaluate("() => window.hit") is None
