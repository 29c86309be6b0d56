"""What was counted since the last command began, and the clocks of its window."""

import time
from collections import Counter
from typing import Any, Final

from bench.machine import cpu_seconds
from bench.results import bucket_of

CHECKS: Final = (
    "lost", "duplicated", "out_of_order", "leaked", "garbled", "stale", "disconnected",
)  # fmt: skip
COUNTS: Final = (
    "deliveries", "to_publishers", "to_slow", "merged", "others", "bytes", "cut",
    "reads", "waiting",
)  # fmt: skip


class Measure:
    """Counts, histograms and clocks."""

    def __init__(self, server_pid: int) -> None:
        self.server_pid = server_pid
        self.count: Counter[str] = Counter()
        self.began = 0
        self._histograms: dict[str, Counter[int]] = {}

    def forget(self) -> None:
        self.count.clear()
        self._histograms = {"each": Counter(), "last": Counter(), "ready": Counter()}

    def record(self, name: str, value: int) -> None:
        self._histograms[name][bucket_of(value)] += 1

    def show(self, name: str) -> dict[str, list[tuple[int, int]]]:
        return {name: sorted(self._histograms[name].items())}

    def counts(self) -> dict[str, Any]:
        """What every answer to a command ends with."""
        counts = {name: self.count[name] for name in COUNTS}
        return {**counts, "checks": {name: self.count[name] for name in CHECKS}}

    def start_clocks(self) -> tuple[float, float]:
        self.began = time.monotonic_ns()
        return self._server_cpu(), time.process_time()

    def stop_clocks(self, before: tuple[float, float]) -> dict[str, int]:
        return {
            "wall_ns": time.monotonic_ns() - self.began,
            "server_cpu_ns": int((self._server_cpu() - before[0]) * 1e9),
            "client_cpu_ns": int((time.process_time() - before[1]) * 1e9),
        }

    def _server_cpu(self) -> float:
        try:
            return cpu_seconds(self.server_pid)
        except OSError:
            return 0.0
