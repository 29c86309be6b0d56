"""Runs a command in this process."""

import pytest
from click.testing import CliRunner

from presence import cli


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in ("PRESENCE_TOKEN", "PRESENCE_URL", "PRESENCE_DATA", "PRESENCE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run():
    def invoke(*arguments, env=None):
        return CliRunner().invoke(cli.commands, arguments, env=env or {})

    return invoke
