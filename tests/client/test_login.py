"""The file that remembers a login."""

import stat
from pathlib import Path

import pytest

from presence.client.login import (
    Login,
    LoginUnusable,
    find_login_file,
    read_login,
    remove_login,
    write_login,
)

ALICE = Login("http://127.0.0.1:8080", user="alice")
BEARER = Login("https://presence.example.org", token="secret")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "presence" / "login.json"


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("login", [ALICE, BEARER])
def test_what_was_written_is_read(file, login):
    write_login(file, login)
    assert read_login(file) == login


def test_its_owner_alone_may_read_it(file):
    file.parent.mkdir(mode=0o755)
    write_login(file, BEARER)
    assert (mode_of(file), mode_of(file.parent)) == (0o600, 0o700)


def test_a_new_login_takes_the_place_of_the_old_one_whole(file):
    write_login(file, ALICE)
    file.chmod(0o644)
    with file.open() as reader:  # of the old login, while the new one comes
        write_login(file, BEARER)
        assert "alice" in reader.read()
    assert (read_login(file), mode_of(file)) == (BEARER, 0o600)
    assert list(file.parent.iterdir()) == [file]


def test_a_login_is_forgotten_once(file):
    write_login(file, ALICE)
    assert remove_login(file)
    assert not remove_login(file)
    assert read_login(file) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '"secret"',
        "\xff",
        "[" * 100_000,
        '{"url": "http://host"}',
        '{"token": "secret"}',
        '{"url": "host", "token": "secret"}',
        '{"url": "http://host", "token": ["secret"]}',
        '{"url": "http://host", "user": 7}',
        '{"url": "http://host", "token": "secret", "user": "alice"}',
        '{"url": "http://host", "token": "secret", "colour": "red"}',
    ],
)
def test_a_damaged_file_is_a_sentence_without_what_it_holds(file, text):
    file.parent.mkdir()
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(LoginUnusable) as damaged:
        read_login(file)
    assert str(damaged.value) == f"{file} is damaged: `presence login` writes a new one"


@pytest.mark.parametrize(
    ("act", "verb"),
    [
        pytest.param(read_login, "read", id="read"),
        pytest.param(lambda file: write_login(file, ALICE), "written", id="write"),
        pytest.param(remove_login, "removed", id="remove"),
    ],
)
def test_a_file_that_is_none_is_a_sentence(file, act, verb):
    file.mkdir(parents=True)
    with pytest.raises(LoginUnusable, match=f"^{file} cannot be {verb}: "):
        act(file)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://host", "http://HOST:80/"),
        ("https://host/chat", "https://host:443/chat/"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_one_server_may_be_written_in_several_ways(one, other):
    assert Login(one, token="secret").is_for(other)


@pytest.mark.parametrize(
    "other",
    ["http://host", "https://host:8443", "https://host.example.org", "https://host/chat", "host"],
)
def test_a_login_is_for_no_other_server(other):
    assert not Login("https://host", token="secret").is_for(other)


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"XDG_CONFIG_HOME": "/etc/me"}, Path("/etc/me/presence/login.json")),
        ({"XDG_CONFIG_HOME": "relative"}, Path("/home/me/.config/presence/login.json")),
        ({}, Path("/home/me/.config/presence/login.json")),
    ],
)
def test_the_file_is_where_settings_of_users_are(monkeypatch, environ, found):
    monkeypatch.setenv("HOME", "/home/me")
    assert find_login_file(environ) == found


def test_the_token_does_not_show_when_a_login_is_printed():
    assert "secret" not in repr(BEARER)
