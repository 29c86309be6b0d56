"""Starts a worker on the server's core and reads what it tells."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.child import LoadFailed
from bench.scenario import Stage


class WorkerFailed(LoadFailed):
    """A worker ended with an error; says what it printed."""


def work(stage: Stage, name: str, **options: Any) -> Iterator[dict[str, Any]]:
    """Run `bench.workers.<name>` and yield each thing it tells, as it tells it.

    It has a new directory, unless one is among the *options*. Raises
    `WorkerFailed` where it ends with an error. It does not outlive the iteration.
    """
    directory = stage.new_directory()
    words = [sys.executable, "-m", f"bench.workers.{name}"]
    words += [json.dumps({"directory": str(directory), **options})]
    with (directory / "server.log").open("ab") as log:
        worker = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        os.sched_setaffinity(worker.pid, stage.cores.server)
        assert worker.stdout is not None
        for line in worker.stdout:
            yield json.loads(line)
        if worker.wait() != 0:
            text = (directory / "server.log").read_text(encoding="utf-8", errors="replace")
            raise WorkerFailed(f"the worker {name} ended with {worker.returncode}:\n{text[-2000:]}")
    finally:
        worker.kill()
        worker.communicate()
