"""The browser client by itself, in Node: what it knows, when it connects, what it sends."""

from pathlib import Path


def test_the_client_by_its_own_tests(node_tools):
    node_tools.run("--test", Path(__file__).parent / "client.test.mjs")
