"""The servers that are measured: ours, the baseline in C, and others; each a process of its own."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from bench.load import Connection, Form, Kind, Load
from bench.machine import Cores
from bench.native import build
from presence.adapters.secret_key import read_secret
from presence.adapters.tokens import issue_token

START_WITHIN = 30.0
STOP_WITHIN = 30.0
TOKEN_TTL = 86400.0
FIRST_RADIO = 1_000_000
PLAIN: Mapping[str, object] = {
    "pipe_port": "off",
    "log_format": "json",
    "log_level": "warning",
    "max_connections_per_address": 0,  # all come from one
}
NO_LIMITS: Mapping[str, object] = {
    "max_frames_per_second": 0,
    "max_presence_changes": 0,
    "max_connections_per_user": 0,
    "max_devices_per_user": 0,
    "max_requests_per_second": 0,
}


class StartFailed(Exception):
    """A server did not come up; says what it printed."""


@attrs.define
class Server:
    """A server that runs."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    data: Path
    is_ours: bool = False
    """It greets with a snapshot, and makes an update out of a change."""
    pipe_port: int | None = None
    form: Form = "json"
    """How its load is to speak."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def has_audiences(self) -> bool:
        return SERVERS[self.name].has_audiences

    def connection(
        self,
        kind: Kind,
        number: int,
        *,
        audiences: Sequence[int] | None = None,
        is_silent: bool = True,
    ) -> Connection:
        """One line of the plan: the *number*th publisher, or the *number*th listener.

        *audiences* None: all are in one audience. A silent listener comes with
        `state=offline`, so that nobody is told that it came; VoicePing has no
        such words, see `registered.hide`.
        """
        publishes = kind == "P"
        shown_to = (0,) if audiences is None else tuple(audiences)
        if not self.is_ours:
            path = "/publish" if publishes else "/listen"
            if self.has_audiences:
                path += f"?{','.join(map(str, shown_to))}"
            return Connection(kind, path, shown_to)
        user = user_of(kind, number, self.form)
        servers = None if audiences is None else [f"s{each}" for each in audiences]
        token = self.token(user, servers)
        if self.form != "json":
            return Connection(kind, f"{user}:{token}", shown_to)
        query = "" if publishes or not is_silent else "&state=offline"
        return Connection(kind, f"/ws?token={token}{query}", shown_to)

    def open_load(self, plan: Sequence[Connection], cores: Cores) -> Load:
        port = self.pipe_port if self.form == "lines" else self.port
        assert port is not None, "the pipe is off"
        return Load(
            plan,
            port=port,
            form=self.form,
            server_pid=self.pid,
            greets=self.is_ours,
            wraps=self.is_ours,
            cores=cores,
            directory=self.data,
        )

    def token(self, user: str, servers: Sequence[str] | None) -> str:
        """The token of *user* for our server; *servers* None: the token names none."""
        key = read_secret(self.data / "data").key
        return issue_token(key, user, now=time.time(), ttl=TOKEN_TTL, servers=servers)


def user_of(kind: Kind, number: int, form: Form) -> str:
    """The user of the *number*th publisher, or of the *number*th listener, at our server."""
    if form != "json":  # numbers, as radios have them: publishers are 1, 2, ...
        return str(number + 1 if kind == "P" else FIRST_RADIO + number)
    return f"p{number:04}" if kind == "P" else f"l{number:06}"


@attrs.frozen
class MeasuredServer:
    """A server that can be measured, or why it cannot."""

    name: str
    summary: str
    start: Callable[[Path, Mapping[str, object]], Server]
    why_missing: Callable[[], str | None] = lambda: None
    has_audiences: bool = False
    """A publisher reaches some audiences only; with other servers it reaches everybody."""

    @property
    def described(self) -> str:
        """Its summary, and what is missing."""
        missing = self.why_missing()
        return f"{self.summary} [{missing}]" if missing else self.summary


@contextmanager
def serving(
    name: str,
    directory: Path,
    cores: Cores,
    settings: Mapping[str, object] = NO_LIMITS,
) -> Iterator[Server]:
    """Run the server *name* on the server's core, its files in a folder of *directory*.

    *settings* are for our server.
    """
    data = directory / name
    data.mkdir(exist_ok=True)
    server = SERVERS[name].start(data, settings)
    os.sched_setaffinity(server.pid, cores.server)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait(STOP_WITHIN)


def data_of(name: str, directory: Path) -> Path:
    """Where our server will have its data when it is served as *name* in *directory*."""
    return directory / name / "data"


def stop(server: Server) -> float:
    """Ask a server to end as an operator would; returns the seconds it took."""
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(STOP_WITHIN)
    return time.monotonic() - began


def start_again(server: Server, cores: Cores, settings: Mapping[str, object]) -> float:
    """Start our server anew at the same port, with the data it has; returns the seconds it took."""
    began = time.monotonic()
    again = _start_presence(server.data, {**settings, "port": server.port})
    os.sched_setaffinity(again.pid, cores.server)
    server.process = again.process
    return time.monotonic() - began


def _start_presence(data: Path, settings: Mapping[str, object]) -> Server:
    ready_file = data / "ready.json"
    ready_file.unlink(missing_ok=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PRESENCE_")
    }
    for name, value in {"port": 0, **PLAIN, **settings}.items():
        environment[f"PRESENCE_{name.upper()}"] = str(value)
    words = [sys.executable, "-m", "presence", "serve", "--data", str(data / "data")]
    words += ["--ready-file", str(ready_file)]
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
    deadline = time.monotonic() + START_WITHIN
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise StartFailed((data / "server.log").read_text(encoding="utf-8")[-2000:])
        time.sleep(0.005)
    ports = json.loads(ready_file.read_text(encoding="utf-8"))
    return Server("presence", ports["http"], process, data, is_ours=True, pipe_port=ports["pipe"])


def _start_printing(name: str, data: Path, words: Sequence[str]) -> Server:
    """Start a server that prints its port."""
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.strip().isdigit():
        process.kill()
        raise StartFailed(f"{name}: {(data / 'server.log').read_text(encoding='utf-8')[-2000:]}")
    return Server(name, int(line), process, data)


def _start_socketify(data: Path, settings: Mapping[str, object]) -> Server:
    with socket.socket() as listener:  # it cannot choose a port itself
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    words = [sys.executable, "-m", "bench.peers.socketify_server", str(port)]
    return _start_printing("socketify", data, words)


def _why_no_socketify() -> str | None:
    return None if importlib.util.find_spec("socketify") else "socketify is not installed"


def _baseline(name: str, summary: str, *options: str) -> MeasuredServer:
    return MeasuredServer(
        name,
        summary,
        lambda data, _: _start_printing(name, data, [str(build("baseline")), *options]),
        lambda: None if build("baseline") else "no C compiler at hand",
        has_audiences=not options,
    )


_ALL = (
    _baseline("baseline", "a loop of send() in C: the least there is"),
    _baseline("baseline-joined", "the same, what came together in one send()", "--joined"),
    MeasuredServer(
        "presence",
        "this server, whole: tokens, actors, rules, store",
        _start_presence,
        has_audiences=True,
    ),
    MeasuredServer(
        "socketify", "uWebSockets (C++): publish to a topic", _start_socketify, _why_no_socketify
    ),
)
SERVERS: Mapping[str, MeasuredServer] = {server.name: server for server in _ALL}
