"""Overlapping audiences: an update to the members of several servers, each told once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from statistics import mean

import attrs
import click

from bench.load import Answer, Connection, Load
from bench.population import Population, draw
from bench.results import Case, Result
from bench.scenario import Column, Names, Numbers, Plot, Scenario, Stage, option
from bench.servers import NO_LIMITS, SERVERS, Server, serving
from bench.window import CLIENT, COST, RATE, result_of, warm_up

SETTINGS = {**NO_LIMITS, "everyone_server": "false"}
"""Explicit servers only."""
ONE, APART, OVERLAPPING = "one", "apart", "overlapping"


@attrs.frozen
class Contest:
    """One server with its load, and what an update means there."""

    name: str
    audience: str
    load: Load
    memberships: float
    """Members of all servers of a publisher, the mean over the publishers."""


def run(
    stage: Stage,
    servers: Sequence[str],
    n: int,
    groups: int,
    memberships: int,
    w: Sequence[int],
) -> Iterator[Result]:
    """All kinds of audience are up at once; their windows follow one another, interleaved."""
    names = stage.present(servers)
    people = draw(n, groups, max(w), memberships=memberships)
    kinds = [(name, kind) for name in names for kind in _kinds(name)]
    stage.expect(len(kinds) * (1 + len(w) * stage.repeats))
    with ExitStack() as stack:
        contests = [_bring_up(stage, stack, name, kind, people) for name, kind in kinds]
        for repeat in range(stage.repeats):
            for outstanding in w:
                # The first server of one repeat is the last of the next.
                for contest in contests if repeat % 2 == 0 else contests[::-1]:
                    stage.step(f"{contest.name}, {contest.audience}, {outstanding} outstanding")
                    yield _measure(stage, contest, n, repeat, outstanding, max(w))


def _kinds(name: str) -> Sequence[str]:
    return (OVERLAPPING, APART, ONE) if SERVERS[name].has_audiences else (ONE,)


def _plan(
    server: Server, listeners: Iterable[Sequence[int]], publishers: Iterable[Sequence[int]]
) -> list[Connection]:
    """A connection for each, with its audiences."""
    plan = [server.connection("L", number, audiences=each) for number, each in enumerate(listeners)]
    return plan + [
        server.connection("P", number, audiences=each) for number, each in enumerate(publishers)
    ]


def _plan_apart(server: Server, people: Population, groups: int) -> list[Connection]:
    """As many listeners to each update as the overlapping have on average, in servers apart.

    All others are connected too, and hear nothing: what so many connections
    cost by being there shall be no difference. A server without audiences
    cannot tell them apart.
    """
    size = round(mean(_listeners(people)))
    count = len(people.users) if server.has_audiences else size
    # The rest makes one more server, without a publisher.
    listeners = [(min(number // size, groups),) for number in range(count)]
    return _plan(server, listeners, [(p % groups,) for p in range(len(people.publishers))])


def _groups(people: Population) -> int:
    """How many servers apart there are users for: a listener then gets about as many updates."""
    return max(1, len(people.users) // round(mean(_listeners(people))))


def _listeners(people: Population) -> list[int]:
    return [people.listeners_of(number) for number in range(len(people.publishers))]


def _bring_up(stage: Stage, stack: ExitStack, name: str, kind: str, people: Population) -> Contest:
    stage.step(f"{name}, {kind}: connecting")
    server = stack.enter_context(serving(name, stage.new_directory(), stage.cores, SETTINGS))
    members: float = round(mean(_listeners(people)))
    if kind == OVERLAPPING:
        plan = _plan(server, people.users, people.publishers)
        members = mean(people.memberships_of(number) for number in range(len(people.publishers)))
    else:
        plan = _plan_apart(server, people, _groups(people) if kind == APART else 1)
    load = stack.enter_context(server.open_load(plan, stage.cores))
    load.bring_up()
    load.settle(0.2)
    return Contest(name, kind, load, members)


def _measure(
    stage: Stage, contest: Contest, n: int, repeat: int, w: int, publishers: int
) -> Result:
    def flow(seconds: float) -> Answer:
        # All publishers take turns at every W: their audiences differ in size.
        return contest.load.run(w=w, pool=publishers, seconds=seconds)

    warming = warm_up(flow, n, stage.seconds)
    answer = flow(stage.seconds)
    case: Case = (("server", contest.name), ("audience", contest.audience), ("n", n), ("w", w))
    seen = answer["deliveries"] + answer["to_publishers"]
    return result_of(
        "audiences",
        case,
        repeat,
        answer,
        warming,
        listeners=answer["deliveries"] / max(1, answer["rounds"]),
        # A socket that is ready brought what one write, or a few, put there together.
        updates_per_read=seen / max(1, answer["reads"]),
        memberships=contest.memberships,
    )


SCENARIO = Scenario(
    name="audiences",
    summary="an update to the union of several servers, beside one server of as many listeners",
    run=run,
    columns=(
        *COST,
        Column("listeners", "listeners/update", decimals=0),
        Column("memberships", "memberships/update", decimals=0),
        Column("updates_per_read", "updates/read", decimals=1),
        *RATE,
        *CLIENT,
    ),
    options=(
        option("--servers", Names(["presence", "baseline", "baseline-joined"]), "presence,baseline",
                     "Which servers; one without audiences only tells everybody."),
        option("--n", click.IntRange(2), 10_000, "How many users are connected."),
        option("--groups", click.IntRange(1), 300, "How many servers they share."),
        option("--memberships", click.IntRange(1), 4, "In how many of them a user is, on average."),
        option("--w", Numbers(), "1,16", "How many updates are outstanding, each by another user."),
    ),
    quick={"servers": ("presence", "baseline"), "n": 120, "groups": 40, "memberships": 2,
           "w": (1, 4)},
    reference={"server": "presence", "audience": ONE},
    plots=(Plot("distribution", "Latency of the last receiver", "last"),),
)  # fmt: skip
