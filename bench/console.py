"""The output for people, during a run and after it: a progress bar, tables."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from bench.results import Case, Result, Run, replaced
from bench.scenario import Column, Scenario, Stage

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
    texts = TextColumn(f"[bold]{title}"), TextColumn("{task.description}")
    columns = (texts[0], *Progress.get_default_columns()[1:], MofNCompleteColumn(), texts[1])
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


def show_run(
    run: Run, scenario: Scenario, saved: Run | None = None, console: Console = CONSOLE
) -> None:
    """Print the table of one scenario: medians over the repeats, ratios of pairs."""
    cases = run.cases(scenario.name)
    if not cases:
        return
    table = Table(title=f"{scenario.name}: {scenario.summary}", title_justify="left")
    for place, (key, _) in enumerate(cases[0]):
        table.add_column(key, justify="right" if place else "left")
    columns = [each for each in scenario.columns if each.has_ratio or console.width >= WIDE]
    for column in columns:
        table.add_column(column.title, justify="right")
    table.add_column("checks")
    for case in cases:
        cells = [_cell(run, scenario, case, column, saved) for column in columns]
        table.add_row(*(str(value) for _, value in case), *cells, _checks(run, scenario, case))
    console.print(table)
    if len(columns) < len(scenario.columns):
        console.print(f"A terminal of {WIDE} columns shows more; so do --save and --html.")
    if scenario.reference:
        names = ", ".join(f"{key} {value}" for key, value in scenario.reference.items())
        console.print(f"x: times that of {names} in the same repeat, the median of the pairs.")


def show_warnings(run: Run) -> None:
    """Print each warning of *run* once."""
    for warning in dict.fromkeys(text for result in run.results for text in _warnings(result)):
        note(warning)


def show_machine(run: Run, saved: Run | None = None, console: Console = CONSOLE) -> None:
    """Print what it was measured on, and whether the saved run is of another machine."""
    facts = "; ".join(f"{name} {value}" for name, value in run.machine.items())
    console.print(escape(facts), style="dim")
    same = ("cpu", "cores", "kernel", "python")
    if saved and any(saved.machine.get(name) != run.machine.get(name) for name in same):
        note("the saved run is of another machine or Python: only its ratios compare")


def note(what: str) -> None:
    """Say what a reader of the figures should know."""
    CONSOLE.print("[yellow]Note:[/]", escape(what))


def _cell(run: Run, scenario: Scenario, case: Case, column: Column, saved: Run | None) -> str:
    value = run.median(scenario.name, case, column.figure)
    if math.isnan(value):
        return "-"
    text = f"{value * column.factor:,.{column.decimals}f}"
    if not column.has_ratio:
        return text
    reference = replaced(case, **scenario.reference)
    ratio = run.ratio(scenario.name, case, reference, column.figure)
    if reference != case and not math.isnan(ratio):
        text += f" [cyan]x{ratio:.2f}[/]"
    before = saved.median(scenario.name, case, column.figure) if saved else math.nan
    if before and not math.isnan(before):
        change = value / before - 1
        text += f" [{'bold' if abs(change) > CHANGED else 'dim'}]({change:+.0%})[/]"
    return text


def _checks(run: Run, scenario: Scenario, case: Case) -> str:
    wrong = [f"{count} {name}" for name, count in run.wrong(scenario.name, case).items()]
    return f"[bold red]{', '.join(wrong)}[/]" if wrong else "[green]all right[/]"


def _warnings(result: Result) -> list[str]:
    what = " ".join(f"{key} {value}" for key, value in result.case)
    return [f"{what}: {text}" for text in result.warnings]
