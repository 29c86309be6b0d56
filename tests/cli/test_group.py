"""The commands together."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command", ["serve", "token", "check-config", "login", "logout", "set", "get", "watch"]
)
def test_the_help_of_every_command_holds_an_example(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: presence {command}" in result.stdout


def test_python_m_presence_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "presence", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("presence, version ")


def test_help_loads_nothing_that_only_a_command_needs():
    code = (
        "import sys, presence.cli\n"
        "print(sorted({'trio', 'jwt', 'asks', 'structlog', 'presence.process'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
