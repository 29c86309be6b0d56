"""The commands of those who run a server: what they print and how they end."""

import subprocess
import sys
import time
import types

import pytest
import trio

from presence.adapters.secret_key import open_secret
from presence.adapters.tokens import TokenVerifier
from presence.config import Config, load_config
from presence.errors import DataUnusable, PortTaken, StartFailed


@pytest.fixture
def served(monkeypatch):
    """Stands in for the server; remembers what it was asked to serve."""
    calls, asked_for = [], []
    outcome = {"code": 0, "error": None, "open_files": 4096}

    async def serve(config, *, ready_file=None, **options):
        await trio.lowlevel.checkpoint()
        calls.append((config, ready_file))
        asked_for.append({name for name, is_wanted in options.items() if is_wanted})
        if outcome["error"] is not None:
            raise outcome["error"]
        return outcome["code"]

    process = types.ModuleType("presence.process")
    process.serve = serve
    monkeypatch.setitem(sys.modules, "presence.process", process)
    monkeypatch.setattr("presence.process", process, raising=False)
    monkeypatch.setattr("presence.log.open_log", lambda *arguments: None)
    monkeypatch.setattr("presence.cli.server.raise_open_files", lambda: outcome["open_files"])
    return types.SimpleNamespace(calls=calls, asked_for=asked_for, outcome=outcome)


def test_serve_turns_flags_into_settings(run, served, tmp_path):
    ready = tmp_path / "ready"
    result = run("serve", "--port", "0", "--data", "d", "--no-dev", "--ready-file", str(ready))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == ""
    expected = load_config(None, {}, {"port": 0, "data": "d", "is_development": False})
    assert served.calls == [(expected, ready)]


def test_a_demonstration_has_servers_of_its_own_and_takes_ports(run, served, tmp_path):
    result = run("serve", "--demo", "--port", "0", env={"PRESENCE_PIPE_PORT": "off"})
    assert (result.exit_code, result.stderr) == (0, "")
    assert served.calls == [(Config(port=0, pipe_port="off", everyone_server=False), None)]
    assert served.asked_for == [{"is_demo"}]


@pytest.mark.parametrize("wanted", [["--open"], ["--open", "--demo"]])
def test_the_page_is_opened_where_asked_for(run, served, wanted):
    assert run("serve", *wanted).exit_code == 0
    assert "opens_page" in served.asked_for[0]


@pytest.mark.parametrize(
    ("arguments", "env", "problem"),
    [
        (["--data", "d"], {}, "leave --data out"),
        (["--config", "presence.toml"], {}, "leave --config out"),
        (["--no-dev"], {}, "leave --no-dev out"),
        (["--host", "0.0.0.0"], {}, "host 0.0.0.0 lets other machines in"),
        ([], {"PRESENCE_HOST": "192.0.2.1"}, "host 192.0.2.1 lets other machines in"),
    ],
)
def test_a_demonstration_refuses_in_a_sentence_what_it_cannot_follow(
    run, served, arguments, env, problem
):
    result = run("serve", "--demo", *arguments, env=env)
    assert (result.exit_code, result.stdout, served.calls) == (78, "", [])
    assert result.stderr.startswith("Error: --demo ")
    assert problem in result.stderr
    assert result.stderr.count("\n") == 1


def test_few_open_files_are_worth_a_warning(run, served):
    served.outcome["open_files"] = 1024
    result = run("serve")
    assert (result.exit_code, result.stderr) == (
        0,
        "Warning: at most 1024 open files (ulimit -n); a connection takes one\n",
    )


@pytest.mark.parametrize(("said", "meant"), [("off", "off"), ("0", 0), ("7071", 7071)])
def test_the_pipe_port_is_a_number_or_off(run, served, said, meant):
    assert run("serve", "--pipe-port", said).exit_code == 0
    assert served.calls == [(Config(pipe_port=meant), None)]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("on", 'say a port, or "off"'),
        ("-1", "say a port"),
        ("\uff17\uff10", "say a port"),
        ("70000", "65535"),
    ],
)
def test_a_pipe_port_that_is_none_is_refused_in_a_sentence(run, served, said, problem):
    result = run("serve", f"--pipe-port={said}")
    assert result.exit_code in (2, 78)
    assert problem in result.stderr
    assert served.calls == []


def test_serve_reads_file_and_environment(run, served, tmp_path):
    file = tmp_path / "presence.toml"
    file.write_text("sweep_every = 3\nport = 1")
    run("serve", "--config", str(file), env={"PRESENCE_PORT": "2"})
    assert served.calls == [(Config(sweep_every=3.0, port=2), None)]


def test_an_unknown_variable_is_a_warning_only(run, served):
    result = run("serve", env={"PRESENCE_PROT": "2"})
    assert result.stderr.startswith("Warning: PRESENCE_PROT is not a setting")
    assert served.calls == [(Config(), None)]


