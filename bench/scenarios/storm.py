"""Everybody reconnects at once: inside the grace, and to a server that just started."""

from collections.abc import Iterator

import attrs
import click

from bench.load import Answer, Load
from bench.machine import forget_peak, peak_bytes, resident_bytes
from bench.probe import Probe, Waits
from bench.results import Case, Histogram, Result, bucket_of
from bench.scenario import Column, Plot, Scenario, Stage, option
from bench.servers import NO_LIMITS, Server, serving, start_again, stop
from bench.window import sum_checks

SETTINGS = {**NO_LIMITS, "everyone_server": "false", "grace_after": 120}
"""Explicit servers only; a grace that no storm outlasts, however busy the machine."""
WATCHED_SERVERS = 4
"""The servers that have a publisher, whose updates show that all of a server listen again."""
STORM_WITHIN = 120.0
LATE_PROBE = 0.05
"""Seconds from which on a probe that reads late may have begun too few heartbeats."""
MS = 1e6


@attrs.frozen
class Crowd:
    """Everybody who reconnects, and the server to which they do."""

    stage: Stage
    server: Server
    load: Load
    n: int
    group: int
    quiet_bytes: int = 0
    """The memory with everybody connected, after they connected gently."""

    @property
    def publishers(self) -> int:
        return watched(self.n, self.group)

    def open_probe(self) -> Probe:
        """A connection alone in its server: nobody is told of it, and it is told nothing."""
        alone = -(-self.n // self.group)
        connection = self.server.connection("L", self.n, audiences=(alone,), is_silent=False)
        return Probe(connection, port=self.server.port, cores=self.stage.cores)


def watched(n: int, group: int) -> int:
    """How many servers have a publisher."""
    return min(WATCHED_SERVERS, -(-n // group))


def run(stage: Stage, n: int, group: int) -> Iterator[Result]:
    """First all come as unknown users, then each repeat has one storm of each kind."""
    stage.expect(1 + 2 * stage.repeats)
    with serving("presence", stage.new_directory(), stage.cores, SETTINGS) as server:
        plan = [server.connection("P", p, audiences=(p,)) for p in range(watched(n, group))]
        plan += [
            server.connection("L", i, audiences=(i // group,), is_silent=False) for i in range(n)
        ]
        with server.open_load(plan, stage.cores) as load:
            crowd = Crowd(stage, server, load, n, group)
            stage.step("everybody connects for the first time")
            first = _connect_first(crowd)
            yield first
            crowd = attrs.evolve(crowd, quiet_bytes=int(first.figures["quiet_mb"] * 1e6))
            for repeat in range(stage.repeats):
                stage.step("everybody reconnects inside the grace")
                yield _storm_in_grace(crowd, repeat)
                stage.step("everybody reconnects to a new server")
                yield _storm_cold(crowd, repeat)


def _connect_first(crowd: Crowd) -> Result:
    answer = crowd.load.bring_up()
    checks = _check_updates(crowd)
    quiet = resident_bytes(crowd.server.pid)
    return _result("first time", crowd, 0, answer, checks, quiet_mb=quiet / 1e6)


def _storm_in_grace(crowd: Crowd, repeat: int) -> Result:
    crowd.load.settle(0.3)
    return _storm("in the grace", crowd, repeat, drops=True)


def _storm_cold(crowd: Crowd, repeat: int) -> Result:
    load, server = crowd.load, crowd.server
    load.drop(0, len(load.plan), "reset")
    stop_s = stop(server)
    start_s = start_again(server, crowd.stage.cores, SETTINGS)
    load.follow(server.pid)
    return _storm("after a restart", crowd, repeat, stop_s=stop_s, start_s=start_s)


def _storm(
    kind: str, crowd: Crowd, repeat: int, *, drops: bool = False, **figures: float
) -> Result:
    """All connect at once, after all have lost their connection if *drops*."""
    load = crowd.load
    with crowd.open_probe() as probe:
        is_peak_new = forget_peak(crowd.server.pid)
        probe.begin()
        if drops:
            load.drop(0, len(load.plan), "reset")
        answer = load.open(at_once=len(load.plan), within=STORM_WITHIN)
        waits = probe.end()
    answer.raw["others"] += load.settle(0.3)["others"]
    # A reconnect within the grace shows nothing to anybody.
    told = {"told_needlessly": answer["others"]} if drops else {}
    figures |= _peak_figures(crowd, is_peak_new)
    checks = _check_updates(crowd) | told
    return _result(kind, crowd, repeat, answer, checks, waits, **figures)


def _peak_figures(crowd: Crowd, is_peak_new: bool) -> dict[str, float]:
    """None where the peak could not be forgotten: it would be that of another moment."""
    if not is_peak_new:
        return {}
    peak = peak_bytes(crowd.server.pid)
    return {"peak_mb": peak / 1e6, "peak_memory_ratio": peak / crowd.quiet_bytes}


def _check_updates(crowd: Crowd) -> dict[str, int]:
    """Whether the updates of a moment reach everybody who should get them."""
    crowd.load.settle(0.3)
    return crowd.load.run(w=crowd.publishers, seconds=0.1).checks


def _result(
    kind: str,
    crowd: Crowd,
    repeat: int,
    answer: Answer,
    checks: dict[str, int],
    waits: Waits | None = None,
    **more: float,
) -> Result:
    ready = sorted(answer["ready_at_ns"])
    case: Case = (("storm", kind), ("n", crowd.n), ("group", crowd.group))
    figures = {
        "half_ready_ms": ready[len(ready) // 2] / MS,
        "99_ready_ms": ready[len(ready) * 99 // 100] / MS,
        "all_ready_ms": ready[-1] / MS,
        "cpu_us_per_connection": answer["server_cpu_ns"] / 1e3 / len(ready),
        "received_bytes": answer["bytes"] / len(ready),
        "events": answer["others"],
        "client_share": answer.client_share,
        **more,
    }
    checks = sum_checks([checks, answer.checks])
    timeline = Histogram.joined(Histogram.of([(bucket_of(at), 1)]) for at in ready)
    histograms = {"ready_at": timeline}
    if waits:
        figures |= stall_figures(waits)
        histograms["stall"] = waits.histogram
    return Result("storm", case, repeat, figures, checks, histograms, _warnings(waits))


def stall_figures(waits: Waits) -> dict[str, float]:
    return {
        "longest_stall_ms": waits.longest / MS,
        "stall_p50_ms": waits.histogram.percentile(50) / MS,
        "stall_p99_ms": waits.histogram.percentile(99) / MS,
        "probe_late_ms": waits.latest_read / MS,
    }


def _warnings(waits: Waits | None) -> tuple[str, ...]:
    if waits is None or waits.latest_read < LATE_PROBE * 1e9:
        return ()
    late = waits.latest_read / MS
    return (f"the probe was kept from its core for {late:.0f} ms: stalls of then are not seen",)


SCENARIO = Scenario(
    name="storm",
    summary="everybody reconnects: inside the grace, and after a restart of the server",
    run=run,
    columns=(
        Column("half_ready_ms", "half ready ms", decimals=0, has_ratio=True),
        Column("99_ready_ms", "99 % ready ms", decimals=0, has_ratio=True),
        Column("all_ready_ms", "all ready ms", decimals=0, has_ratio=True),
        Column("cpu_us_per_connection", "CPU us/connection", decimals=0, has_ratio=True),
        Column("received_bytes", "bytes received/connection", decimals=0, has_ratio=True),
        Column("peak_memory_ratio", "peak x quiet memory", decimals=2, has_ratio=True),
        Column("longest_stall_ms", "longest stall ms", decimals=0, has_ratio=True),
        Column("stall_p99_ms", "stall p99", decimals=0),
        Column("events", "events meanwhile", decimals=0),
        Column("stop_s", "stop s", decimals=2),
        Column("start_s", "start s", decimals=2),
        Column("client_share", "client busy %", factor=100, decimals=0),
    ),
    options=(
        option("--n", click.IntRange(1), 5000, "How many connections, each of another user."),
        option("--group", click.IntRange(1), 500, "How many users share a server."),
    ),
    quick={"n": 60, "group": 20},
    plots=(
        Plot("timeline", "Connections that are ready", "ready_at"),
        Plot("distribution", "Wait for an answer of the server meanwhile", "stall"),
    ),
)  # fmt: skip
