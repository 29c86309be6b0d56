"""A process that obeys lines of its standard input, each answered by one line of JSON."""

import json
import os
import select
import subprocess
from collections.abc import Sequence
from typing import Any, Self, cast

from bench.machine import Cores

ANSWER_WITHIN = 600.0


class LoadFailed(Exception):
    """A process of the benchmark ended or did not do its task; the text says why."""


class Child:
    """One such process, on the cores of the load, until the end of the block.

    *name* is what errors call it.
    """

    def __init__(self, name: str, words: Sequence[str], cores: Cores) -> None:
        self._name = name
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        os.sched_setaffinity(self._process.pid, cores.load)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def obey(self, line: str) -> dict[str, Any]:
        """Send the command *line* and return its answer; raises `LoadFailed` without one."""
        try:
            print(line, file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise LoadFailed(f"{self._name} ended by itself") from error
        return self.read(line)

    def read(self, expected: str) -> dict[str, Any]:
        """Return the next line; *expected* is what an error says it is the answer to."""
        output = cast("Any", self._process.stdout)
        if not select.select([output], [], [], ANSWER_WITHIN)[0]:
            within = f"within {ANSWER_WITHIN:.0f} s"
            raise LoadFailed(f"{self._name} did not answer to {expected!r} {within}")
        line = output.readline()
        if not line:
            raise LoadFailed(f"{self._name} ended at {expected!r}")
        told: dict[str, Any] = json.loads(line)
        return told
