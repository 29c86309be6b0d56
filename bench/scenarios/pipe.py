"""Radios on the pipe port and one of them busy or not: what it costs, beside WebSocket."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import attrs

from bench.load import Form, Load
from bench.machine import resident_bytes
from bench.registered import hide
from bench.results import Case, Result
from bench.scenario import Column, Names, Numbers, Plot, Scenario, Stage, option
from bench.servers import NO_LIMITS, data_of, serving, user_of
from bench.window import CLIENT, COST, EACH, RATE, result_of, sum_checks, warm_up

TRANSPORTS: Mapping[str, Form] = {
    "pipe": "lines",
    "messagepack": "arrays",
    "text": "texts",
    "together": "json",
}
SETTINGS = {**NO_LIMITS, "pipe_port": 0}
QUIET = 1.0


@attrs.frozen
class Radios:
    """One user who publishes and *n* who listen, on one transport, to a server of their own.

    `checks` are those of how they came.
    """

    load: Load
    n: int
    bytes_per_connection: float
    checks: Mapping[str, int]


def run(stage: Stage, transports: Sequence[str], n: Sequence[int]) -> Iterator[Result]:
    """A server for each transport, all up at once; their windows follow one another."""
    stage.expect(len(n) * len(transports) * (1 + stage.repeats))
    for radios in n:
        with ExitStack() as stack:
            all_up = {name: _bring_up(stage, stack, name, radios) for name in transports}
            for repeat in range(stage.repeats):
                # The first server of one repeat is the last of the next.
                for name in transports if repeat % 2 == 0 else transports[::-1]:
                    stage.step(f"{name}, {radios} radios")
                    yield _measure(stage, name, all_up[name], repeat)


def _bring_up(stage: Stage, stack: ExitStack, name: str, n: int) -> Radios:
    stage.step(f"{name}: connecting {n} radios")
    form, folder = TRANSPORTS[name], stage.new_directory()
    # VoicePing has no words to come unseen, and to be seen coming would be n^2 deliveries.
    hide(data_of("presence", folder), [user_of("L", number, form) for number in range(n)])
    server = stack.enter_context(serving("presence", folder, stage.cores, SETTINGS))
    server.form = form
    # The publisher connects first: nobody is there yet to be told of it.
    plan = [server.connection("P", 0)]
    plan += [server.connection("L", number, is_silent=False) for number in range(n)]
    load = stack.enter_context(server.open_load(plan, stage.cores))
    load.bring_up(0, 1)
    load.settle(min(QUIET, stage.seconds))
    empty = resident_bytes(server.pid)
    opened = load.bring_up(1)
    settled = load.settle(min(QUIET, stage.seconds))
    held = resident_bytes(server.pid)
    told = {"told_needlessly": opened["others"] + settled["others"]}
    return Radios(load, n, (held - empty) / n, sum_checks([opened.checks, settled.checks, told]))


def _measure(stage: Stage, name: str, radios: Radios, repeat: int) -> Result:
    load = radios.load
    warming = warm_up(lambda seconds: load.run(w=1, seconds=seconds), radios.n, stage.seconds)
    answer = load.run(w=1, seconds=stage.seconds)
    after = load.settle(0.05)
    # Connections that were cut between two windows were not counted.
    cut = {"disconnected": len(load.plan) - after["open"]}
    before = radios.checks if repeat == 0 else {}
    case: Case = (("transport", name), ("n", radios.n))
    return result_of(
        "pipe",
        case,
        repeat,
        answer,
        *(before, warming, after.checks, cut),
        bytes_per_connection=radios.bytes_per_connection,
        bytes_per_delivery=answer["bytes"] / max(1, answer["deliveries"]),
    )


SCENARIO = Scenario(
    name="pipe",
    summary="N radios, one is busy and is not: lines over TCP beside the same over WebSocket",
    run=run,
    columns=(
        *COST,
        *EACH,
        *RATE,
        Column("bytes_per_delivery", "bytes/delivery", decimals=0),
        Column("bytes_per_connection", "bytes/connection", decimals=0, has_ratio=True),
        *CLIENT,
    ),
    options=(
        option("--transports", Names(list(TRANSPORTS)), ",".join(TRANSPORTS),
                     "Which, beside one another."),
        option("--n", Numbers(), "1000", "How many radios listen."),
    ),
    quick={"transports": ("pipe",), "n": (40,)},
    reference={"transport": "together"},
    plots=(
        Plot("distribution", "Latency of each delivery", "each"),
        Plot("distribution", "Latency of the last receiver", "last"),
        Plot("by", "Bytes per connection", "bytes_per_connection", over="n", unit="bytes",
             label="radios (n)"),
    ),
)  # fmt: skip
