"""Ratios: to the reference case of the same run, and to a saved run."""

import math

from bench.results import Case, Run, replaced
from bench.scenario import Scenario


def ratio_to_reference(run: Run, scenario: Scenario, case: Case, figure: str) -> float:
    """nan for the reference itself and where it was not measured."""
    reference = replaced(case, **scenario.reference)
    if not scenario.reference or reference == case:
        return math.nan
    return run.ratio(scenario.name, case, reference, figure)


def ratio_to_saved(
    run: Run, saved: Run | None, scenario: Scenario, case: Case, figure: str
) -> float:
    """How much of the saved run's median this one's is; nan where there is none."""
    before = saved.median(scenario.name, case, figure) if saved else math.nan
    return run.median(scenario.name, case, figure) / before if before else math.nan
