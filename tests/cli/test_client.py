"""The commands of users: what they ask the server for, and what they print."""

import json

import pytest
import trio

from presence.cli.identity import DEFAULT_URL
from presence.client.rest import RequestFailed, RestClient


def test_set_sends_what_was_named_and_nothing_else(run, asked, self_view):
    result = run("set", "dnd", "--token", "t", "--url", "http://host:1")
    assert (result.exit_code, json.loads(result.stdout)) == (0, self_view)
    assert asked == [("patch_me", "http://host:1", "t", {"status": "dnd"})]


def test_set_takes_text_and_time(run, asked):
    env = {"PRESENCE_TOKEN": "t", "PRESENCE_URL": "http://host:2"}
    run("set", "away", "--text", "Lunch", "--until", "30m", env=env)
    run("set", "online", "--text", "", env=env)
    assert asked == [
        ("patch_me", "http://host:2", "t", change)
        for change in (
            {"status": "away", "custom_status": "Lunch", "until": 1800.0},
            {"status": "online", "custom_status": None},
        )
    ]


def test_set_keeps_a_status_as_long_as_asked(run, asked):
    result = run("set", "dnd", "--token", "t", "--keep", "4h")
    assert (result.exit_code, result.stderr) == (0, "")
    assert asked == [("patch_me", DEFAULT_URL, "t", {"status": "dnd", "lease": 14_400.0})]


def test_set_says_in_json_and_in_words_until_when_a_lease_holds(run, asked, self_view):
    self_view["lease_until"] = "2026-11-21T13:05:00.123Z"
    result = run("set", "dnd", "--token", "t")
    assert json.loads(result.stdout) == self_view
    assert result.stderr.startswith("While no client of alice is connected, this holds until 2026")


@pytest.mark.parametrize("text", ["5h", "4h1", "9s", "0", "", "1d", "14401", "long"])
def test_set_names_the_bounds_of_what_it_can_keep(run, asked, text):
    result = run("set", "dnd", "--token", "t", "--keep", text)
    assert (result.exit_code, asked) == (2, [])
    assert "from 10s to 4h" in result.stderr


@pytest.mark.parametrize(
    ("word", "status"), [("invisible", "offline"), ("busy", "dnd"), ("idle", "away")]
)
def test_set_takes_the_words_of_other_programs_and_says_so(run, asked, word, status):
    result = run("set", word, "--token", "t")
    assert asked[0][-1] == {"status": status}
    assert result.stderr.startswith(f"{word} is called {status} here.\n")


def test_the_environment_may_say_who_one_is(run, asked):
    run("get", "bob", env={"PRESENCE_USER": "alice"})
    assert asked[0] == ("get_dev_token", DEFAULT_URL, None, "alice")


def test_get_asks_for_all_users_at_once(run, asked):
    result = run("get", "bob", "carol", "--token", "t")
    assert json.loads(result.stdout) == [{"id": "bob"}]
    assert asked == [("get_users", DEFAULT_URL, "t", ("bob", "carol"))]


def test_get_explains_oneself_or_the_users_that_are_named(run, asked):
    assert json.loads(run("get", "--explain", "--token", "t").stdout) == {"status": "dnd"}
    result = run("get", "bob", "carol", "--explain", "--token", "t")
    assert json.loads(result.stdout) == [{"status": "away"}] * 2
    assert [call[0] for call in asked] == ["explain_me", "explain", "explain"]


def test_get_wants_a_user_or_an_explanation(run, asked):
    result = run("get", "--token", "t")
    assert (result.exit_code, asked) == (2, [])


def test_a_development_user_gets_a_token_first(run, asked):
    run("get", "bob", "--user", "alice")
    assert asked == [
        ("get_dev_token", DEFAULT_URL, None, "alice"),
        ("get_users", DEFAULT_URL, "dev-token", ("bob",)),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "bob"],
        ["get", "--user", "alice"],
        ["get", "bob", "--user", "alice", "--url", "http://example.org"],
        ["get", "bob", "--token", "t", "--url", "example.org"],
        ["get", "bob", "--token", "t", "--url", "http://host:port"],
        ["set", "gone", "--token", "t"],
        ["set", "dnd", "--token", "t", "--until", "soon"],
        ["set", "dnd", "--token", "t", "--until", "2026-11-21T18:00:00"],
    ],
)
def test_invalid_arguments_are_not_sent(run, asked, arguments):
    assert run(*arguments).exit_code == 2
    assert asked == []


def test_a_refused_request_is_one_sentence(run, monkeypatch):
    async def refuse(self, ids):
        await trio.lowlevel.checkpoint()
        raise RequestFailed("the server answered 401", 401)

    monkeypatch.setattr(RestClient, "get_users", refuse)
    result = run("get", "bob", "--token", "t")
    assert (result.exit_code, result.stderr) == (1, "Error: the server answered 401\n")
