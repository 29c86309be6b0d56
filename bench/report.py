"""The report: one HTML file with the tables as a wide terminal shows them, and plots."""

import io
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from bench.console import show_machine, show_run
from bench.plotting import draw_plots
from bench.results import Run
from bench.scenario import Scenario

WIDTH = 230
"""Characters of a line: room for every column."""
HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Benchmarks</title>
<style>body { margin: 2rem } pre { font: 13px/1.3 ui-monospace, monospace; overflow: auto }</style>
"""


def write_report(run: Run, scenarios: Mapping[str, Scenario], saved: Run | None = None) -> str:
    """Return the page; *saved* is a run to compare with."""
    console = Console(record=True, file=io.StringIO(), width=WIDTH, highlight=False)
    parts = [HEAD]
    for scenario in [each for each in scenarios.values() if run.cases(each.name)]:
        show_run(run, scenario, saved, console)
        parts += [_text(console), *_images(run, scenario)]
    show_machine(run, saved, console)
    return "".join([*parts, _text(console), "</html>\n"])


def _text(console: Console) -> str:
    """All that was printed on *console* since the last call."""
    return console.export_html(
        theme=DEFAULT_TERMINAL_THEME, code_format="<pre>{code}</pre>", inline_styles=True
    )


def _images(run: Run, scenario: Scenario) -> Iterator[str]:
    # Images, for the styles and ids of one SVG would be those of the whole page.
    for title, svg in draw_plots(run, scenario).items():
        data = b64encode(svg.encode()).decode()
        yield f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{data}"/>'
