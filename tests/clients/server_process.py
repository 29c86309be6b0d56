"""A real server process: `presence serve`, as an operator starts it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from recording_client import RecordingClient

READY_WITHIN = 60.0
STOP_WITHIN = 60.0


class ServerProcess:
    """`presence serve` on free ports of 127.0.0.1, in development mode.

    *settings* become `PRESENCE_*` variables, *options* are put behind our own;
    *program* is another one than ours that takes the same arguments; *streams*
    may name others for `stdout` and `stderr` than the log file. The data
    directory stays when the process is killed, so `start` may be called again.
    """

    working_directory = None

    def __init__(
        self, directory, *, program=("-m", "presence"), options=(), streams=None, **settings
    ):
        self.directory = directory
        self.program = program
        self.options = options
        self.streams = streams or {}
        self.data = directory / "data"
        self.settings = settings
        self.process = None
        self.port = None
        self.pipe_port = None
        self.starts = 0
        self.clients = []

    @property
    def storage(self):
        """The arguments that say where the server keeps what it keeps."""
        return ["--data", self.data]

    def start_again(self):
        """Start on the ports of before, where clients look for it."""
        return self.start(self.port, self.pipe_port)

    def start(self, port=0, pipe_port=0):
        self.starts += 1
        ready_file = self.directory / f"ready-{self.starts}.json"
        environment = {
            key: value
            for key, value in os.environ.items()
            # Buffers are what a broken stream fails at when the process ends.
            if not key.startswith("PRESENCE_") and key != "PYTHONUNBUFFERED"
        }
        for key, value in self.settings.items():
            environment[f"PRESENCE_{key.upper()}"] = str(value)
        arguments = ["serve", "--port", port, "--pipe-port", pipe_port, *self.storage]
        arguments += ["--ready-file", ready_file, *self.options]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *map(str, [*self.program, *arguments])],
                stdin=subprocess.DEVNULL,
                **{"stdout": log, "stderr": log, **self.streams},
                env=environment,
                cwd=self.working_directory,
            )
        deadline = time.monotonic() + READY_WITHIN
        while not ready_file.exists():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)
        ready = json.loads(ready_file.read_text())
        self.port, self.pipe_port = ready["http"], ready["pipe"]
        return self

    @property
    def log_file(self):
        return self.directory / "server.log"

    @property
    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def socket_url(self, user, **query):
        extra = "".join(f"&{key}={value}" for key, value in query.items())
        return f"ws://127.0.0.1:{self.port}/ws?user={user}{extra}"

    def client(self, user, **query):
        """A `RecordingClient` of *user*; it is cut off when the test ends, if not before."""
        client = RecordingClient(self.socket_url(user, **query))
        self.clients.append(client)
        return client

    def metric(self, name):
        """The sum of a metric over its labels."""
        text = self.request("GET", "/metrics")[2].decode()
        lines = [line for line in text.splitlines() if line.partition("{")[0].split()[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def request(self, method, path, *, user=None, token=None, body=None, timeout=10.0):
        """Send one request; returns (status, headers, JSON or bytes)."""
        url = f"http://127.0.0.1:{self.port}{path}"
        if user is not None:
            url += ("&" if "?" in path else "?") + f"user={user}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return _read(answer.status, answer)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error.code, error)

    def token(self, user, *options):
        """A token made by `presence token`."""
        command = [sys.executable, "-m", "presence", "token", user, "--data", str(self.data)]
        made = subprocess.run([*command, *options], capture_output=True, check=True, text=True)
        return made.stdout.strip()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """End the process as a power cut would end it, for what is not on its disk."""
        self.process.kill()
        self.process.wait(STOP_WITHIN)

    def stop(self):
        """Ask the process to end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(STOP_WITHIN)


class DemoProcess(ServerProcess):
    """`presence serve --demo` on free ports; the log and the ready file are not its own."""

    storage = ("--demo",)

    def __init__(self, directory, **settings):
        super().__init__(directory, **settings)
        self.working_directory = directory / "empty"
        self.working_directory.mkdir()


def _read(status, answer):
    body = answer.read()
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    return status, answer.headers, json.loads(body) if is_json and body else body


def serve_in(directory, **settings):
    return running(ServerProcess(directory, **settings))


@contextmanager
def running(server):
    """Start *server*, and end it with the block whatever happened."""
    try:
        server.start()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
            server.process.kill()
            server.process.wait(STOP_WITHIN)
        for client in server.clients:
            client.reset()
