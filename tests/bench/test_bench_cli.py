"""The commands: everything is found, a failed check fails the run, the quick mode is clean."""

import subprocess
import sys

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
    scenarios = {"audiences", "fanout", "idle", "pipe", "slow", "storm", "sweep"}
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


def test_lists_on_the_command_line():
    assert Numbers().convert("1,16", None, None) == (1, 16)
    assert Names(["a", "b"]).convert("b,a", None, None) == ("b", "a")


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
