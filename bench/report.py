"""The report: one HTML file with tables, plots and the facts of the machine."""

from base64 import b64encode
from collections.abc import Mapping
from html import escape

from bench.comparison import Cell, Row, name_reference, tabulate
from bench.plotting import draw_plots
from bench.results import Run
from bench.scenario import Scenario

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left }
td.bad { color: #c00; font-weight: bold } small { opacity: .7 } .note { opacity: .8 }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } }
"""


def write_report(run: Run, scenarios: Mapping[str, Scenario], saved: Run | None = None) -> str:
    """Return the page; *saved* is a run to compare with."""
    facts = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
        for name, value in run.machine.items()
    )
    measured = [each for each in scenarios.values() if run.cases(each.name)]
    sections = "".join(_section(run, scenario, saved) for scenario in measured)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Benchmarks</title>'
        f"<style>{STYLE}</style><h1>Benchmarks</h1>{sections}"
        f"<h2>The machine</h2><table>{facts}</table></html>\n"
    )


def _section(run: Run, scenario: Scenario, saved: Run | None) -> str:
    titles = [column.title for column in scenario.columns]
    heads = [*(key for key, _ in run.cases(scenario.name)[0]), *titles, "checks"]
    rows = tabulate(run, scenario, saved, scenario.columns)
    plots = "".join(_image(*each) for each in draw_plots(run, scenario).items())
    return (
        f"<h2>{escape(scenario.name)}</h2><p>{escape(scenario.summary)}</p><table><tr>"
        + "".join(f"<th>{escape(head)}</th>" for head in heads)
        + f"</tr>{''.join(map(_row, rows))}</table>"
        f'<p class="note">{escape(name_reference(scenario))}</p><div class="plots">{plots}</div>'
    )


def _image(title: str, svg: str) -> str:
    # An image, for the styles and ids of one SVG would be those of the whole page.
    data = b64encode(svg.encode()).decode()
    return f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{data}"/>'


def _row(row: Row) -> str:
    values = "".join(f"<td>{escape(value)}</td>" for value in row.values)
    kind = "bad" if row.wrong else "good"
    checks = f'<td class="{kind}">{escape(row.wrong or "all right")}</td>'
    return f"<tr>{values}{''.join(map(_cell, row.cells))}{checks}</tr>"


def _cell(cell: Cell) -> str:
    notes = "".join(f" <small>{note}</small>" for note in (cell.ratio, cell.change) if note)
    return f"<td>{cell.text}{notes}</td>"
