"""HTTP requests as load: what is asked, what the right answer is, and what came of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from bench.load import LoadFailed
from bench.machine import Cores
from bench.results import Histogram

_HEAD_END: Final = b"\r\n\r\n"


@attrs.frozen
class Asked:
    """A request, and what the answer must be: its status, its whole body or a part of it."""

    method: str
    target: str
    token: str
    body: str = ""
    status: int = 200
    answer: str | None = None
    has: str = ""

    def to_bytes(self, port: int) -> bytes:
        body = self.body.encode()
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        head += f"Authorization: Bearer {self.token}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def is_answered_by(self, status: int, body: bytes) -> bool:
        if status != self.status or self.has.encode() not in body:
            return False
        return self.answer is None or body == self.answer.encode()


@attrs.frozen
class Heard:
    """What was counted in the window."""

    requests: int
    wrong: int
    """Answers with another status or body than the right one, the warm-up's included."""
    unanswered: int
    server_cpu_s: float
    client_share: float
    wall_s: float
    waits: Histogram


def find_answer(unread: bytes) -> tuple[int, bytes, int] | None:
    """The status, the body and the length of the answer with which *unread* begins; None if cut.

    Raises `ValueError` for what has no length, as nobody could tell its end.
    """
    head, end, rest = unread.partition(_HEAD_END)
    if not end:
        return None
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    if b"content-length" not in fields:
        raise ValueError("an answer without a length")
    length = int(fields[b"content-length"])
    if len(rest) < length:
        return None
    return int(head[9:12]), rest[:length], len(head) + len(end) + length


def measure(
    plan: Sequence[Sequence[Asked]],
    *,
    port: int,
    server_pid: int,
    seconds: float,
    cores: Cores,
    directory: Path,
) -> Heard:
    """Run `bench.callers` with *plan*, a list for each connection.

    Raises `LoadFailed` if it crashes.
    """
    file = directory / f"requests-{port}"
    lines = [[attrs.asdict(each) for each in asked] for asked in plan]
    file.write_text(json.dumps(lines), encoding="utf-8")
    words = [sys.executable, "-m", "bench.callers", str(file), str(port), str(server_pid)]
    with subprocess.Popen([*words, str(seconds)], stdout=subprocess.PIPE) as process:
        os.sched_setaffinity(process.pid, cores.load)
        assert process.stdout is not None
        line = process.stdout.readline()
    if not line:
        raise LoadFailed("the load of requests ended by itself")
    return _read(json.loads(line))


def _read(told: Mapping[str, Any]) -> Heard:
    return Heard(**{**told, "waits": Histogram.of(told["waits"])})
