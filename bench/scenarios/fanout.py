"""One update to N listeners: what each delivery costs, and when the last one has it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import click

from bench.load import Answer, Load
from bench.results import Case, Result
from bench.scenario import Names, Numbers, Plot, Scenario, Stage, option
from bench.servers import NO_LIMITS, SERVERS, serving
from bench.window import CLIENT, COST, EACH, RATE, result_of, warm_up


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
    return result_of("fanout", case, repeat, flow(stage.seconds), warming)


SCENARIO = Scenario(
    name="fanout",
    summary="one update to N listeners: CPU per delivery, latency of each and of the last",
    run=run,
    columns=(*COST, *EACH, *RATE, *CLIENT),
    options=(
        option("--servers", Names(list(SERVERS)), "baseline,presence,socketify",
                     "Which servers, beside one another."),
        option("--n", Numbers(), "100,1000,5000", "How many listeners."),
        option("--w", Numbers(), "1,16", "How many updates are outstanding, each by another user."),
        click.Option(["--pool"], type=click.IntRange(1),
                     help="How many users take turns with the updates. [default: W]"),
        click.Option(["--limits/--no-limits"], default=False, show_default=True,
                     help="With our server's limits as they are; wants a --pool of hundreds."),
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
)  # fmt: skip
