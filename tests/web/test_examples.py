"""The examples of the documents, run as they stand but for the port."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = re.search(
    r"```javascript\n(.*?/client\.js.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
)
PAGE = re.search(
    r'<script type="module">\n(.*?)</script>',
    (ROOT / "docs/browser-client.md").read_text(),
    re.DOTALL,
)
PACKAGE = re.search(
    r'<script type="module">\n(.*?)</script>',
    (ROOT / "presence/web/package/README.md").read_text(),
    re.DOTALL,
)


@pytest.fixture
def run(server, open_context):
    def run_example(found):
        page = open_context().new_page()
        page.lines = []
        page.on("console", lambda message: page.lines.append(message.text))
        page.on("pageerror", lambda error: page.lines.append(f"error: {error}"))
        page.goto(f"http://127.0.0.1:{server.port}/healthz")
        page.evaluate("() => { document.body.innerHTML = '<ul id=members></ul>'; }")
        code = found.group(1).replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}")
        page.add_script_tag(content=code, type="module")
        return page

    return run_example


def wait_line(page, line):
    with page.expect_console_message(lambda message: line in message.text, timeout=10_000):
        pass


def test_the_example_of_the_readme_runs(run, server):
    bob = server.client("bob")
    page = run(README)
    if "I am dnd" not in page.lines:
        wait_line(page, "I am dnd")
    bob.wait_for(lambda _: [status for _, status in bob.told_of("carol")][-1:] == ["dnd"])
    assert "bob online" in page.lines
    bob.set("away")
    wait_line(page, "bob away null")
    assert not [line for line in page.lines if "error:" in line]


def test_the_example_of_the_browser_client_runs(run, server):
    bob = server.client("bob")
    page = run(PAGE)
    bob.wait_for(lambda _: [status for _, status in bob.told_of("alice")][-1:] == ["dnd"])
    bob.set("away")
    wait_line(page, "bob is away")


def test_the_example_of_the_package_runs(run, server):
    page = run(PACKAGE)
    server.client("bob").set("away", custom_status="Out")
    page.get_by_text("bob: away, Out").wait_for()
