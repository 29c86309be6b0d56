"""Everybody reconnects at once: inside the grace, and to a server that just started."""

from collections.abc import Iterator

import click

from bench.contenders import NO_LIMITS, Server, serving, start_again, stop
from bench.load import Answer, Load
from bench.results import Case, Histogram, Result, bucket_of
from bench.scenario import Column, Plot, Scenario, Stage

SETTINGS = {**NO_LIMITS, "everyone_server": "false", "grace_after": 120}
"""Explicit servers only; a grace that no storm outlasts, however busy the machine."""
WATCHED_SERVERS = 4
"""So many servers have a publisher, whose updates show that all of a server listen again."""
STORM_WITHIN = 120.0
MS = 1e6


def run(stage: Stage, n: int, group: int) -> Iterator[Result]:
    """First all come as unknown users, then each repeat has one storm of each kind."""
    publishers = min(WATCHED_SERVERS, -(-n // group))
    stage.expect(1 + 2 * stage.repeats)
    with serving("presence", stage.new_directory(), stage.cores, SETTINGS) as server:
        plan = [server.connection("P", p, audiences=(p,)) for p in range(publishers)]
        plan += [
            server.connection("L", i, audiences=(i // group,), is_silent=False) for i in range(n)
        ]
        with server.open_load(plan, stage.cores) as load:
            stage.step("everybody connects for the first time")
            yield _result("first time", n, 0, load.bring_up(), _check_updates(load, publishers))
            for repeat in range(stage.repeats):
                stage.step("everybody reconnects inside the grace")
                yield _storm_in_grace(load, n, repeat, publishers)
                stage.step("everybody reconnects to a new server")
                yield _storm_cold(stage, server, load, n, repeat, publishers)


def _storm_in_grace(load: Load, n: int, repeat: int, publishers: int) -> Result:
    load.settle(0.3)
    load.drop(0, len(load.plan), "reset")
    answer = load.open(at_once=len(load.plan), within=STORM_WITHIN)
    later = load.settle(0.3)
    # A reconnect within the grace shows nothing to anybody.
    answer.raw["others"] += later["others"]
    told = {"told_needlessly": answer["others"]}
    return _result("in the grace", n, repeat, answer, _check_updates(load, publishers) | told)


def _storm_cold(
    stage: Stage, server: Server, load: Load, n: int, repeat: int, publishers: int
) -> Result:
    load.drop(0, len(load.plan), "reset")
    stop_s = stop(server)
    start_s = start_again(server, stage.cores, SETTINGS)
    load.follow(server.pid)
    answer = load.open(at_once=len(load.plan), within=STORM_WITHIN)
    later = load.settle(0.3)
    answer.raw["others"] += later["others"]
    checks = _check_updates(load, publishers)
    return _result("after a restart", n, repeat, answer, checks, stop_s=stop_s, start_s=start_s)


def _check_updates(load: Load, publishers: int) -> dict[str, int]:
    """Whether the updates of a moment reach everybody who should get them."""
    load.settle(0.3)
    return load.run(w=publishers, seconds=0.1).checks


def _result(
    kind: str, n: int, repeat: int, answer: Answer, checks: dict[str, int], **more: float
) -> Result:
    ready = sorted(answer["ready_at_ns"])
    case: Case = (("storm", kind), ("n", n))
    figures = {
        "half_ready_ms": ready[len(ready) // 2] / MS,
        "99_ready_ms": ready[len(ready) * 99 // 100] / MS,
        "all_ready_ms": ready[-1] / MS,
        "cpu_us_per_connection": answer["server_cpu_ns"] / 1e3 / len(ready),
        "events": answer["others"],
        "client_share": answer.client_share,
        **more,
    }
    for name, count in answer.checks.items():
        checks[name] = checks.get(name, 0) + count
    timeline = Histogram.joined(Histogram.of([(bucket_of(at), 1)]) for at in ready)
    return Result("storm", case, repeat, figures, checks, {"ready_at": timeline})


SCENARIO = Scenario(
    name="storm",
    summary="everybody reconnects: inside the grace, and after a restart of the server",
    run=run,
    columns=(
        Column("half_ready_ms", "half ready ms", decimals=0, has_ratio=True),
        Column("99_ready_ms", "99 % ready ms", decimals=0, has_ratio=True),
        Column("all_ready_ms", "all ready ms", decimals=0, has_ratio=True),
        Column("cpu_us_per_connection", "CPU us/connection", decimals=0, has_ratio=True),
        Column("events", "events meanwhile", decimals=0),
        Column("stop_s", "stop s", decimals=2),
        Column("start_s", "start s", decimals=2),
        Column("client_share", "client busy %", factor=100, decimals=0),
    ),
    options=(
        click.Option(["--n"], type=click.IntRange(1), default=5000, show_default=True,
                     help="How many connections, each of another user."),
        click.Option(["--group"], type=click.IntRange(1), default=50, show_default=True,
                     help="How many users share a server."),
    ),
    quick={"n": 60, "group": 20},
    plots=(Plot("timeline", "Connections that are ready", "ready_at"),),
)  # fmt: skip
