"""The commands: everything is found, a failed check fails the run, the quick mode is clean."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import cli
from bench.results import Result, read_run
from bench.scenario import Column, Names, Numbers, Scenario
from bench.servers import SERVERS

CASE = (("server", "baseline"), ("n", 1))


def test_called_alone_it_lists_scenarios_and_servers():
    told = CliRunner().invoke(cli.commands, []).output
    assert all(name in told for name in (*cli.SCENARIOS, *SERVERS))
    scenarios = {"audiences", "fanout", "idle", "pipe", "poll", "slow", "storm", "sweep"}
    assert set(cli.SCENARIOS) == scenarios


@pytest.mark.parametrize(("lost", "code"), [(0, 0), (2, 1)])
def test_a_failed_check_is_the_exit_code(monkeypatch, tmp_path, lost, code):
    def run(stage):
        yield Result("fake", CASE, 0, {"cpu": 1.0}, {"lost": lost})

    scenario = Scenario("fake", "one result", run, [Column("cpu", "CPU")])
    monkeypatch.setattr(cli, "SCENARIOS", {"fake": scenario})
    save, html = tmp_path / "run.jsonl", tmp_path / "run.html"
    called = CliRunner().invoke(cli.commands, ["quick", "--save", str(save), "--html", str(html)])
    assert called.exit_code == code, called.output
    assert [result.checks for result in read_run(save).results] == [{"lost": lost}]
    assert "one result" in html.read_text()
    assert CliRunner().invoke(cli.commands, ["show", str(save)]).exit_code == code


@pytest.mark.parametrize("option", ["--html", "--plots"])
def test_without_matplotlib_a_plot_is_refused_with_what_to_install(monkeypatch, tmp_path, option):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    saved, place = tmp_path / "run.jsonl", tmp_path if option == "--plots" else tmp_path / "page"
    saved.write_text("")
    called = CliRunner().invoke(cli.commands, ["show", str(saved), option, str(place)])
    assert called.exit_code == 2
    assert "`uv sync --group dev` installs it" in " ".join(called.output.split())


def test_only_one_module_imports_matplotlib():
    modules = Path(cli.__file__).parent.rglob("*.py")
    importers = {each.name for each in modules if "import matplotlib" in each.read_text()}
    assert importers == {"plotting.py"}


def test_a_command_that_draws_nothing_does_not_load_matplotlib():
    code = "import sys, bench.cli; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_lists_on_the_command_line():
    assert Numbers().convert("1,16", None, None) == (1, 16)
    assert Names(["a", "b"]).convert("b,a", None, None) == ("b", "a")


@pytest.mark.parametrize("name", sorted(cli.SCENARIOS))
def test_a_scenario_can_be_run_with_its_defaults(name):
    command = cli.commands.commands[name]
    with command.make_context(name, []) as context:
        assert set(cli.SCENARIOS[name].quick) <= set(context.params)


@pytest.mark.parametrize("words", [["fanout", "--n", "many"], ["fanout", "--servers", "apache"]])
def test_a_wrong_list_is_a_usage_error(words):
    assert CliRunner().invoke(cli.commands, words).exit_code == 2


def test_quick_mode_checks_every_delivery_of_every_scenario(tmp_path):
    save = tmp_path / "quick.jsonl"
    words = [sys.executable, "-m", "bench", "quick", "--save", str(save)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    run = read_run(save)
    assert {result.scenario for result in run.results} == set(cli.SCENARIOS)
    assert [result for result in run.results if not result.is_good] == []
    updates = [result.figures["updates"] for result in run.results if "updates" in result.figures]
    assert min(updates) > 0
