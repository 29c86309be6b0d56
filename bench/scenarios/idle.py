"""Nothing happens: what a connection holds in memory, and what a registered user does."""

import time
from collections.abc import Iterator, Sequence

import click

from bench.machine import cpu_seconds, resident_bytes
from bench.registered import register
from bench.results import Case, Result
from bench.scenario import Column, Names, Numbers, Plot, Scenario, Stage, option
from bench.servers import NO_LIMITS, SERVERS, Server, serving, start_again, stop

QUIET = 1.0


def run(stage: Stage, servers: Sequence[str], n: Sequence[int], users: int) -> Iterator[Result]:
    """One server after the other, a new one for each N: memory given back late would mix them."""
    names = stage.present(servers)
    stage.expect((len(n) * len(names) + 1) * stage.repeats)
    for repeat in range(stage.repeats):
        stage.step(f"presence, {users} registered users")
        yield _measure_registered(stage, users, repeat)
        for connections in n:
            for name in names:
                stage.step(f"{name}, {connections} connections")
                yield _measure(stage, name, connections, repeat)


def _measure(stage: Stage, name: str, n: int, repeat: int) -> Result:
    with serving(name, stage.new_directory(), stage.cores) as server:
        plan = [server.connection("L", number) for number in range(n)]
        with server.open_load(plan, stage.cores) as load:
            _wait_quiet(stage)
            empty = resident_bytes(server.pid)
            opened = load.bring_up()
            load.settle(0.2)
            _wait_quiet(stage)
            held = resident_bytes(server.pid)
            figures = {
                "bytes_per_connection": (held - empty) / n,
                "empty_mb": empty / 1e6,
                "cpu_us_per_connection": opened["server_cpu_ns"] / 1e3 / n,
                "idle_cpu": _measure_idle_cpu(stage, server),
            }
            checks = load.settle(0.1).checks
    case: Case = (("server", name), ("n", n), ("users", 0))
    return Result("idle", case, repeat, figures, checks)


def _measure_idle_cpu(stage: Stage, server: Server) -> float:
    """The share of a core that the server takes for nothing but its connections."""
    before, began = cpu_seconds(server.pid), time.monotonic()
    time.sleep(max(0.1, stage.seconds))
    return (cpu_seconds(server.pid) - before) / (time.monotonic() - began)


def _measure_registered(stage: Stage, users: int, repeat: int) -> Result:
    """Compare a second start with nobody registered to a third with *users*; nobody connects."""
    with serving("presence", stage.new_directory(), stage.cores) as server:
        stop(server)
        start_again(server, stage.cores, NO_LIMITS)
        _wait_quiet(stage)
        empty = resident_bytes(server.pid)
        stop(server)
        register(server.data / "data", users)
        start_s = start_again(server, stage.cores, NO_LIMITS)
        _wait_quiet(stage)
        figures = {
            "bytes_per_user": (resident_bytes(server.pid) - empty) / users,
            "empty_mb": empty / 1e6,
            "start_s": start_s,
        }
    case: Case = (("server", "presence"), ("n", 0), ("users", users))
    return Result("idle", case, repeat, figures)


def _wait_quiet(stage: Stage) -> None:
    time.sleep(min(QUIET, stage.seconds))


SCENARIO = Scenario(
    name="idle",
    summary="memory of a connection and of a registered user, CPU while nothing happens",
    run=run,
    columns=(
        Column("bytes_per_connection", "bytes/connection", decimals=0, has_ratio=True),
        Column("bytes_per_user", "bytes/registered user", decimals=0),
        Column("start_s", "start s", decimals=2),
        Column("empty_mb", "empty server MB"),
        Column("cpu_us_per_connection", "CPU us/connect", decimals=0, has_ratio=True),
        Column("idle_cpu", "idle CPU %", factor=100, decimals=2),
    ),
    options=(
        option("--servers", Names(list(SERVERS)), "baseline,presence,socketify",
                     "Which servers, one after another."),
        option("--n", Numbers(), "1000,5000", "How many connections."),
        option("--users", click.IntRange(1), 100_000,
                      "How many users are registered, for the memory of one not connected."),
    ),
    quick={"servers": ("baseline", "presence"), "n": (50,), "users": 500},
    reference={"server": "baseline"},
    plots=(Plot("by", "Bytes per connection", "bytes_per_connection", over="n", unit="bytes",
                label="connections (n)"),),
)  # fmt: skip
