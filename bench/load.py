"""The load client: a process of its own that connects, publishes, times and checks."""

import json
import os
import select
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

import attrs

from bench.machine import Cores
from bench.native import build
from bench.results import Histogram

Kind = Literal["P", "L", "S", "D"]
Form = Literal["json", "lines", "texts", "arrays"]
"""How updates are written: Together's JSON, or VoicePing's five fields as lines over plain TCP, as
texts over WebSocket, or as MessagePack over WebSocket."""
FORMS: tuple[Form, ...] = get_args(Form)
ANSWER_WITHIN = 600.0
AT_ONCE = 64
"""Handshakes under way while a scenario only brings up its connections."""


class LoadFailed(Exception):
    """The load client ended, or did not connect what it should; says why."""


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


class Load:
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
        self._process = subprocess.Popen(
            [*_client_command(), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        os.sched_setaffinity(self._process.pid, cores.load)

    def __enter__(self) -> "Load":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

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
        answer = self._command(f"open {first} {count} {at_once} {within}")
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
        return self._command(f"drop {first} {count} {how}")

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
        return self._command(f"run {w} {pool or w} {seconds} {slow_bytes} {lost_after}")

    def settle(self, quiet: float) -> Answer:
        """Let everybody read, until nothing came for *quiet* seconds."""
        return self._command(f"settle {quiet}")

    def follow(self, server_pid: int) -> None:
        """The server at this port is another process from now on."""
        self._command(f"server {server_pid}")

    def _command(self, line: str) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise LoadFailed("the load client ended by itself") from error
        if not select.select([self._process.stdout], [], [], ANSWER_WITHIN)[0]:
            raise LoadFailed(f"no answer to {line!r} within {ANSWER_WITHIN:.0f} s")
        answer = self._process.stdout.readline()
        if not answer:
            raise LoadFailed(f"the load client ended at {line!r}")
        return Answer(json.loads(answer))


def _client_command() -> list[str]:
    program = build("load")
    if program is None:
        raise LoadFailed("the load client is a program in C: install a C compiler")
    return [str(program)]
