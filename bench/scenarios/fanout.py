"""One update to N listeners: what each delivery costs, and when the last one has it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import click

from bench.load import Answer, Load
from bench.results import Case, Result
from bench.scenario import Column, Names, Numbers, Plot, Scenario, Stage
from bench.servers import NO_LIMITS, SERVERS, serving
from bench.window import figures_of, histograms_of, sum_checks, warm_up, warnings_of


def run(
    stage: Stage,
    servers: Sequence[str],
    n: Sequence[int],
    w: Sequence[int],
    pool: int | None,
    limits: bool,
) -> Iterator[Result]:
    """All servers are up at once; windows of the same N and W follow one another, interleaved."""
    names = stage.present(servers)
    settings = {} if limits else NO_LIMITS
    stage.expect(len(n) * (len(names) + len(w) * stage.repeats * len(names)))
    for listeners in n:
        with ExitStack() as stack:
            loads = {
                name: _bring_up(stage, stack, name, listeners, pool or max(w), settings)
                for name in names
            }
            for repeat in range(stage.repeats):
                # The first server of one repeat is the last of the next.
                order = names if repeat % 2 == 0 else names[::-1]
                for outstanding in w:
                    for name in order:
                        stage.step(f"{name}, {listeners} listeners, {outstanding} outstanding")
                        case: Case = (("server", name), ("n", listeners), ("w", outstanding))
                        yield _measure(stage, loads[name], case, repeat, outstanding, pool)


def _bring_up(
    stage: Stage,
    stack: ExitStack,
    name: str,
    listeners: int,
    publishers: int,
    settings: Mapping[str, object],
) -> Load:
    stage.step(f"{name}: connecting {listeners} listeners")
    server = stack.enter_context(serving(name, stage.new_directory(), stage.cores, settings))
    plan = [server.connection("L", number) for number in range(listeners)]
    plan += [server.connection("P", number) for number in range(publishers)]
    load = stack.enter_context(server.open_load(plan, stage.cores))
    load.bring_up()
    load.settle(0.2)
    return load


def _measure(stage: Stage, load: Load, case: Case, repeat: int, w: int, pool: int | None) -> Result:
    def flow(seconds: float) -> Answer:
        # Updates that the limits hold back come later, at most a window of 20 s later.
        return load.run(w=w, pool=pool, seconds=seconds, lost_after=25)

    listeners = sum(connection.kind == "L" for connection in load.plan)
    warming = warm_up(flow, listeners, stage.seconds)
    answer = flow(stage.seconds)
    checks = sum_checks([warming, answer.checks])
    return Result(
        "fanout",
        case,
        repeat,
        figures_of(answer),
        checks,
        histograms_of(answer),
        warnings_of(answer),
    )


COLUMNS = (
    Column("cpu_us_per_delivery", "CPU us/delivery", decimals=2, has_ratio=True),
    Column("last_p50_ms", "last p50 ms", decimals=2, has_ratio=True),
    Column("last_p99_ms", "last p99", decimals=2),
    Column("each_p50_ms", "each p50 ms", decimals=2),
    Column("each_p90_ms", "p90", decimals=2),
    Column("each_p99_ms", "p99", decimals=2),
    Column("each_p99.9_ms", "p99.9", decimals=2),
    Column("deliveries_per_s", "deliveries/s", decimals=0, has_ratio=True),
    Column("client_share", "client busy %", factor=100, decimals=0),
    Column("client_queue", "client queue", decimals=0),
)

SCENARIO = Scenario(
    name="fanout",
    summary="one update to N listeners: CPU per delivery, latency of each and of the last",
    run=run,
    columns=COLUMNS,
    options=(
        click.Option(
            ["--servers"],
            type=Names(list(SERVERS)),
            show_default=True,
            default="baseline,presence,socketify",
            help="Which servers, beside one another.",
        ),
        click.Option(
            ["--n"],
            type=Numbers(),
            default="100,1000,5000",
            show_default=True,
            help="How many listeners.",
        ),
        click.Option(
            ["--w"],
            type=Numbers(),
            default="1,16",
            show_default=True,
            help="How many updates are outstanding, each by another user.",
        ),
        click.Option(
            ["--pool"],
            type=click.IntRange(1),
            help="How many users take turns with the updates. [default: W]",
        ),
        click.Option(
            ["--limits/--no-limits"],
            default=False,
            show_default=True,
            help="With our server's limits as they are; wants a --pool of hundreds.",
        ),
    ),
    quick={"servers": tuple(SERVERS), "n": (40,), "w": (1, 4), "pool": None, "limits": False},
    reference={"server": "baseline"},
    plots=(
        Plot("distribution", "Latency of each delivery", "each"),
        Plot("distribution", "Latency of the last receiver", "last"),
        Plot(
            "by",
            "CPU per delivery",
            "cpu_us_per_delivery",
            over="n",
            unit="us",
            label="listeners (n)",
        ),
        Plot(
            "by", "Last receiver, median", "last_p50_ms", over="n", unit="ms", label="listeners (n)"
        ),
    ),
)
