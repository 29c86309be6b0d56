"""The report is one well-formed page that names what was measured and where."""

import xml.etree.ElementTree as ET

import pytest

from bench.report import draw_plots, write_report
from bench.results import Histogram, Result, Run
from bench.scenario import find_scenarios
from bench.svg import draw_lines, linear_axis, log_axis, nines_axis

SCENARIOS = find_scenarios()


def fanout_result(server, n, **changes):
    case = (("server", server), ("n", n), ("w", 1))
    figures = {"cpu_us_per_delivery": 4.0, "last_p50_ms": 2.0}
    histograms = {"each": Histogram.of([(300, 5), (400, 1)]), "last": Histogram.of([(500, 2)])}
    return Result("fanout", case, 0, figures, {"lost": 0}, histograms, **changes)


RUN = Run(
    {"cpu": "Fast & <cheap>", "cores": 2},
    tuple(fanout_result(server, n) for server in ("baseline", "presence") for n in (10, 100)),
)


def body_of(page):
    return ET.fromstring(
        "<html>" + page.partition("</style>")[2].removesuffix("</html>\n") + "</html>"
    )


def test_the_page_has_the_facts_a_table_and_a_plot_per_facet():
    page = body_of(write_report(RUN, SCENARIOS))
    texts = "".join(page.itertext())
    assert "Fast & <cheap>" in texts
    assert [row[0].text for row in page.find("table").iter("tr")] == [
        "server", "baseline", "baseline", "presence", "presence",
    ]  # fmt: skip
    titles = [svg.find("text").text for svg in page.iter("svg")]
    assert titles == [
        "Latency of each delivery (n 10, w 1)",
        "Latency of each delivery (n 100, w 1)",
        "Latency of the last receiver (n 10, w 1)",
        "Latency of the last receiver (n 100, w 1)",
        "CPU per delivery (w 1)",
        "Last receiver, median (w 1)",
    ]


def test_the_page_shows_ratios_to_the_floor_and_to_a_saved_run():
    saved = Run({}, (Result("fanout", RUN.results[2].case, 0, {"cpu_us_per_delivery": 2.0}),))
    page = write_report(RUN, SCENARIOS, saved)
    assert "4.00 <small>x1.00</small> <small>(+100%)</small>" in page


def test_every_plot_can_be_drawn_as_a_file_of_its_own():
    plots = draw_plots(RUN, SCENARIOS)
    assert "fanout-cpu-per-delivery-w-1" in plots
    assert len(plots) == 6
    for svg in plots.values():
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_failed_check_is_marked():
    bad = Result("fanout", RUN.results[0].case, 0, {}, {"lost": 3})
    assert '<td class="bad">3 lost</td>' in write_report(Run({}, (bad,)), SCENARIOS)


@pytest.mark.parametrize(
    ("axis", "places"),
    [
        pytest.param(log_axis("ms", [1, 100]), {1: 0, 10: 0.5, 100: 1, 0: 0}, id="log"),
        pytest.param(linear_axis("us", [3, 7.5]), {0: 0, 4: 0.5, 8: 1}, id="linear"),
        pytest.param(nines_axis(""), {0: 0, 0.9: 0.25, 0.99: 0.5, 1: 1}, id="nines"),
    ],
)
def test_axes(axis, places):
    assert {value: axis.place(value) for value in places} == pytest.approx(places)


def test_long_lines_are_thinned_and_keep_their_end():
    points = [(float(x), x / 10_000) for x in range(1, 10_001)]
    svg = ET.fromstring(draw_lines("t", linear_axis("", [10_000]), nines_axis(""), {"a": points}))
    drawn = svg.find("polyline").get("points").split()
    assert len(drawn) <= 402
    assert drawn[-1] == "448.0,28.0"
