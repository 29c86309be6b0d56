"""`python -m bench`: lists the scenarios, runs them, and shows what came out."""

import importlib.util
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import click

from bench import console, machine, results, servers
from bench.child import LoadFailed
from bench.results import Result, Run
from bench.scenario import Scenario, Stage, find_scenarios, option

QUICK_SECONDS = 0.1
LOG_LINES = 20
SCENARIOS = find_scenarios()


def _needs_matplotlib(context: click.Context, option: click.Parameter, path: Any) -> Any:
    """Refuse an option that draws, before anything is measured for it."""
    if path is not None and importlib.util.find_spec("matplotlib") is None:
        raise click.UsageError(
            f"{option.opts[0]} draws with matplotlib, which is not installed:"
            " `uv sync --group dev` installs it"
        )
    return path


FILE = click.Path(path_type=Path, dir_okay=False)
PRESENT_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
SAVE = click.Option(["--save"], type=FILE, help="Add the results to this file, one JSON a line.")
HTML = click.Option(["--html"], type=FILE, callback=_needs_matplotlib,
                    help="Write a report with plots.")  # fmt: skip
COMPARE = click.Option(["--compare"], type=PRESENT_FILE, help="A saved run to compare with.")
PLOTS = click.Option(["--plots"], type=FOLDER, callback=_needs_matplotlib,
                     help="Draw each plot into this folder.")  # fmt: skip
COMMON = (
    option("--repeats", click.IntRange(1), 3, "How often each is measured, interleaved."),
    option("--seconds", click.FloatRange(0.01), 2.0, "Length of one window."),
    SAVE, HTML, COMPARE,
)  # fmt: skip


class Bench(click.Group):
    """Lists what there is where nothing was asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Servers"):
            formatter.write_dl([(each.name, each.described) for each in servers.SERVERS.values()])


@click.group(cls=Bench, invoke_without_command=True)
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Measure what the server costs, beside others, on this machine.

    Example: python -m bench fanout --n 1000 --w 1,16 --servers baseline,presence
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _command(scenario: Scenario) -> click.Command:
    def invoke(
        repeats: int, seconds: float, save: Path | None, html: Path | None, compare: Path | None,
        **options: Any,
    ) -> None:  # fmt: skip
        with _saving(save) as file:
            run = _run({scenario.name: options}, repeats, seconds, file)
        _show(run, html, compare)

    return click.Command(
        scenario.name,
        callback=invoke,
        params=[*scenario.options, *COMMON],
        help=f"{scenario.summary[0].upper()}{scenario.summary[1:]}.",
        short_help=scenario.summary,
    )


for _scenario in SCENARIOS.values():
    commands.add_command(_command(_scenario))


@commands.command("quick", params=[SAVE, HTML])
def quick(save: Path | None, html: Path | None) -> None:
    """Run everything in small: checks every delivery, judges no times."""
    with _saving(save) as file:
        options = {name: dict(each.quick) for name, each in SCENARIOS.items()}
        run = _run(options, 1, QUICK_SECONDS, file)
    _show(run, html, None)


@commands.command(
    "show", params=[click.Argument(["file"], type=PRESENT_FILE), HTML, COMPARE, PLOTS]
)
def show(file: Path, html: Path | None, compare: Path | None, plots: Path | None) -> None:
    """Show a saved run again, make its report, or draw its plots."""
    run = results.read_run(file)
    if plots:
        _draw(run, plots)
    _show(run, html, compare)


def _run(
    chosen: dict[str, dict[str, Any]], repeats: int, seconds: float, file: IO[str] | None
) -> Run:
    facts = machine.read_facts()
    cores = machine.choose_cores()
    _warn_of(cores, facts)
    if file:
        results.write_machine(file, facts)
    os.sched_setaffinity(0, cores.load)
    found: list[Result] = []
    for name, options in chosen.items():
        with ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="presence-bench-"))
            stage = Stage(Path(directory), cores, repeats, seconds)
            stack.enter_context(console.progress(stage, name))
            for result in SCENARIOS[name].run(stage, **options):
                found.append(result)
                if file:
                    file.write(result.to_json() + "\n")
                    file.flush()
            if not all(result.is_good for result in found):
                _show_logs(stage.directory)
    facts["load_after"] = [round(each, 2) for each in os.getloadavg()]
    return Run(facts, tuple(found))


def _show(run: Run, html: Path | None, compare: Path | None) -> None:
    """Print the tables; exit with 1 where a check failed."""
    saved = results.read_run(compare) if compare else None
    for scenario in SCENARIOS.values():
        console.show_run(run, scenario, saved)
    console.show_warnings(run)
    console.show_machine(run, saved)
    if html:
        from bench.report import write_report  # its plots are slow to import, and may be missing

        html.write_text(write_report(run, SCENARIOS, saved), encoding="utf-8")
    bad = [result for result in run.results if not result.is_good]
    if bad:
        raise click.exceptions.Exit(1)


def _draw(run: Run, folder: Path) -> None:
    from bench.plotting import draw_plots, file_name

    for scenario in SCENARIOS.values():
        for title, svg in draw_plots(run, scenario).items():
            (folder / f"{file_name(scenario, title)}.svg").write_text(svg, encoding="utf-8")


@contextmanager
def _saving(save: Path | None) -> Iterator[IO[str] | None]:
    """Results go to the file *save*; without one to standard output, unless a person reads it."""
    if save is not None:
        with save.open("a", encoding="utf-8") as file:
            yield file
    else:
        yield None if sys.stdout.isatty() else sys.stdout


def _show_logs(directory: Path) -> None:
    """Say what the servers said: it is gone with the directory, and a check has failed."""
    for log in sorted(directory.rglob("server.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        console.note("\n".join([f"{log.parent.name}, its last words:", *lines]))


def _warn_of(cores: machine.Cores, facts: dict[str, Any]) -> None:
    if cores.is_shared:
        console.note("only one core: the load takes from the server what it measures")
    if facts["load_before"][0] > machine.BUSY_LOAD:
        console.note(f"the machine is busy (load {facts['load_before'][0]}): trust ratios only")


def main() -> None:
    """Run the command that the arguments name, then exit; asked to end, it ends its servers too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        commands(prog_name="python -m bench")
    except (LoadFailed, servers.StartFailed) as failure:
        console.note(f"{time.strftime('%H:%M:%S')} {failure}")
        sys.exit(1)
