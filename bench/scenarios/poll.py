"""Users who wait by polls, event streams and WebSockets: when they are told, and what it costs."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.machine import cpu_seconds, resident_bytes
from bench.results import Case, Histogram, Result, bucket_of
from bench.scenario import Column, Names, Numbers, Plot, Scenario, Stage, option
from bench.servers import serving
from bench.waiting import Crowd, Way

WAYS: tuple[Way, ...] = ("sync", "stream", "gateway")


def run(stage: Stage, ways: Sequence[Way], n: Sequence[int]) -> Iterator[Result]:
    """One change at a time by one more user; a new server for each window."""
    stage.expect(stage.repeats * len(n) * len(ways))
    for repeat in range(stage.repeats):
        for count in n:
            for way in ways if repeat % 2 == 0 else ways[::-1]:
                stage.step(f"{count} wait by {way}")
                yield _measure(stage, way, count, repeat)


def _measure(stage: Stage, way: Way, n: int, repeat: int) -> Result:
    with serving("presence", stage.new_directory(), stage.cores) as server:
        tokens = [server.token(f"waiter{number}", None) for number in range(n)]
        empty = resident_bytes(server.pid)
        crowd = Crowd(server.port, way, tokens, server.token("publisher", None))
        try:
            crowd.bring_up()
            crowd.settle(0.5)
            held = resident_bytes(server.pid)
            for _ in range(5):
                crowd.update()
            cpu, began, each, last, updates = cpu_seconds(server.pid), time.monotonic(), [], [], 0
            while time.monotonic() - began < stage.seconds:
                latencies = crowd.update()
                each += latencies
                last.append(latencies[-1])
                updates += 1
            seconds = time.monotonic() - began
            crowd.settle(0.2)
            cpu = cpu_seconds(server.pid) - cpu
        finally:
            crowd.close()
    histograms = {"each": _histogram(each), "last": _histogram(last)}
    figures = {
        "cpu_us_per_delivery": 1e6 * cpu / len(each),
        "last_p50_ms": histograms["last"].percentile(50) / 1e6,
        "last_p99_ms": histograms["last"].percentile(99) / 1e6,
        "each_p50_ms": histograms["each"].percentile(50) / 1e6,
        "updates_per_s": updates / seconds,
        "bytes_per_waiter": (held - empty) / n,
    }
    case: Case = (("way", way), ("n", n))
    return Result("poll", case, repeat, figures, {}, histograms)


def _histogram(values: Sequence[int]) -> Histogram:
    return Histogram(tuple(sorted(Counter(map(bucket_of, values)).items())))


SCENARIO = Scenario(
    name="poll",
    summary="users who wait by polls and event streams beside WebSockets",
    run=run,
    columns=(
        Column("cpu_us_per_delivery", "CPU us/delivery", decimals=1, has_ratio=True),
        Column("last_p50_ms", "last p50 ms", decimals=1, has_ratio=True),
        Column("last_p99_ms", "last p99", decimals=1, has_ratio=True),
        Column("each_p50_ms", "each p50 ms", decimals=1),
        Column("updates_per_s", "updates/s", decimals=1, has_ratio=True),
        Column("bytes_per_waiter", "KB/waiter", factor=1e-3, decimals=1, has_ratio=True),
    ),
    options=(
        option("--ways", Names(list(WAYS)), ",".join(WAYS), "How they wait."),
        option("--n", Numbers(), "200", "How many wait."),
    ),
    quick={"ways": WAYS, "n": (20,)},
    reference={"way": "gateway"},
    plots=(
        Plot("distribution", "Latency of each delivery", "each"),
        Plot("distribution", "Latency of the last one", "last"),
    ),
)  # fmt: skip
