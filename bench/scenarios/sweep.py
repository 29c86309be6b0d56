"""A million devices fall silent: how long the server keeps others waiting while it sweeps them."""

from collections.abc import Iterator, Sequence

from bench.results import Case, Histogram, Result
from bench.scenario import Column, Numbers, Plot, Scenario, Stage, option
from bench.worker import work


def run(stage: Stage, n: Sequence[int]) -> Iterator[Result]:
    """A server for each N; in each repeat all of its devices ping, are swept and come back."""
    stage.expect(len(n) * stage.repeats)
    for devices in n:
        stage.step(f"{devices} devices")
        told = work(stage, "sweep", n=devices, repeats=stage.repeats)
        for repeat, each in enumerate(told):
            if repeat:
                stage.step(f"{devices} devices again")
            case: Case = (("n", devices),)
            late = Histogram.of(each["late"])
            figures = each["figures"] | {"stall_p999_ms": late.percentile(99.9) / 1e6}
            yield Result("sweep", case, repeat, figures, each["checks"], {"late": late})


SCENARIO = Scenario(
    name="sweep",
    summary="N devices stop pinging and are swept at once: the longest stall, the cost of each",
    run=run,
    columns=(
        Column("stall_ms", "longest stall ms"),
        Column("stall_p999_ms", "stall p99.9"),
        Column("turn_ms", "longest turn, CPU ms"),
        Column("step_ms", "longest step, CPU ms"),
        Column("gc_ms", "longest gc ms"),
        Column("swept_s", "swept after s", decimals=2),
        Column("stored_s", "stored after s", decimals=2),
        Column("cpu_us", "CPU us/device"),
        Column("bytes_per_device", "bytes/device", decimals=0),
        Column("renew_cpu_us", "CPU us/ping"),
        Column("renew_turn_ms", "pings: longest turn"),
        Column("return_cpu_us", "CPU us/return"),
        Column("return_turn_ms", "returns: longest turn"),
    ),
    options=(
        option("--n", Numbers(), "10000,100000,1000000", "How many devices, each of another user."),
    ),
    quick={"n": (300,)},
    plots=(Plot("distribution", "How late a task is while all are swept", "late"),),
)  # fmt: skip
