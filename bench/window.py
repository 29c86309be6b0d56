"""One window of updates, and the updates that flow before it, in every scenario that publishes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bench.load import Answer
from bench.results import Case, Histogram, Result
from bench.scenario import Column

LONG_QUEUE = 32.0
"""Sockets that wait together, on average, from which on times are in doubt: 50 us of work."""
BUSY_CLIENT = 0.7
"""Share of its core from which on the load client itself is to blame for its queue."""
WARM_UP = 0.25
HEARD_BEFORE = 20
"""Updates flow before a window for so many seconds, and until a listener heard so many.

While another server had its windows these sockets were silent. After that TCP
acknowledges the next 16 segments at once, over loopback within the server's `send`.
"""

COST: Final = (
    Column("cpu_us_per_delivery", "CPU us/delivery", decimals=2, has_ratio=True),
    Column("last_p50_ms", "last p50 ms", decimals=2, has_ratio=True),
    Column("last_p99_ms", "last p99", decimals=2),
)
"""The columns with which every such scenario begins."""
EACH: Final = (
    Column("each_p50_ms", "each p50 ms", decimals=2),
    Column("each_p90_ms", "p90", decimals=2),
    Column("each_p99_ms", "p99", decimals=2),
    Column("each_p99.9_ms", "p99.9", decimals=2),
)
RATE: Final = (Column("deliveries_per_s", "deliveries/s", decimals=0, has_ratio=True),)
CLIENT: Final = (
    Column("client_share", "client busy %", factor=100, decimals=0),
    Column("client_queue", "client queue", decimals=0),
)


def warm_up(flow: Callable[[float], Answer], listeners: int, at_most: float) -> dict[str, int]:
    """Let updates flow before a window, for as many seconds as *flow* is told; return the checks.

    For *at_most* seconds in all, even where *listeners* have heard less by then.
    """
    answers = [flow(min(WARM_UP, at_most))]
    heard = max(1.0, answers[0]["deliveries"] / listeners)
    missing = min(WARM_UP * HEARD_BEFORE / heard, at_most) - WARM_UP
    if missing > 0:
        answers.append(flow(missing))
    return sum_checks(answer.checks for answer in answers)


def sum_checks(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for checks in several:
        total.update(checks)
    return dict(total)


def result_of(
    scenario: str,
    case: Case,
    repeat: int,
    answer: Answer,
    *checks: Mapping[str, int],
    **figures: float,
) -> Result:
    """The result of a window, with more *checks* and *figures* than its *answer* has."""
    total = sum_checks([answer.checks, *checks])
    histograms, warnings = histograms_of(answer), warnings_of(answer)
    figures = figures_of(answer) | figures
    return Result(scenario, case, repeat, figures, total, histograms, warnings)


def histograms_of(answer: Answer) -> dict[str, Histogram]:
    return {"each": answer.histogram("each"), "last": answer.histogram("last")}


def figures_of(answer: Answer) -> dict[str, float]:
    """The results of one window of updates; times in ms, CPU in us.

    A publisher sees the updates of the others: that is a delivery too, though
    nobody waits for it.
    """
    deliveries = max(1, answer["deliveries"] + answer["to_publishers"])
    figures = {
        "cpu_us_per_delivery": answer["server_cpu_ns"] / 1e3 / deliveries,
        "deliveries_per_s": deliveries / answer["wall_ns"] * 1e9,
        "updates": answer["rounds"],
        "merged": answer["merged"],
        "client_share": answer.client_share,
        "client_queue": answer.client_queue,
    }
    for name, histogram in histograms_of(answer).items():
        for percent in (50, 90, 99, 99.9):
            figures[f"{name}_p{percent:g}_ms"] = histogram.percentile(percent) / 1e6
    return figures


def warnings_of(answer: Answer) -> tuple[str, ...]:
    """Say so where the times may be those of the load client; CPU of the server holds anyway."""
    if answer.client_queue <= LONG_QUEUE:
        return ()
    if answer.client_share > BUSY_CLIENT:
        return ("the load client is the bottleneck: it did not keep up, times may be its own",)
    return ("other programs held the core of the load client: times may be theirs",)
