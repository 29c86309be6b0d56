"""Requests over kept connections: how many a second, how long each, at what cost."""

import json
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection

import attrs
import click

from bench.contenders import NO_LIMITS, Server, serving
from bench.requests import Asked, Heard, measure
from bench.results import Case, Result
from bench.scenario import Column, Numbers, Plot, Scenario, Stage

SETTINGS = {**NO_LIMITS, "everyone_server": "false"}
"""Explicit servers only."""
PAGE = 100
"""Users of a page of members, and of a question about many."""
BUSY_CLIENT = 0.7
MS = 1e6


@attrs.frozen
class Crowd:
    """*n* users who are online in one server, whom the requests are about."""

    server: Server
    n: int

    @property
    def page(self) -> int:
        return min(PAGE, self.n)

    @property
    def token(self) -> str:
        return self.server.token(user(0), ["s0"])


def user(number: int) -> str:
    """The *number*th listener, as `Server.connection` calls it."""
    return f"l{number:06}"


def run(stage: Stage, c: Sequence[int], n: int) -> Iterator[Result]:
    """All kinds of request follow one another in each repeat, with each number of connections."""
    stage.expect(1 + len(REQUESTS) * len(c) * stage.repeats)
    with serving("presence", stage.new_directory(), stage.cores, SETTINGS) as server:
        plan = [
            server.connection("L", number, audiences=(0,), is_silent=False) for number in range(n)
        ]
        stage.step(f"{n} users connect")
        with server.open_load(plan, stage.cores) as load:
            load.bring_up()
            load.settle(0.2)
            crowd = Crowd(server, n)
            for repeat in range(stage.repeats):
                for name, plan_of in REQUESTS.items():
                    for connections in c:
                        stage.step(f"{name}, {connections} connections")
                        asked = plan_of(crowd, connections)
                        yield _measure(stage, server, name, asked, n, repeat)


def plan_one(crowd: Crowd, connections: int) -> list[list[Asked]]:
    """The presence of one user, each connection of another."""

    def check(answer: object) -> bool:
        return isinstance(answer, dict) and answer["status"] == "online"

    return [
        [_learned(crowd, Asked("GET", f"/users/{user(number % crowd.n)}", crowd.token), check)]
        for number in range(connections)
    ]


def plan_many(crowd: Crowd, connections: int) -> list[list[Asked]]:
    """The presences of a page full of users."""
    ids = [user(number) for number in range(crowd.page)]
    asked = Asked("POST", "/users/presence", crowd.token, json.dumps({"ids": ids}))
    learned = _learned(crowd, asked, lambda answer: _are_online(answer, "users", "id", crowd.page))
    return [[learned]] * connections


def plan_members(crowd: Crowd, connections: int) -> list[list[Asked]]:
    """The first page of a server's members."""
    asked = Asked("GET", f"/servers/s0/members?limit={crowd.page}", crowd.token)
    learned = _learned(
        crowd, asked, lambda answer: _are_online(answer, "members", "user_id", crowd.page)
    )
    return [[learned]] * connections


def plan_own(crowd: Crowd, connections: int) -> list[list[Asked]]:
    """Changes of the own presence, each connection another user, alone in its server.

    An answer comes once the change is on the disk.
    """
    return [
        [_change(crowd, crowd.n + number, text) for text in ("at lunch", "in the garden")]
        for number in range(connections)
    ]


def _change(crowd: Crowd, number: int, text: str) -> Asked:
    token = crowd.server.token(user(number), [f"s{number}"])
    body = json.dumps({"status": "dnd", "custom_status": text})
    return Asked("PATCH", "/users/@me", token, body, has=f'"custom_status":"{text}"')


REQUESTS: dict[str, Callable[[Crowd, int], list[list[Asked]]]] = {
    "one": plan_one,
    "many": plan_many,
    "members": plan_members,
    "own": plan_own,
}


def _learned(crowd: Crowd, asked: Asked, is_right: Callable[[object], bool]) -> Asked:
    """Ask once and look at the answer closely; the load then wants each one to be the same."""
    connection = HTTPConnection("127.0.0.1", crowd.server.port)
    headers = {"authorization": f"Bearer {asked.token}"}
    connection.request(asked.method, asked.target, asked.body.encode() or None, headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != asked.status or not is_right(json.loads(body)):
        raise AssertionError(f"{asked.method} {asked.target}: {answer.status} {body[:200]!r}")
    return attrs.evolve(asked, answer=body.decode())


def _are_online(answer: object, items: str, key: str, count: int) -> bool:
    """Whether the first *count* users are there, in order, and all of them online."""
    found = answer[items] if isinstance(answer, dict) else []
    return [(each[key], each["status"]) for each in found] == [
        (user(number), "online") for number in range(count)
    ]


def _measure(
    stage: Stage, server: Server, name: str, plan: list[list[Asked]], n: int, repeat: int
) -> Result:
    heard = measure(
        plan,
        port=server.port,
        server_pid=server.pid,
        seconds=stage.seconds,
        cores=stage.cores,
        directory=server.data,
    )
    case: Case = (("request", name), ("c", len(plan)), ("n", n))
    checks = {"wrong": heard.wrong, "unanswered": heard.unanswered}
    figures, waits = figures_of(heard), {"wait": heard.waits}
    return Result("rest", case, repeat, figures, checks, waits, warnings_of(heard))


def figures_of(heard: Heard) -> dict[str, float]:
    requests = max(1, heard.requests)
    figures = {
        "requests": heard.requests,
        "requests_per_s": heard.requests / heard.wall_s,
        "cpu_us_per_request": heard.server_cpu_s * 1e6 / requests,
        "client_share": heard.client_share,
    }
    for percent in (50, 90, 99):
        figures[f"p{percent}_ms"] = heard.waits.percentile(percent) / MS
    return figures


def warnings_of(heard: Heard) -> tuple[str, ...]:
    if heard.client_share <= BUSY_CLIENT:
        return ()
    return ("the load of requests is the bottleneck: times and rate may be its own",)


SCENARIO = Scenario(
    name="rest",
    summary="requests over kept connections: rate, latency and CPU of reading and changing",
    run=run,
    columns=(
        Column("cpu_us_per_request", "CPU us/request", decimals=0, has_ratio=True),
        Column("p50_ms", "p50 ms", decimals=2, has_ratio=True),
        Column("p90_ms", "p90", decimals=2),
        Column("p99_ms", "p99", decimals=2),
        Column("requests_per_s", "requests/s", decimals=0, has_ratio=True),
        Column("client_share", "client busy %", factor=100, decimals=0),
    ),
    options=(
        click.Option(["--c"], type=Numbers(), default="1,64", show_default=True,
                     help="How many connections ask at once."),
        click.Option(["--n"], type=click.IntRange(1), default=1000, show_default=True,
                     help="How many users are online in the server that is asked about."),
    ),
    quick={"c": (1, 4), "n": 20},
    reference={"request": "one"},
    plots=(Plot("distribution", "Time until the answer", "wait"),),
)  # fmt: skip
