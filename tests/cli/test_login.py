"""As whom a command speaks: by its line, by the environment, or by a login."""

import pytest
import trio

from presence.cli.identity import DEFAULT_URL
from presence.client.rest import RequestFailed, RestClient

HOST = "https://host"
AT_HOST = {"PRESENCE_URL": HOST}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config/presence/login.json"


@pytest.fixture
def logged_in(run, asked):
    """A login at HOST with the token `stored`; what it asked the server for is forgotten."""
    assert run("login", HOST, "--token", "stored").exit_code == 0
    asked.clear()


def test_a_login_is_verified_and_kept(run, asked, file):
    result = run("login", HOST, "--token", "secret")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"You are alice at {HOST} from now on; `presence logout` forgets it.\n"
    assert asked == [("get_me", HOST, "secret")]
    assert file.read_text() == '{"url": "https://host", "token": "secret"}\n'


def test_a_user_of_a_development_server_is_kept_without_a_token(run, asked, file):
    assert run("login", DEFAULT_URL, "--user", "alice").exit_code == 0
    assert asked == [
        ("get_dev_token", DEFAULT_URL, None, "alice"),
        ("get_me", DEFAULT_URL, "dev-token"),
    ]
    assert "dev-token" not in file.read_text()
    run("get", "bob")
    assert asked[2:] == [
        ("get_dev_token", DEFAULT_URL, None, "alice"),
        ("get_users", DEFAULT_URL, "dev-token", ("bob",)),
    ]


@pytest.mark.parametrize("line", ["piped", "piped\n", " piped \r\nmore\n"])
def test_the_token_may_come_out_of_a_pipe(run, asked, line):
    result = run("login", HOST, input=line)
    assert (result.exit_code, asked) == (0, [("get_me", HOST, "piped")])
    assert "piped" not in result.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["host", "--token", "secret"], "host is no address of a server"),
        ([HOST, "--token", "secret", "--user", "alice"], "not both"),
        ([HOST, "--user", "alice"], "--user is for this machine alone"),
        ([HOST, "--token", ""], "an empty --token"),
        ([HOST], "no token came"),
        ([], "Missing argument 'URL'"),
    ],
)
def test_what_can_be_no_login_is_not_tried(run, asked, file, arguments, problem):
    result = run("login", *arguments)
    assert (result.exit_code, asked, file.exists()) == (2, [], False)
    assert problem in result.stderr


def test_a_refused_token_leaves_the_former_login(run, monkeypatch, logged_in, file):
    async def refuse(self):
        await trio.lowlevel.checkpoint()
        raise RequestFailed("host answered 401: the token is refused: expired", 401)

    monkeypatch.setattr(RestClient, "get_me", refuse)
    result = run("login", HOST, "--token", "old")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: host answered 401: the token is refused: expired\n",
    )
    assert "stored" in file.read_text()


def test_a_server_that_is_none_of_ours_is_a_sentence(run, monkeypatch, file):
    async def answer(self):
        await trio.lowlevel.checkpoint()
        return {"hello": "world"}

    monkeypatch.setattr(RestClient, "get_me", answer)
    result = run("login", HOST, "--token", "secret")
    assert (result.exit_code, file.exists()) == (1, False)
    assert result.stderr == f"Error: {HOST} answered without a user\n"


def test_a_variable_that_comes_before_the_login_is_named(run, asked):
    result = run("login", HOST, "--token", "secret", env={"PRESENCE_TOKEN": "other"})
    assert asked == [("get_me", HOST, "secret")]
    assert result.stderr == "Warning: PRESENCE_TOKEN is set, and comes before your login.\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "spoken"),
    [
        pytest.param([], {}, (HOST, "stored"), id="the login"),
        pytest.param(["--url", f"{HOST}:443/"], {}, (HOST, "stored"), id="the login by address"),
        pytest.param([], AT_HOST, (HOST, "stored"), id="the login by a variable"),
        pytest.param(["--token", "t"], {}, (DEFAULT_URL, "t"), id="a token is not for its server"),
        pytest.param([], {"PRESENCE_TOKEN": "t"}, (DEFAULT_URL, "t"), id="nor is a variable"),
        pytest.param(["--token", "t"], AT_HOST, (HOST, "t"), id="token by line, url by variable"),
        pytest.param(
            ["--token", "t"], {"PRESENCE_TOKEN": "e"}, (DEFAULT_URL, "t"), id="line over variable"
        ),
        pytest.param(
            ["--user", "u"],
            {"PRESENCE_TOKEN": "e"},
            (DEFAULT_URL, "dev-token"),
            id="a user by line over a token by variable",
        ),
        pytest.param(
            ["--token", "t"],
            {"PRESENCE_USER": "u"},
            (DEFAULT_URL, "t"),
            id="a token by line over a user by variable",
        ),
        pytest.param(
            ["--url", "https://b", "--token", "t"], AT_HOST, ("https://b", "t"), id="all by line"
        ),
    ],
)
@pytest.mark.usefixtures("logged_in")
def test_the_line_is_asked_before_the_environment_and_the_login(
    run, asked, arguments, environ, spoken
):
    assert run("get", "bob", *arguments, env=environ).exit_code == 0
    assert asked[-1] == ("get_users", *spoken, ("bob",))


@pytest.mark.parametrize("url", ["http://host", "https://host:8443", "https://host/other"])
@pytest.mark.parametrize("says", ["line", "variable"])
@pytest.mark.usefixtures("logged_in")
def test_the_token_of_a_login_goes_to_no_other_server(run, asked, url, says):
    arguments, environ = (["--url", url], {}) if says == "line" else ([], {"PRESENCE_URL": url})
    result = run("get", "bob", *arguments, env=environ)
    assert (result.exit_code, asked) == (2, [])
    assert f"your login is for {HOST}: say who you are at {url}" in result.stderr


@pytest.mark.usefixtures("logged_in")
def test_an_empty_token_is_not_the_one_of_the_login(run, asked):
    assert run("get", "bob", "--token", "").exit_code == 2
    assert asked == []


@pytest.mark.parametrize("command", [("get", "bob"), ("set", "dnd"), ("watch",)])
def test_a_damaged_login_is_a_sentence(run, asked, file, command):
    file.parent.mkdir(parents=True)
    file.write_text("{")
    result = run(*command)
    assert (result.exit_code, asked) == (1, [])
    assert result.stderr == f"Error: {file} is damaged: `presence login` writes a new one\n"


@pytest.mark.parametrize("mend", [["login", HOST, "--token", "secret"], ["logout"]])
def test_a_damaged_login_can_be_mended_and_does_without(run, asked, file, mend):
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert run("get", "bob", "--token", "t").exit_code == 0
    assert run(*mend).exit_code == 0
    assert not file.exists() or "secret" in file.read_text()


@pytest.mark.usefixtures("logged_in")
def test_a_logout_forgets(run, asked, file):
    assert run("logout").stdout == "Your login is forgotten.\n"
    assert run("logout").stdout == "There was no login to forget.\n"
    assert not file.exists()
    result = run("get", "bob")
    assert (result.exit_code, asked) == (2, [])
    assert "say who you are: by `presence login`" in result.stderr
