"""Percentiles, ratios of pairs, and what is saved."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results import (
    Histogram,
    Result,
    Run,
    bucket_of,
    read_run,
    replaced,
    write_machine,
)

CASE = (("server", "presence"), ("n", 10))
FLOOR = replaced(CASE, server="baseline")


def histogram_of(*values):
    return Histogram.joined(Histogram.of([(bucket_of(value), 1)]) for value in values)


def result(case, repeat, **figures):
    return Result("fanout", case, repeat, figures)


@given(st.integers(0, 2**50))
def test_a_histogram_knows_a_value_to_half_a_percent(value):
    assert histogram_of(value).percentile(50) == pytest.approx(value, rel=0.004, abs=1)


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_buckets_keep_the_order_of_values(one, other):
    assert (bucket_of(one) <= bucket_of(other)) is (one <= other) or bucket_of(one) == bucket_of(
        other
    )


def test_percentiles_are_values_that_so_many_do_not_exceed():
    histogram = histogram_of(*range(1, 101))
    assert [histogram.percentile(each) for each in (0.1, 50, 90, 99, 99.9, 100)] == [
        1, 50, 90, 99, 100, 100,
    ]  # fmt: skip
    assert math.isnan(Histogram(()).percentile(50))


def test_points_end_at_all():
    assert histogram_of(1, 1, 3, 4).points() == [(1.0, 0.5), (3.0, 0.75), (4.0, 1.0)]


def test_a_ratio_is_the_median_of_pairs_not_the_ratio_of_medians():
    ours, baseline = (2.0, 30.0, 4.0), (1.0, 10.0, 4.0)
    results = [result(CASE, repeat, cpu=value) for repeat, value in enumerate(ours)]
    results += [result(FLOOR, repeat, cpu=value) for repeat, value in enumerate(baseline)]
    run = Run({}, tuple(results))
    assert run.ratio("fanout", CASE, FLOOR, "cpu") == 2.0
    assert run.median("fanout", CASE, "cpu") == 4.0


def test_a_ratio_to_what_was_not_measured_is_no_number():
    run = Run({}, (result(CASE, 0, cpu=1.0), result(FLOOR, 1, cpu=1.0)))
    assert math.isnan(run.ratio("fanout", CASE, FLOOR, "cpu"))
    assert math.isnan(run.median("fanout", CASE, "memory"))


def test_a_saved_run_is_read_as_it_was(tmp_path):
    saved = Result(
        "fanout", CASE, 2, {"cpu": 1.5}, {"lost": 1}, {"each": histogram_of(5, 9)}, ("busy",)
    )
    file = tmp_path / "run.jsonl"
    with file.open("w") as writing:
        write_machine(writing, {"cores": 2})
        writing.write(saved.to_json() + "\n")
    assert read_run(file) == Run({"cores": 2}, (saved,))
    assert [set(json.loads(line)) >= {"checks"} for line in file.read_text().splitlines()] == [
        False,
        True,
    ]


def test_a_result_is_good_while_no_check_counts_anything():
    assert Result("fanout", CASE, 0, {}, {"lost": 0}).is_good
    assert not Result("fanout", CASE, 0, {}, {"lost": 0, "leaked": 1}).is_good


def test_failed_checks_are_summed_over_repeats():
    results = [Result("fanout", CASE, each, {}, {"lost": each, "stale": 0}) for each in (1, 2)]
    assert Run({}, tuple(results)).wrong("fanout", CASE) == {"lost": 3}
