"""The commands of users as processes, against a real server."""

import json
import os
import subprocess
import sys

import pytest
from terminal import open_terminal


@pytest.fixture
def env(tmp_path):
    """The environment of a user without settings, whose login is remembered in the test alone."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PRESENCE_")}
    return kept | {"XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def run(env):
    """Run a command with its streams in pipes."""

    def run(*arguments, stdin=""):
        command = [sys.executable, "-m", "presence", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, env=env)

    return run


def test_a_login_by_pipe_spares_saying_who_one_is(serving, run, tmp_path):
    with serving(is_development="false") as server:
        url = f"http://127.0.0.1:{server.port}"
        done = run("login", url, stdin=server.token("alice"))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"You are alice at {url} from now on")
        assert json.loads(run("set", "dnd", "--text", "Busy").stdout)["custom_status"] == "Busy"
        (alice,) = json.loads(run("get", "alice", "nobody").stdout)
        assert (alice["id"], alice["status"]) == ("alice", "dnd")
        assert run("logout").returncode == 0
        assert run("get", "alice").returncode == 2
    assert list((tmp_path / "config/presence").iterdir()) == []


def test_a_token_is_typed_unseen(serving, env, run):
    with serving(is_development="false") as server:
        url, token = f"http://127.0.0.1:{server.port}", server.token("alice")
        with open_terminal("login", url, env=env) as terminal:
            terminal.wait_for("Token")
            terminal.type(token)
            assert terminal.wait_end() == 0
            assert f"You are alice at {url}" in terminal.text
            assert token not in terminal.text
        assert json.loads(run("set", "away").stdout)["id"] == "alice"


def test_a_server_that_does_not_know_one_keeps_no_login(serving, run, tmp_path):
    with serving(is_development="false") as server:
        url = f"http://127.0.0.1:{server.port}"
        refused = run("login", url, "--token", "a.b.c")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"Error: {url} answered 401: the token is refused")
        no_token = run("login", url, "--user", "alice")
        assert no_token.stderr == (
            f"Error: {url} is no development server of this machine: it wants a token\n"
        )
    gone = run("login", url, "--token", "a.b.c")
    assert gone.stderr.startswith(f"Error: {url} cannot be reached")
    assert not (tmp_path / "config").exists()


def test_a_watcher_is_logged_in_too(serving, env, run):
    with serving() as server:
        assert run("login", f"http://127.0.0.1:{server.port}", "--user", "bob").returncode == 0
        server.request("PATCH", "/users/@me", user="alice", body={"status": "dnd"})
        with open_terminal("watch", env=env) as terminal:
            terminal.wait_for("alice")
            terminal.wait_for("dnd")
