"""The report is one well-formed page that names what was measured and where, with its plots."""

import re
import xml.etree.ElementTree as ET
from base64 import b64decode

import pytest

from bench.plotting import draw_plots, file_name, place_of
from bench.report import write_report
from bench.results import Histogram, Result, Run
from bench.scenario import find_scenarios

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


TITLES = [
    "Latency of each delivery (n 10, w 1)",
    "Latency of each delivery (n 100, w 1)",
    "Latency of the last receiver (n 10, w 1)",
    "Latency of the last receiver (n 100, w 1)",
    "CPU per delivery (w 1)",
    "Last receiver, median (w 1)",
]
SVG = "{http://www.w3.org/2000/svg}"


def body_of(page):
    return ET.fromstring(
        "<html>" + page.partition("</style>")[2].removesuffix("</html>\n") + "</html>"
    )


def text_of(page):
    return "".join(body_of(page).itertext())


def texts_of(svg):
    return ["".join(each.itertext()) for each in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_page_has_the_facts_a_table_and_a_plot_per_facet():
    page = body_of(write_report(RUN, SCENARIOS))
    text = "".join(page.itertext())
    assert "Fast & <cheap>" in text
    rows = [line.split()[1] for line in text.splitlines() if re.match("[┃│] [a-z]", line)]
    assert rows == ["server", "baseline", "baseline", "presence", "presence"]
    assert len(page.findall("pre")) == 2  # the table, the machine
    images = list(page.iter("img"))
    assert [image.get("alt") for image in images] == TITLES
    for image in images:
        kind, _, data = image.get("src").partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert image.get("alt") in texts_of(b64decode(data))


def test_the_page_shows_ratios_to_the_floor_and_to_a_saved_run():
    saved = Run({}, (Result("fanout", RUN.results[2].case, 0, {"cpu_us_per_delivery": 2.0}),))
    assert "4.00 x1.00 (+100%)" in text_of(write_report(RUN, SCENARIOS, saved))


def test_every_plot_can_be_drawn_as_a_file_of_its_own():
    plots = draw_plots(RUN, SCENARIOS["fanout"])
    assert list(plots) == TITLES
    for title, svg in plots.items():
        texts = texts_of(svg)
        assert {title, "baseline", "presence"} <= set(texts)
    assert {"10", "100", "listeners (n)", "us"} <= set(texts_of(plots["CPU per delivery (w 1)"]))
    name = file_name(SCENARIOS["fanout"], "CPU per delivery (w 1)")
    assert name == "fanout-cpu-per-delivery-w-1"


def test_the_same_run_is_drawn_to_the_same_bytes():
    assert draw_plots(RUN, SCENARIOS["fanout"]) == draw_plots(RUN, SCENARIOS["fanout"])
    assert not any("<dc:date>" in svg for svg in draw_plots(RUN, SCENARIOS["fanout"]).values())


def test_a_timeline_ends_at_all_who_came():
    timeline = {"ready_at": Histogram.of([(300, 5), (400, 15)])}
    case = (("storm", "in the grace"), ("n", 20), ("group", 20))
    run = Run({}, (Result("storm", case, 0, {}, {}, timeline),))
    (svg,) = draw_plots(run, SCENARIOS["storm"]).values()
    assert {"0", "20"} <= set(texts_of(svg))


def test_a_failed_check_is_marked():
    bad = Result("fanout", RUN.results[0].case, 0, {}, {"lost": 3})
    text = text_of(write_report(Run({}, (bad,)), SCENARIOS))
    assert "3 lost" in text
    assert "all right" not in text


@pytest.mark.parametrize(("share", "place"), [(0, 0), (0.9, 1), (0.99, 2), (0.9999, 4), (1, 4)])
def test_each_further_nine_is_as_wide_as_the_one_before(share, place):
    assert place_of(share) == pytest.approx(place)
