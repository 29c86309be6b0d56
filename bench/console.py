"""The output for people, during a run and after it: a progress bar, tables."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bench.comparison import Cell, name_reference, tabulate
from bench.results import Result, Run
from bench.scenario import Scenario, Stage

CONSOLE = Console(stderr=True, highlight=False)
if not CONSOLE.is_terminal:  # a file or a log: there is room
    CONSOLE = Console(stderr=True, highlight=False, width=200)
WIDE = 150
"""Columns of a terminal that has room for every figure."""
CHANGED = 0.1
"""A difference to a saved run that is worth a colour; below it is most often noise."""


@contextmanager
def progress(stage: Stage, title: str) -> Iterator[None]:
    """Show how far the scenario on *stage* is."""
    columns = (
        TextColumn(f"[bold]{title}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # A scroll of bars says nothing where nobody looks.
    with Progress(*columns, console=CONSOLE, disable=not CONSOLE.is_terminal) as bar:
        task = bar.add_task("", total=None)
        begun = False

        def step(what: str) -> None:
            nonlocal begun
            bar.update(task, advance=int(begun), description=what)
            begun = True

        stage.expect = lambda steps: bar.update(task, total=steps)
        stage.step = step
        stage.warn = note
        yield
        bar.update(task, advance=int(begun), description="done")


def show_run(run: Run, scenario: Scenario, saved: Run | None) -> None:
    """Print the table of one scenario: medians over the repeats, ratios of pairs."""
    cases = run.cases(scenario.name)
    if not cases:
        return
    table = Table(title=f"{scenario.name}: {scenario.summary}", title_justify="left")
    for place, (key, _) in enumerate(cases[0]):
        table.add_column(key, justify="right" if place else "left")
    columns = [each for each in scenario.columns if each.has_ratio or CONSOLE.width >= WIDE]
    for column in columns:
        table.add_column(column.title, justify="right")
    table.add_column("checks")
    for row in tabulate(run, scenario, saved, columns):
        checks = f"[bold red]{row.wrong}[/]" if row.wrong else "[green]all right[/]"
        table.add_row(*row.values, *map(_cell, row.cells), checks)
    CONSOLE.print(table)
    if len(columns) < len(scenario.columns):
        CONSOLE.print(f"A terminal of {WIDE} columns shows more; so do --save and --html.")
    if scenario.reference:
        CONSOLE.print(name_reference(scenario))
    for warning in dict.fromkeys(text for result in run.results for text in _warnings(result)):
        note(warning)


def show_machine(run: Run, saved: Run | None) -> None:
    """Print what it was measured on, and how that differs from the saved run."""
    CONSOLE.print("; ".join(f"{name} {value}" for name, value in run.machine.items()), style="dim")
    same = ("cpu", "cores", "kernel", "python")
    if saved and any(saved.machine.get(name) != run.machine.get(name) for name in same):
        note("the saved run is of another machine or Python: only its ratios compare")


def note(what: str) -> None:
    """Say what a reader of the figures should know."""
    CONSOLE.print("[yellow]Note:[/]", escape(what))


def _cell(cell: Cell) -> str:
    ratio = f" [cyan]{cell.ratio}[/]" if cell.ratio else ""
    style = "bold" if abs(cell.to_saved - 1) > CHANGED else "dim"
    return cell.text + ratio + (f" [{style}]{cell.change}[/]" if cell.change else "")


def _warnings(result: Result) -> list[str]:
    what = " ".join(f"{key} {value}" for key, value in result.case)
    return [f"{what}: {text}" for text in result.warnings]
