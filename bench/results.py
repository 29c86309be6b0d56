"""Results: one JSON line each, saved, read again, and summed up over repeats."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

SUBBUCKETS = 256

Case = tuple[tuple[str, str | int], ...]
"""The measured case: ("server", "baseline"), ("n", 1000), ... in the order of the table."""


@attrs.frozen
class Histogram:
    """How often each value came; values in ns, known to 0.4 %."""

    pairs: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.pairs)

    def percentile(self, percent: float) -> float:
        """The value in ns that *percent* of all do not exceed; nan of nothing."""
        rank, seen = math.ceil(self.total * percent / 100), 0
        for bucket, count in self.pairs:
            seen += count
            if seen >= rank:
                return _middle_of(bucket)
        return math.nan

    def points(self) -> list[tuple[float, float]]:
        """(value in ns, share of all that do not exceed it), ascending."""
        points, seen, total = [], 0, self.total
        for bucket, count in self.pairs:
            seen += count
            points.append((_middle_of(bucket), seen / total))
        return points

    @classmethod
    def joined(cls, several: Iterable["Histogram"]) -> "Histogram":
        counts: Counter[int] = Counter()
        for histogram in several:
            counts.update(dict(histogram.pairs))
        return cls(tuple(sorted(counts.items())))

    @classmethod
    def of(cls, pairs: Iterable[Sequence[int]]) -> "Histogram":
        return cls(tuple((bucket, count) for bucket, count in pairs))


def bucket_of(value: int) -> int:
    """The bucket that counts *value* ns; the load client in C does the same."""
    shift = max(0, value.bit_length() - 9)
    return shift * SUBBUCKETS + (value >> shift)


def _middle_of(bucket: int) -> float:
    if bucket < 2 * SUBBUCKETS:
        return float(bucket)
    shift = bucket // SUBBUCKETS - 1
    return float((bucket % SUBBUCKETS + SUBBUCKETS) << shift) + (1 << shift) / 2


@attrs.frozen
class Result:
    """One window of measurement. A check counts what must never happen."""

    scenario: str
    case: Case
    repeat: int
    figures: Mapping[str, float]
    checks: Mapping[str, int] = attrs.field(factory=dict)
    histograms: Mapping[str, Histogram] = attrs.field(factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return not any(self.checks.values())

    def to_json(self) -> str:
        """One line."""
        line = attrs.asdict(self, recurse=False) | {
            "case": dict(self.case),
            "is_good": self.is_good,
            "figures": {name: float(f"{value:.6g}") for name, value in self.figures.items()},
            "histograms": {name: each.pairs for name, each in self.histograms.items()},
        }
        return json.dumps(line, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> "Result":
        values = dict(line)
        del values["is_good"]
        values["case"] = tuple(line["case"].items())
        values["warnings"] = tuple(line["warnings"])
        values["histograms"] = {
            name: Histogram.of(each) for name, each in line["histograms"].items()
        }
        return cls(**values)


@attrs.frozen
class Run:
    """All results of one call, with the facts of the machine that made them."""

    machine: Mapping[str, Any]
    results: tuple[Result, ...]

    def cases(self, scenario: str) -> list[Case]:
        """Each case of *scenario* once, in the order in which they came."""
        return list(dict.fromkeys(each.case for each in self.results if each.scenario == scenario))

    def of(self, scenario: str, case: Case) -> list[Result]:
        named = [each for each in self.results if each.scenario == scenario]
        return [each for each in named if dict(each.case) == dict(case)]

    def wrong(self, scenario: str, case: Case) -> dict[str, int]:
        """The checks that failed, summed over the repeats."""
        totals: Counter[str] = Counter()
        for result in self.of(scenario, case):
            totals.update(result.checks)
        return {name: count for name, count in totals.items() if count}

    def median(self, scenario: str, case: Case, figure: str) -> float:
        """The median over the repeats; nan where nobody measured it."""
        values = [
            result.figures[figure] for result in self.of(scenario, case) if figure in result.figures
        ]
        return statistics.median(values) if values else math.nan

    def ratio(self, scenario: str, case: Case, reference: Case, figure: str) -> float:
        """How much of *figure* a case has for 1 of *reference*, each repeat with its own pair.

        The median of the ratios, not the ratio of the medians: what disturbed
        one repeat disturbed both of its halves.
        """
        theirs = {result.repeat: result for result in self.of(scenario, reference)}
        ratios = [
            result.figures[figure] / theirs[result.repeat].figures[figure]
            for result in self.of(scenario, case)
            if result.repeat in theirs
            and figure in result.figures
            and theirs[result.repeat].figures.get(figure)
        ]
        return statistics.median(ratios) if ratios else math.nan


def write_machine(file: IO[str], machine: Mapping[str, Any]) -> None:
    """The first line of a saved run."""
    file.write(json.dumps({"machine": machine}) + "\n")


def read_run(file: Path) -> Run:
    """Read what was saved; lines of several calls may follow one another."""
    machine: Mapping[str, Any] = {}
    results = []
    for text in file.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if "machine" in line:
            machine = line["machine"]
        else:
            results.append(Result.from_json(line))
    return Run(machine, tuple(results))


def replaced(case: Case, **values: str | int) -> Case:
    """*case* with other values."""
    return tuple((key, values.get(key, value)) for key, value in case)
