"""The load client: a process of its own that connects, publishes, times and checks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import attrs

from bench.child import Child, LoadFailed
from bench.machine import Cores
from bench.native import build
from bench.results import Histogram

Kind = Literal["P", "L", "S", "D"]
Form = Literal["json", "lines", "texts", "arrays"]
"""How updates are written: Together's JSON, or VoicePing's five fields as lines over plain TCP, as
texts over WebSocket, or as MessagePack over WebSocket."""
AT_ONCE = 64
"""Handshakes under way while a scenario only brings up its connections."""


@attrs.frozen
class Connection:
    """One connection of the plan: P publishes, L listens, S reads slowly, D reads nothing.

    `path` is what the upgrade asks for; in the forms of VoicePing it is who
    logs in with what instead, `USER:TOKEN`.
    """

    kind: Kind
    path: str
    audiences: tuple[int, ...] = (0,)

    def line(self) -> str:
        return f"{self.kind} {','.join(map(str, self.audiences))} {self.path}\n"


@attrs.frozen
class Answer:
    """The counts of the load client for one command."""

    raw: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.raw[name]

    @property
    def checks(self) -> dict[str, int]:
        return dict(self.raw["checks"])

    @property
    def client_share(self) -> float:
        """How busy the load client was, of one core."""
        return float(self.raw["client_cpu_ns"] / self.raw["wall_ns"])

    @property
    def client_queue(self) -> float:
        """How many sockets a delivery found ready together with its own, the mean.

        While the load client keeps up these are few, however busy it is: it
        then wakes for each. Once it does not, they become hundreds.
        """
        return float(self.raw["waiting"] / max(1, self.raw["reads"]))

    def histogram(self, name: str) -> Histogram:
        return Histogram.of(self.raw[name])


class Load(Child):
    """One load client with its plan; the connections stay open until `drop` or the end."""

    def __init__(
        self,
        plan: Iterable[Connection],
        *,
        port: int,
        server_pid: int,
        greets: bool,
        wraps: bool,
        cores: Cores,
        directory: Path,
        form: Form = "json",
    ) -> None:
        self.plan = tuple(plan)
        file = directory / f"plan-{port}"
        file.write_text("".join(connection.line() for connection in self.plan), encoding="utf-8")
        words = [str(file), str(port), str(server_pid)]
        words += ["greets"] * greets + ["wraps"] * wraps + [form]
        super().__init__("the load client", [*_client_command(), *words], cores)

    def open(
        self,
        first: int = 0,
        count: int | None = None,
        *,
        at_once: int = AT_ONCE,
        within: float = 300,
    ) -> Answer:
        """Connect these of the plan, so many at a time, and wait until they are ready.

        The check `not_ready` counts those that were refused, or took too long.
        """
        count = len(self.plan) - first if count is None else count
        answer = Answer(self.obey(f"open {first} {count} {at_once} {within}"))
        answer.raw["checks"]["not_ready"] = answer["failed"]
        return answer

    def bring_up(self, first: int = 0, count: int | None = None) -> Answer:
        """Connect these of the plan gently; raises `LoadFailed` unless all become ready."""
        answer = self.open(first, count)
        if answer["failed"]:
            raise LoadFailed(f"{answer['failed']} connections did not become ready")
        return answer

    def drop(self, first: int, count: int, how: Literal["clean", "reset"]) -> Answer:
        """End these connections with a goodbye, or as a crash of the client would."""
        return Answer(self.obey(f"drop {first} {count} {how}"))

    def run(
        self,
        *,
        w: int,
        pool: int | None = None,
        seconds: float,
        slow_bytes: float = 0.0,
        lost_after: float = 10.0,
    ) -> Answer:
        """Keep *w* updates outstanding, by the first *pool* publishers in turn.

        The window ends with the last delivery of what was outstanding, so no
        update is cut in half; what is missing when nothing came for
        *lost_after* seconds is lost.
        """
        return Answer(self.obey(f"run {w} {pool or w} {seconds} {slow_bytes} {lost_after}"))

    def settle(self, quiet: float) -> Answer:
        """Let everybody read, until nothing came for *quiet* seconds."""
        return Answer(self.obey(f"settle {quiet}"))

    def follow(self, server_pid: int) -> None:
        """The server at this port is another process from now on."""
        self.obey(f"server {server_pid}")


def _client_command() -> list[str]:
    program = build("load")
    if program is None:
        raise LoadFailed("the load client is a program in C: install a C compiler")
    return [str(program)]
