"""What the actor library costs: to start, tell, ask, retire and stop N actors."""

from collections.abc import Iterator, Sequence

import click

from bench.results import Case, Result
from bench.scenario import Column, Names, Numbers, Plot, Scenario, Stage
from bench.worker import work

KINDS = ("plain", "supervised", "keyed")
"""Plain Trio is the reference: a task and a memory channel for each, and nothing else."""


def run(stage: Stage, kinds: Sequence[str], n: Sequence[int]) -> Iterator[Result]:
    """A process for each window: memory given back late would mix them."""
    stage.expect(len(n) * len(kinds) * stage.repeats)
    for actors in n:
        for repeat in range(stage.repeats):
            for kind in kinds if repeat % 2 == 0 else kinds[::-1]:
                stage.step(f"{actors} {kind} actors")
                for told in work(stage, "actors", kind=kind, n=actors):
                    case: Case = (("actors", kind), ("n", actors))
                    yield Result("actors", case, repeat, told["figures"], told["checks"])


SCENARIO = Scenario(
    name="actors",
    summary="N actors are started, told, asked, retired and stopped, beside plain Trio",
    run=run,
    columns=(
        Column("spawn_us", "CPU us/start", has_ratio=True),
        Column("tell_idle_us", "us/message, idle", has_ratio=True),
        Column("tell_warm_us", "us/message, warm", has_ratio=True),
        Column("ask_us", "us/ask", has_ratio=True),
        Column("retire_us", "us/retire", has_ratio=True),
        Column("stop_us", "us/stop", has_ratio=True),
        Column("tell_warm_per_s", "messages/s, warm", decimals=0),
        Column("ask_per_s", "asks/s", decimals=0),
        Column("stall_ms", "stall at stop ms", decimals=0),
        Column("bytes_idle", "bytes idle", decimals=0, has_ratio=True),
        Column("bytes_live", "bytes live", decimals=0, has_ratio=True),
    ),
    options=(
        click.Option(["--kinds"], type=Names(KINDS), default=",".join(KINDS), show_default=True,
                     help="Keyed: of a dynamic supervisor; supervised: named, with a task each."),
        click.Option(["--n"], type=Numbers(), default="10000,100000", show_default=True,
                     help="How many actors."),
    ),
    quick={"kinds": KINDS, "n": (300,)},
    reference={"actors": "plain"},
    plots=(Plot("by", "Bytes of an idle actor", "bytes_idle", over="n", unit="bytes"),),
)  # fmt: skip
