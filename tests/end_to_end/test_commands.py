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


def test_people_get_sentences_and_tables_and_programs_get_json(serving, env, run):
    with serving() as server:
        assert run("login", f"http://127.0.0.1:{server.port}", "--user", "alice").returncode == 0
        with open_terminal(
            "set", "dnd", "--text", "In a call", "--keep", "1h", env=env
        ) as terminal:
            assert terminal.wait_end() == 0
        said = terminal.text.splitlines()
        assert said[0] == 'You are shown as dnd, with the text "In a call".'
        assert said[1].startswith("While no client of alice is connected, this holds until")
        with open_terminal("get", "alice", "nobody", env=env) as terminal:
            assert terminal.wait_end() == 0
        (row,) = [line for line in terminal.text.splitlines() if "alice" in line]
        assert row.replace("│", "").split() == ["⊖", "alice", "dnd", "In", "a", "call"]
        assert terminal.text.endswith("Nothing to see of nobody.\n")
        with open_terminal("get", "alice", "--json", env=env) as terminal:
            assert terminal.wait_end() == 0
        assert terminal.text == run("get", "alice").stdout
        with open_terminal("set", "away", "--json", env=env) as terminal:
            assert terminal.wait_end() == 0
        assert '"intent": "away"' in terminal.text
        with open_terminal("get", "nobody", env=env) as terminal:
            assert terminal.wait_end() == 0
        assert terminal.text == "Nothing to see of nobody.\n"


def test_a_command_attaches_no_device_that_would_go_with_it(serving, run):
    with serving() as server:
        url = f"http://127.0.0.1:{server.port}"
        bob = server.client("bob")
        assert run("set", "dnd", "--user", "alice", "--url", url).returncode == 0
        bob.wait_for(lambda frames: len(frames) > 1)
        bob.beat()  # whatever else there was to tell came before its answer
        (event,) = [frame for frame in bob.frames[1:] if frame["op"] == "DISPATCH"]
        assert (event["t"], event["d"]["member"]["status"]) == ("SERVER_MEMBER_ADD", "dnd")