def test_the_exit_code_of_the_server_is_that_of_the_command(run, served):
    served.outcome["code"] = 70
    assert run("serve").exit_code == 70


@pytest.mark.parametrize(
    ("error", "code"),
    [(PortTaken("port 1 is taken"), 69), (DataUnusable("no"), 74), (StartFailed("no"), 70)],
)
def test_a_failed_start_is_one_sentence_and_its_code(run, served, error, code):
    served.outcome["error"] = error
    result = run("serve")
    assert (result.exit_code, result.stderr) == (code, f"Error: {error}\n")


def test_a_bad_setting_ends_with_78_before_anything_is_served(run, served):
    result = run("serve", env={"PRESENCE_SWEEP_EVERY": "0"})
    assert (result.exit_code, served.calls) == (78, [])
    assert result.stderr == "Error: PRESENCE_SWEEP_EVERY must be more than 0\n"


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--port", "65536"], ["--nonsense"]])
def test_wrong_usage_ends_with_2(run, served, arguments):
    assert run("serve", *arguments).exit_code == 2
    assert served.calls == []


def test_print_config_prints_and_serves_nothing(run, served):
    result = run("serve", "--print-config", "--port", "0")
    assert (result.exit_code, served.calls) == (0, [])
    assert "\nport = 0\n" in result.stdout


def test_print_config_shows_what_foreign_tokens_must_say(run, served):
    demands = {"TOKEN_AUDIENCE": "chat", "TOKEN_ISSUER": "https://id", "TOKEN_ADMIN_CLAIM": "boss"}
    env = {f"PRESENCE_{name}": value for name, value in demands.items()}
    result = run("serve", "--print-config", env=env | {"PRESENCE_TOKEN_JWKS": "keys.json"})
    assert (result.exit_code, served.calls) == (0, [])
    for name, value in demands.items():
        assert f'\n{name.lower()} = "{value}"\n' in result.stdout


def test_open_files_are_raised_to_the_hard_limit():
    # In a process of its own: a lowered limit would stay.
    code = (
        "import resource; from presence.cli.server import raise_open_files\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, min(hard, 4096)))\n"
        "print(raise_open_files(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    limit = int(done.stdout.split()[0])
    assert 64 < limit <= 4096
    assert done.stdout == f"{limit} ({limit}, {limit})\n"


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("raise_open_files", id="before the server watches"),
        pytest.param("flush_streams", id="after it did"),
    ],
)
def test_a_hangup_does_not_end_a_server_that_cannot_note_it(moment):
    # In a process of its own, which would end.
    code = (
        "import signal, sys; from presence import process; from presence.cli import server, main\n"
        "def hang_up(*arguments):\n    signal.raise_signal(signal.SIGHUP)\n    return 4096\n"
        "async def serve(config, **options): return 0\n"
        "process.serve = serve\n"
        f"server.{moment} = hang_up\n"
        "sys.argv = ['presence', 'serve']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_token_prints_one_that_the_server_accepts(run, tmp_path):
    secret = open_secret(tmp_path)
    options = ["--server", "a", "--server", "b", "--device", "phone", "--name", "Alice", "--admin"]
    result = run("token", "alice", "--data", str(tmp_path), "--ttl", "60", *options)
    assert result.exit_code == 0
    issued = TokenVerifier(secret.key).verify(result.stdout.strip(), time.time())
    assert (issued.user_id, issued.servers, issued.device) == ("alice", ("a", "b"), "phone")
    assert (issued.name, issued.is_admin) == ("Alice", True)
    assert issued.expires_at - issued.issued_at == pytest.approx(60)


def test_token_makes_no_secret_where_no_server_ever_was(run, tmp_path):
    result = run("token", "alice", "--data", str(tmp_path / "typo"))
    assert result.exit_code == 74
    assert "secret.key is missing" in result.stderr
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    "arguments", [["07"], ["a b"], ["alice", "--server", "a b"], ["alice", "--ttl", "0"]]
)
def test_token_refuses_what_no_server_would_accept(run, tmp_path, arguments):
    open_secret(tmp_path)
    result = run("token", *arguments, "--data", str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")


def test_check_config_names_the_offending_key(run, tmp_path):
    file = tmp_path / "presence.toml"
    file.write_text("sweep_every = 'often'")
    result = run("check-config", str(file))
    assert result.exit_code == 78
    assert result.stderr == f"Error: {file}: sweep_every must be a number of seconds\n"


def test_check_config_looks_at_the_keys_too(run, tmp_path):
    file = tmp_path / "presence.toml"
    file.write_text("token_jwks = '/nowhere/keys.json'\ntoken_audience = 'any'")
    result = run("check-config", str(file))
    assert result.exit_code == 78
    assert "token_jwks: /nowhere/keys.json cannot be read" in result.stderr


def test_check_config_is_content_with_a_good_file(run, tmp_path):
    file = tmp_path / "presence.toml"
    file.write_text("port = 0")
    assert run("check-config", str(file)).stdout == f"{file} is good\n"
