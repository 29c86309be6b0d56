"""Pictures of the page with the demonstration's users.

With `PRESENCE_PICTURES=docs/pictures` they are kept there, for the README.
"""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect
from server_process import DemoProcess, running

LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "forced-colours": {"forced_colors": "active"},
}
SIZES = {"wide": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    with running(DemoProcess(tmp_path_factory.mktemp("demo"))) as server:
        yield server


@pytest.fixture
def pictures(tmp_path):
    return Path(os.environ.get("PRESENCE_PICTURES", tmp_path))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", LOOKS)
def test_the_page_is_pictured(demonstration, open_context, pictures, look, size):
    width, height = SIZES[size]
    context = open_context(viewport={"width": width, "height": height}, **LOOKS[look])
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{demonstration.port}/?user=robin")
    expect(page.locator(".servers button")).to_have_count(3)
    expect(page.locator(".row").nth(5)).to_be_visible()
    picture = page.screenshot(path=pictures / f"page-{look}-{size}.png")
    page.locator(".own-button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    with_menu = page.screenshot(path=pictures / f"menu-{look}-{size}.png")
    assert picture != with_menu
