"""Some read nothing and some read slowly: what it costs the others, and who sees the end."""

from collections.abc import Iterator

import click

from bench.load import Load
from bench.machine import resident_bytes
from bench.results import Case, Result
from bench.scenario import Column, Plot, Scenario, Stage, option
from bench.servers import NO_LIMITS, Server, serving
from bench.window import result_of


def run(
    stage: Stage, n: int, w: int, share: float, slow_bytes: int, blocked_after: float
) -> Iterator[Result]:
    """Each repeat: a window while all read, then one with *share* reading nothing and slowly.

    A new server for each repeat, for the connections that do not read are cut.
    """
    stage.expect(2 * stage.repeats)
    few = max(1, round(n * share))
    for repeat in range(stage.repeats):
        settings = {**NO_LIMITS, "write_blocked_after": blocked_after}
        with serving("presence", stage.new_directory(), stage.cores, settings) as server:
            plan = [server.connection("P", number) for number in range(w)]
            plan += [server.connection("L", number) for number in range(n - 2 * few)]
            plan += [server.connection("S", n + number) for number in range(few)]
            plan += [server.connection("D", 2 * n + number) for number in range(few)]
            with server.open_load(plan, stage.cores) as load:
                stage.step("all read")
                load.bring_up(0, len(plan) - 2 * few)
                load.run(w=w, seconds=min(0.25, stage.seconds))
                answer = load.run(w=w, seconds=stage.seconds)
                yield result_of("slow", _case("all read", n, w), repeat, answer)
                stage.step(f"{few} read nothing, {few} read slowly")
                load.bring_up(len(plan) - 2 * few)
                yield _measure_slow(stage, server, load, n, w, repeat, slow_bytes)


def _measure_slow(
    stage: Stage, server: Server, load: Load, n: int, w: int, repeat: int, slow_bytes: int
) -> Result:
    before = resident_bytes(server.pid)
    answer = load.run(w=w, seconds=stage.seconds, slow_bytes=slow_bytes)
    grown = resident_bytes(server.pid) - before
    # Now all read, the slow and the stuck too: whoever is still there must see the end.
    after = load.settle(1.0)
    more = {name: float(answer[name] + after[name]) for name in ("cut", "to_slow", "merged")}
    case = _case("some read badly", n, w)
    return result_of("slow", case, repeat, answer, after.checks, grown_mb=grown / 1e6, **more)


def _case(kind: str, n: int, w: int) -> Case:
    return (("readers", kind), ("n", n), ("w", w))


SCENARIO = Scenario(
    name="slow",
    summary="some listeners read nothing, some slowly: what the others notice",
    run=run,
    columns=(
        Column("cpu_us_per_delivery", "CPU us/delivery", decimals=2, has_ratio=True),
        Column("last_p50_ms", "last p50 ms", decimals=2, has_ratio=True),
        Column("last_p99_ms", "last p99", decimals=2, has_ratio=True),
        Column("each_p50_ms", "each p50 ms", decimals=2),
        Column("each_p99_ms", "each p99", decimals=2, has_ratio=True),
        Column("each_p99.9_ms", "p99.9", decimals=2),
        Column("updates", "updates", decimals=0),
        Column("to_slow", "delivered to them", decimals=0),
        Column("merged", "merged for them", decimals=0),
        Column("cut", "cut as slow", decimals=0),
        Column("grown_mb", "memory grown MB", decimals=1),
    ),
    options=(
        option("--n", click.IntRange(3), 1000, "How many listeners."),
        option("--w", click.IntRange(1), 1, "How many updates are outstanding."),
        option("--share", click.FloatRange(0, 0.4), 0.05,
               "Of the listeners, who read nothing, and as many who read slowly."),
        option("--slow-bytes", click.IntRange(1), 2000, "What a slow one reads in a second."),
        option("--blocked-after", click.FloatRange(0), 10.0,
               "The server's write_blocked_after: cuts who takes nothing so long."),
    ),
    quick={"n": 40, "w": 2, "share": 0.1, "slow_bytes": 2000, "blocked_after": 10.0},
    reference={"readers": "all read"},
    plots=(
        Plot("distribution", "Latency of each delivery to those who read", "each"),
        Plot("distribution", "Latency of the last of those who read", "last"),
    ),
)  # fmt: skip
