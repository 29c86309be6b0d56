"""A real browser: the Chromium of the system, driven by Playwright."""

import shutil

import pytest
from node_tools import NodeTools
from presence_page import PresencePage

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no chromium on the path (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        # In a container root has no sandbox of user namespaces.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def server(serving):
    with serving(max_presence_changes=0, restart_grace_after=1) as server:
        yield server


@pytest.fixture
def open_context(chromium):
    """`open_context(color_scheme="dark")` is a browser profile of its own."""
    contexts = []

    def open_one(**options):
        context = chromium.new_context(**{"locale": "en-GB", **options})
        context.set_default_timeout(10_000)
        contexts.append(context)
        return context

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def open_page(server, open_context):
    """`open_page("alice")` signs in; at the end no page may have said anything on its console."""
    pages = []

    def open_one(user, *, context=None, clock=False, **options):
        page = PresencePage((context or open_context(**options)).new_page(), server, user)
        if clock:
            page.page.clock.install()
        pages.append(page)
        page.open()
        return page

    yield open_one
    assert [line for page in pages for line in page.complaints] == []


@pytest.fixture(scope="session")
def node_tools(tmp_path_factory):
    return NodeTools(tmp_path_factory.mktemp("node"))
