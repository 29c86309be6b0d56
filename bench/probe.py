"""The probe: how long the server keeps one client waiting while others load it."""

import json
import os
import select
import subprocess
import sys
from types import TracebackType
from typing import Any

import attrs

from bench.load import Connection, LoadFailed
from bench.machine import Cores
from bench.results import Histogram

ANSWER_WITHIN = 150.0


@attrs.frozen
class Waits:
    """How long the heartbeats of a while waited for their answers, in ns."""

    longest: int
    histogram: Histogram
    latest_read: int
    """How long an answer lay in the socket before the probe read it: no fault of the server."""


class Probe:
    """A process of its own with one connection, from here to the end of the block.

    It sends a heartbeat every few ms; `bench.heartbeats` says how the waits are
    measured. Raises `LoadFailed` where the server does not let it.
    """

    def __init__(self, connection: Connection, *, port: int, cores: Cores) -> None:
        words = [sys.executable, "-m", "bench.heartbeats", str(port), connection.path]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        os.sched_setaffinity(self._process.pid, cores.load)

    def __enter__(self) -> "Probe":
        try:
            self._read()
        except LoadFailed:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def begin(self) -> None:
        """Measure from here on."""
        self._command("begin")

    def end(self) -> Waits:
        """Wait for the last answer; returns what was measured since `begin`."""
        told = self._command("end")
        return Waits(told["longest_ns"], Histogram.of(told["waits"]), told["latest_read_ns"])

    def _stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _command(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise LoadFailed("the probe ended by itself") from error
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], ANSWER_WITHIN)[0]:
            raise LoadFailed(f"no answer of the probe within {ANSWER_WITHIN:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise LoadFailed("the probe ended: it was refused, disconnected or not answered")
        told: dict[str, Any] = json.loads(line)
        return told
