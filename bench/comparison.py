"""The table of one scenario: medians, ratios to the reference case and to a saved run."""

import math
from collections.abc import Sequence

import attrs

from bench.results import Case, Run, replaced
from bench.scenario import Column, Scenario


@attrs.frozen
class Cell:
    """A median as text, "-" where nobody measured it; nan is no ratio."""

    text: str
    to_reference: float = math.nan
    """Times that of the reference case in the same repeat."""
    to_saved: float = math.nan
    """Times that of the saved run."""

    @property
    def ratio(self) -> str:
        return "" if math.isnan(self.to_reference) else f"x{self.to_reference:.2f}"

    @property
    def change(self) -> str:
        return "" if math.isnan(self.to_saved) else f"({self.to_saved - 1:+.0%})"


@attrs.frozen
class Row:
    """One case: its values, a cell for each column, the checks that failed."""

    values: tuple[str, ...]
    cells: tuple[Cell, ...]
    wrong: str


def tabulate(
    run: Run, scenario: Scenario, saved: Run | None, columns: Sequence[Column]
) -> list[Row]:
    return [
        Row(
            tuple(str(value) for _, value in case),
            tuple(_cell(run, scenario, case, column, saved) for column in columns),
            ", ".join(f"{count} {name}" for name, count in run.wrong(scenario.name, case).items()),
        )
        for case in run.cases(scenario.name)
    ]


def name_reference(scenario: Scenario) -> str:
    """A sentence that says what the ratios are to; empty without a reference."""
    names = ", ".join(f"{key} {value}" for key, value in scenario.reference.items())
    return f"x: times that of {names} in the same repeat, the median of the pairs." * bool(names)


def _cell(run: Run, scenario: Scenario, case: Case, column: Column, saved: Run | None) -> Cell:
    name, figure = scenario.name, column.figure
    value = run.median(name, case, figure)
    if math.isnan(value):
        return Cell("-")
    text = f"{value * column.factor:,.{column.decimals}f}"
    if not column.has_ratio:
        return Cell(text)
    reference = replaced(case, **scenario.reference)
    before = saved.median(name, case, figure) if saved else math.nan
    return Cell(
        text,
        math.nan if reference == case else run.ratio(name, case, reference, figure),
        value / before if before else math.nan,
    )
