"""The machine: what it is, which cores do what, what a process uses."""

import os
import platform
import re
import resource
import time
from pathlib import Path
from typing import Any

import attrs

BUSY_LOAD = 0.5
"""Load average, in whole cores, from which on others disturb what is measured."""


@attrs.frozen
class Cores:
    """Where the server runs, and where all that loads it; `is_shared` on a single core."""

    server: frozenset[int]
    load: frozenset[int]

    @property
    def is_shared(self) -> bool:
        return self.server == self.load


def choose_cores() -> Cores:
    """Give the server the first core this process may use, the load all the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    return Cores(frozenset({first}), frozenset(others or {first}))


def read_facts() -> dict[str, Any]:
    """Describe the machine for whoever compares results."""
    return {
        "cpu": _find_line("/proc/cpuinfo", r"model name\s*:\s*(.*)"),
        "cores": os.cpu_count(),
        "memory_bytes": int(_find_line("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) * 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "load_before": [round(each, 2) for each in os.getloadavg()],
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def cpu_seconds(pid: int) -> float:
    """CPU time of the process *pid* and all its threads, ended ones included."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid: int) -> int:
    """Memory of the process *pid* itself; what the kernel holds for its sockets is not in it."""
    return int(_find_line(f"/proc/{pid}/status", r"VmRSS:\s*(\d+)") or 0) * 1024


def forget_peak(pid: int) -> bool:
    """From here on `peak_bytes` tells of what comes; returns False where that is forbidden."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return False
    return True


def peak_bytes(pid: int) -> int:
    """The most memory that the process *pid* held at once, since `forget_peak` or its start."""
    return int(_find_line(f"/proc/{pid}/status", r"VmHWM:\s*(\d+)") or 0) * 1024


def _find_line(file: str, pattern: str) -> str | None:
    try:
        found = re.search(pattern, Path(file).read_text(encoding="utf-8"))
    except OSError:
        return None
    return found[1] if found else None
