"""The plots of a run as SVG. The one module that needs matplotlib.

The same run is drawn to the same bytes. Text and axes are of a grey that is
legible on light and on dark pages, on no background.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bench.results import Case, Histogram, Run
from bench.scenario import Plot, Scenario

Points = Sequence[tuple[float, float]]

GREY = "#7d8590"
COLOURS = ("#3b78d8", "#e4572e", "#2e9e6b", "#9467bd", "#c79100", "#17a2b8", "#8c564b", GREY)
MOST_NINES = 4
NINES = ("0", "90 %", "99 %", "99.9 %", "99.99 %")
PLAIN_NUMBER = "{x:,g}"
MOST_MARKED = 12
"""Lines of no more points than this have a mark at each."""
STYLE: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 9,
    "legend.frameon": False,
    "legend.labelcolor": "linecolor",
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "savefig.transparent": True,
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "bench",  # else each drawing has ids of its own
    "xtick.color": GREY,
    "ytick.color": GREY,
}


def draw_plots(run: Run, scenario: Scenario) -> dict[str, str]:
    """Every plot of *scenario* in *run* as an SVG, by its title."""
    plots = (drawn for plot in scenario.plots for drawn in _draw(run, scenario, plot))
    return dict(plots)


def file_name(scenario: Scenario, title: str) -> str:
    """The name, without an ending, of the file that holds the plot with this title."""
    words = "".join(each if each.isalnum() else " " for each in title).split()
    return "-".join([scenario.name, *words]).lower()


def place_of(share: float) -> float:
    """Where a share of all stands: each further nine is as wide as the one before."""
    return min(float(MOST_NINES), -math.log10(max(1e-9, 1 - share)))


def _draw(run: Run, scenario: Scenario, plot: Plot) -> Iterator[tuple[str, str]]:
    """One picture for each combination of what is neither the line nor the axis."""
    facets: dict[Case, dict[str, list[Case]]] = {}
    for case in run.cases(scenario.name):
        (_, line), *rest = case
        facet = tuple((key, value) for key, value in rest if key != plot.over)
        facets.setdefault(facet, {}).setdefault(str(line), []).append(case)
    for facet, cases_of in facets.items():
        lines = {line: _points(run, scenario, plot, cases) for line, cases in cases_of.items()}
        lines = {line: points for line, points in lines.items() if points}
        if lines:
            where = ", ".join(f"{key} {value}" for key, value in facet)
            title = f"{plot.title} ({where})" if where else plot.title
            yield title, _draw_one(plot, title, lines)


def _points(run: Run, scenario: Scenario, plot: Plot, cases: list[Case]) -> Points:
    if plot.kind == "by":
        points = [
            (float(dict(case)[plot.over]), run.median(scenario.name, case, plot.what) * plot.factor)
            for case in cases
        ]
        return sorted(point for point in points if not math.isnan(point[1]))
    results = [result for case in cases for result in run.of(scenario.name, case)]
    found = [each.histograms[plot.what] for each in results if plot.what in each.histograms]
    joined = Histogram.joined(found)
    if plot.kind == "distribution":
        return [(value / 1e6, place_of(share)) for value, share in joined.points()]
    scale = joined.total / max(1, len(found))
    return [(value / 1e6, share * scale) for value, share in joined.points()]


def _draw_one(plot: Plot, title: str, lines: Mapping[str, Points]) -> str:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.3), layout="constrained")
        axes = figure.add_subplot()
        axes.set_prop_cycle(color=COLOURS)
        axes.set_title(title, pad=10)
        for name, points in lines.items():
            mark = "o" if len(points) <= MOST_MARKED else ""
            axes.plot(*zip(*points, strict=True), label=name, marker=mark)
        _set_scales(axes, plot, sorted({x for points in lines.values() for x, _ in points}))
        axes.grid(color=GREY, alpha=0.25, linewidth=0.7)
        axes.tick_params(length=0, which="both")
        axes.legend()
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Creator": None, "Date": None})
    return svg.getvalue()


def _set_scales(axes: Axes, plot: Plot, across: Sequence[float]) -> None:
    axes.set_xlabel(plot.label or ("ms" if plot.kind != "by" else plot.over))
    axes.set_ylabel(plot.unit)
    axes.yaxis.set_major_formatter(PLAIN_NUMBER)
    axes.set_ylim(bottom=0)
    if plot.kind != "timeline":
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.set_xticks([], minor=True)
    if plot.kind == "by":
        axes.set_xticks(across)
    axes.xaxis.set_major_formatter(PLAIN_NUMBER)
    if plot.kind == "distribution":
        axes.set_yticks(range(len(NINES)), NINES)
        axes.set_ylim(top=MOST_NINES)
