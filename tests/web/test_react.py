"""The React adapter in StrictMode, where React mounts, unmounts and mounts each component."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from presence.frontends.web.files import CLIENT

PROGRAM = Path(__file__).parent / "react_program.js"
BUNDLE = """
import { build } from "esbuild";
const [entry, client] = process.argv.slice(2);
const { outputFiles } = await build({
    entryPoints: [entry], bundle: true, format: "esm", write: false,
    define: { "process.env.NODE_ENV": '"development"' },
    alias: {
        "presence-client": client + "/client.js",
        "presence-client/react": client + "/react.js",
    },
});
process.stdout.write(outputFiles[0].text);
"""


@pytest.fixture(scope="session")
def program(node_tools):
    bundle = node_tools.directory / "bundle_react.mjs"
    bundle.write_text(BUNDLE)
    entry = shutil.copy(PROGRAM, node_tools.directory)
    client = shutil.copytree(CLIENT, node_tools.directory / "client", dirs_exist_ok=True)
    return node_tools.run(bundle, entry, client)


@pytest.fixture
def application(server, open_context, program):
    page = open_context().new_page()
    page.complaints, page.opened = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("websocket", lambda socket: page.opened.append(socket))
    # Any answer of the server will do: the page is of its origin.
    page.goto(f"http://127.0.0.1:{server.port}/healthz")
    page.evaluate("""() => { document.body.innerHTML = '<div id="root"></div>'; }""")
    page.add_script_tag(content=program, type="module")
    yield page
    assert [line for line in page.complaints if "DevTools" not in line and "404" not in line] == []


def test_the_store_lives_in_strict_mode(application, server):
    """One socket, no tearing, and a change renders those who show it, once."""
    page = application
    bob, carol = server.client("bob"), server.client("carol")
    summary = page.locator("#summary")
    expect(summary).to_have_text("live online 3/3 bob,carol")
    assert len(page.opened) == 1
    before = page.evaluate("() => ({...seen.commits})")
    for count, status in enumerate(("dnd", "away", "online", "away"), start=1):
        bob.set(status)
        expect(page.locator("#first")).to_have_text(status)
        commits = page.evaluate("() => seen.commits")
        assert commits["first"] == before["first"] + count
        assert commits["second"] == before["second"] + count
        assert commits["other"] == before["other"]
    carol.close()
    expect(summary).to_have_text("live online 1/3 bob,carol")
    seen = page.evaluate("() => seen")
    assert seen["torn"] == 0
    assert seen["events"] == ["bob"] * 4 + ["carol"]


def test_a_render_of_the_application_makes_no_new_store(application, server):
    page = application
    server.client("bob")
    expect(page.locator("#summary")).to_have_text("live online 2/2 bob")
    before = page.evaluate("() => seen.commits.summary")
    for _ in range(3):
        page.get_by_role("button", name="Render").click()
    assert page.evaluate("() => seen.commits.summary") == before + 3
    assert len(page.opened) == 1
