"""Runs a command in this process."""

import pytest
import trio
from click.testing import CliRunner

from presence import cli
from presence.client.rest import RestClient


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    for name in ("TOKEN", "URL", "USER", "DATA", "PORT"):
        monkeypatch.delenv(f"PRESENCE_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def run():
    def invoke(*arguments, env=None, **options):
        return CliRunner().invoke(cli.commands, arguments, env=env or {}, **options)

    return invoke


@pytest.fixture
def self_view():
    """The self view of alice, as REST answers with it."""
    return {
        "id": "alice",
        "username": "alice",
        "status": "dnd",
        "intent": "dnd",
        "until": None,
        "appear_offline": False,
        "custom_status": None,
        "custom_status_until": None,
        "activity": None,
        "lease_until": None,
    }


@pytest.fixture
def asked(monkeypatch, self_view):
    """Stands in for the server behind the REST client; remembers each call."""
    calls = []

    def answer_with(name, answer):
        async def call(self, *arguments):
            await trio.lowlevel.checkpoint()
            calls.append((name, self.url, self.token, *arguments))
            return answer

        monkeypatch.setattr(RestClient, name, call)

    answer_with("get_dev_token", "dev-token")
    answer_with("patch_me", self_view)
    answer_with("get_me", self_view)
    answer_with("get_users", [{"id": "bob"}])
    answer_with("explain_me", {"status": "dnd"})
    answer_with("explain", {"status": "away"})
    return calls
