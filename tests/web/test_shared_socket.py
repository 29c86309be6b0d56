"""Tabs of one browser that share a connection, in a real browser."""

import pytest

OPEN = """async (user) => {
    const { createPresence } = await import("/client.js");
    window.client = createPresence({ user, shareAcrossTabs: true });
    client.connect();
    await client.ready();
}"""
STATUS = "(id) => client.user(id).getSnapshot()?.status"


@pytest.fixture
def open_tab(server, open_context):
    context = open_context()

    def open_one():
        tab = context.new_page()
        tab.sockets = []
        tab.on("websocket", lambda socket: tab.sockets.append(socket))
        tab.goto(f"http://127.0.0.1:{server.port}/healthz")
        tab.evaluate(OPEN, "alice")
        return tab

    return open_one


def wait_status(tab, user, status):
    tab.wait_for_function(
        "([id, status]) => client.user(id).getSnapshot()?.status === status", arg=[user, status]
    )


def test_tabs_share_one_socket_and_hand_it_over_unseen(server, open_tab):
    bob = server.client("bob")
    first, second = open_tab(), open_tab()
    assert (len(first.sockets), len(second.sockets)) == (1, 0)
    bob.set("dnd")
    for tab in (first, second):
        wait_status(tab, "bob", "dnd")
    second.evaluate("() => client.set({ status: 'away' })")
    bob.wait_for(lambda _: [status for _, status in bob.told_of("alice")][-1:] == ["away"])
    known = len(bob.told_of("alice"))
    first.close(run_before_unload=True)
    bob.set("online")
    wait_status(second, "bob", "online")
    assert len(second.sockets) == 1
    bob.beat()
    assert bob.told_of("alice")[known:] == []  # others saw nothing of it
    assert second.evaluate("() => client.me.getSnapshot().intent") == "away"
