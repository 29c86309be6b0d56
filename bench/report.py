"""The report: one HTML file with tables, plots and the facts of the machine."""

import math
from collections.abc import Iterator, Mapping
from html import escape

from bench.comparison import ratio_to_reference, ratio_to_saved
from bench.results import Case, Histogram, Run
from bench.scenario import Column, Plot, Scenario
from bench.svg import Points, draw_lines, linear_axis, log_axis, nines_axis, standing_alone

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left }
td.bad { color: #c00; font-weight: bold } small { opacity: .7 } .note { opacity: .8 }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0 } svg { width: 460px }
svg text { font-size: 10.5px; fill: currentColor } svg .middle { text-anchor: middle }
svg .end { text-anchor: end } svg .title { font-weight: bold; font-size: 12px; text-anchor: start }
svg .rule { stroke: #8883 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } }
"""


def write_report(run: Run, scenarios: Mapping[str, Scenario], saved: Run | None = None) -> str:
    """Return the page; *saved* is a run to compare with."""
    facts = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
        for name, value in run.machine.items()
    )
    sections = [
        _section(run, scenario, saved)
        for scenario in scenarios.values()
        if any(name == scenario.name for name, _ in run.cases())
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Benchmarks</title>'
        f"<style>{STYLE}</style><h1>Benchmarks</h1>{''.join(sections)}"
        f"<h2>The machine</h2><table>{facts}</table></html>\n"
    )


def draw_plots(run: Run, scenarios: Mapping[str, Scenario]) -> dict[str, str]:
    """Every plot of *run* as an SVG of its own, by a name made of what it shows."""
    plots = {}
    for scenario in scenarios.values():
        for plot in scenario.plots:
            for svg in _draw(run, scenario, plot):
                title = svg.partition('class="title">')[2].partition("<")[0]
                words = "".join(each if each.isalnum() else " " for each in title).split()
                plots["-".join([scenario.name, *words]).lower()] = standing_alone(svg)
    return plots


def _section(run: Run, scenario: Scenario, saved: Run | None) -> str:
    cases = [case for name, case in run.cases() if name == scenario.name]
    heads = (
        [key for key, _ in cases[0]] + [column.title for column in scenario.columns] + ["checks"]
    )
    rows = "".join(_row(run, scenario, case, saved) for case in cases)
    plots = "".join(svg for plot in scenario.plots for svg in _draw(run, scenario, plot))
    note = ""
    if scenario.reference:
        who = ", ".join(f"{key} {value}" for key, value in scenario.reference.items())
        note = f'<p class="note">x: times that of {escape(who)} in the same repeat.</p>'
    return (
        f"<h2>{escape(scenario.name)}</h2><p>{escape(scenario.summary)}</p><table><tr>"
        + "".join(f"<th>{escape(head)}</th>" for head in heads)
        + f'</tr>{rows}</table>{note}<div class="plots">{plots}</div>'
    )


def _row(run: Run, scenario: Scenario, case: Case, saved: Run | None) -> str:
    cells = "".join(f"<td>{escape(str(value))}</td>" for _, value in case)
    cells += "".join(_cell(run, scenario, case, column, saved) for column in scenario.columns)
    wrong = run.wrong(scenario.name, case)
    told = ", ".join(f"{count} {name}" for name, count in wrong.items()) or "all right"
    return f'<tr>{cells}<td class="{"bad" if wrong else "good"}">{escape(told)}</td></tr>'


def _cell(run: Run, scenario: Scenario, case: Case, column: Column, saved: Run | None) -> str:
    value = run.median(scenario.name, case, column.figure)
    if math.isnan(value):
        return "<td>-</td>"
    text = f"{value * column.factor:,.{column.decimals}f}"
    if column.has_ratio:
        ratio = ratio_to_reference(run, scenario, case, column.figure)
        change = ratio_to_saved(run, saved, scenario, case, column.figure)
        text += "" if math.isnan(ratio) else f" <small>x{ratio:.2f}</small>"
        text += "" if math.isnan(change) else f" <small>({change - 1:+.0%})</small>"
    return f"<td>{text}</td>"


def _draw(run: Run, scenario: Scenario, plot: Plot) -> Iterator[str]:
    """One picture for each combination of what is neither the line nor the axis."""
    facets: dict[Case, dict[str, list[Case]]] = {}
    for name, case in run.cases():
        if name == scenario.name:
            (_, line), *rest = case
            facet = tuple((key, value) for key, value in rest if key != plot.over)
            facets.setdefault(facet, {}).setdefault(str(line), []).append(case)
    for facet, cases_of in facets.items():
        lines = {line: _points(run, scenario, plot, cases) for line, cases in cases_of.items()}
        lines = {line: points for line, points in lines.items() if points}
        if lines:
            where = ", ".join(f"{key} {value}" for key, value in facet)
            yield _draw_one(plot, f"{plot.title} ({where})" if where else plot.title, lines)


def _points(run: Run, scenario: Scenario, plot: Plot, cases: list[Case]) -> Points:
    if plot.kind == "by":
        points = [
            (float(dict(case)[plot.over]), run.median(scenario.name, case, plot.what) * plot.factor)
            for case in cases
        ]
        return sorted(point for point in points if not math.isnan(point[1]))
    joined = Histogram.joined(
        result.histograms[plot.what]
        for case in cases
        for result in run.of(scenario.name, case)
        if plot.what in result.histograms
    )
    scale = joined.total / max(1, len(run.of(scenario.name, cases[0])))
    times = 1.0 if plot.kind == "distribution" else scale
    return [(value / 1e6, share * times) for value, share in joined.points()]


def _draw_one(plot: Plot, title: str, lines: Mapping[str, Points]) -> str:
    across = [x for points in lines.values() for x, _ in points]
    up = [y for points in lines.values() for _, y in points]
    if plot.kind == "distribution":
        return draw_lines(title, log_axis("ms", across), nines_axis(""), lines)
    if plot.kind == "timeline":
        return draw_lines(title, linear_axis("ms", across), linear_axis("", up), lines)
    return draw_lines(title, log_axis(plot.over, across), linear_axis(plot.unit, up), lines)
