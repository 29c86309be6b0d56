"""Changes on their way to the disk, and starts on what is there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from bench.results import Case, Histogram, Result
from bench.scenario import Column, Numbers, Plot, Scenario, Stage
from bench.worker import work

ENDS = {"start after a stop": False, "start after a kill": True}


def run(stage: Stage, batches: Sequence[int], users: int) -> Iterator[Result]:
    """Windows of commits in one process, then a process for each start."""
    stage.expect(1 + 2 * stage.repeats)
    stage.step(f"commits, {users} users")
    yield from _measure_commits(stage, batches, users)
    for repeat in range(stage.repeats):
        for kind, is_killed in ENDS.items():
            stage.step(f"{kind}, {users} users")
            yield _measure_start(stage, kind, users, repeat, is_killed=is_killed)


def _measure_commits(stage: Stage, batches: Sequence[int], users: int) -> Iterator[Result]:
    told = work(
        stage, "store", do="write", batches=batches, users=users, repeats=stage.repeats,
        seconds=stage.seconds,
    )  # fmt: skip
    for each in told:
        if "checks" in each:
            yield _result("every row read back", 0, users, 0, {}, each["checks"])
            continue
        waits = Histogram.of(each["waits"])
        figures = each["figures"] | {
            f"p{percent}_ms": waits.percentile(percent) / 1e6 for percent in (50, 99)
        }
        batch, repeat = each["batch"], each["repeat"]
        yield _result(each["who"], batch, users, repeat, figures, {}, {"waits": waits})


def _measure_start(stage: Stage, kind: str, users: int, repeat: int, *, is_killed: bool) -> Result:
    directory = str(stage.new_directory())
    options: dict[str, Any] = {"users": users, "directory": directory}
    list(work(stage, "store", do="fill", is_killed=is_killed, ends_killed=is_killed, **options))
    (told,) = work(stage, "store", do="start", **options)
    return _result(kind, 0, users, repeat, told["figures"], told["checks"])


def _result(
    kind: str,
    batch: int,
    users: int,
    repeat: int,
    figures: Mapping[str, float],
    checks: Mapping[str, int],
    histograms: Mapping[str, Histogram] | None = None,
) -> Result:
    case: Case = (("store", kind), ("batch", batch), ("users", users))
    return Result("store", case, repeat, figures, checks, histograms or {})


SCENARIO = Scenario(
    name="store",
    summary="changes through the writer to the disk, and starts on N stored users",
    run=run,
    columns=(
        Column("cpu_us_per_row", "CPU us/row", has_ratio=True),
        Column("rows_per_s", "rows/s", decimals=0, has_ratio=True),
        Column("commits_per_s", "commits/s", decimals=0),
        Column("p50_ms", "committed p50 ms", decimals=2, has_ratio=True),
        Column("p99_ms", "p99", decimals=2),
        Column("open_s", "open s", decimals=2),
        Column("open_cpu_us_per_user", "CPU us/user", decimals=2),
        Column("bytes_per_user", "file bytes/user", decimals=0),
    ),
    options=(
        click.Option(["--batches"], type=Numbers(), default="1,100,10000", show_default=True,
                     help="How many rows change together, each of another user."),
        click.Option(["--users"], type=click.IntRange(1), default=100_000, show_default=True,
                     help="How many users are stored, all of them online."),
    ),
    quick={"batches": (1, 20), "users": 400},
    reference={"store": "floor"},
    plots=(Plot("distribution", "From a change to its commit", "waits"),),
)  # fmt: skip
