"""What one window of updates says, the same in every scenario that publishes."""

from bench.load import Answer
from bench.results import Histogram

LONG_QUEUE = 32.0
"""Sockets that wait together, on average, from which on times are in doubt: 50 us of work."""
BUSY_CLIENT = 0.7
"""Share of its core from which on the load client itself is to blame for its queue."""


def histograms_of(answer: Answer) -> dict[str, Histogram]:
    return {"each": answer.histogram("each"), "last": answer.histogram("last")}


def figures_of(answer: Answer) -> dict[str, float]:
    """What one window of updates says; times in ms, CPU in us.

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
