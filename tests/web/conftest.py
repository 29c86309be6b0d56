"""A real browser: the Chromium of the system, driven by Playwright."""

import shutil

import pytest
from node_tools import NodeTools
from presence_page import PresencePage
from server_process import ServerProcess, running

SEEN_WITHIN = 20_000.0
"""Milliseconds in which a page must show what it is to show, on a machine that is busy."""
SERIOUS = {"serious", "critical"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no chromium on the path (Debian: apt-get install chromium)")
    api.expect.set_options(timeout=SEEN_WITHIN)
    with api.sync_playwright() as playwright:
        # In a container root has no sandbox of user namespaces.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lasting_server(tmp_path_factory):
    """One server for all tests that leave it running."""
    directory = tmp_path_factory.mktemp("server")
    with running(ServerProcess(directory, max_presence_changes=0)) as server:
        yield server, server.token("root", "--admin")


@pytest.fixture
def server(lasting_server):
    """A server that knows nobody; it must not be stopped."""
    server, admin = lasting_server
    yield server
    for client in server.clients:
        client.reset()
    server.clients.clear()
    members = server.request("GET", "/servers/everyone/members", token=admin)[2]["members"]
    for member in members:
        server.request("DELETE", f"/users/{member['user_id']}", token=admin)


@pytest.fixture
def own_server(serving):
    """A server of this test alone, which may be stopped and started again."""
    with serving(max_presence_changes=0, restart_grace_after=1) as server:
        yield server


@pytest.fixture
def open_context(chromium):
    """`open_context(color_scheme="dark")` is a browser profile of its own."""
    contexts = []

    def open_one(**options):
        context = chromium.new_context(**{"locale": "en-GB", **options})
        context.set_default_timeout(SEEN_WITHIN)
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


@pytest.fixture
def axe(node_tools):
    source = node_tools.path("axe-core/axe.min.js").read_text()

    def find_issues(page):
        page.page.evaluate(source)
        found = page.page.evaluate("() => axe.run()")["violations"]
        return [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found
            if each["impact"] in SERIOUS
        ]

    return find_issues
