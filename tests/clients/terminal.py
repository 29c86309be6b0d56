"""A command of ours on a terminal, as a person sees and types it."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from contextlib import contextmanager

PATIENCE = 60.0

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """What is on the screen of one command; `text` is all of it so far, without colours."""

    def __init__(self, process, descriptor):
        self.process = process
        self._descriptor = descriptor
        self._raw = b""

    @property
    def text(self):
        return _ESCAPE.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    def wait_for(self, words):
        deadline = time.monotonic() + PATIENCE
        while words not in self.text:
            assert self._read(deadline), self.text

    def type(self, line):
        os.write(self._descriptor, line.encode() + b"\n")

    def wait_end(self):
        """Wait for the end of the command; returns its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, deadline):
        """Read some more; False at the end."""
        ready, _, _ = select.select([self._descriptor], [], [], max(0, deadline - time.monotonic()))
        assert ready, self.text
        try:
            chunk = os.read(self._descriptor, 65_536)
        except OSError:  # Linux: nobody has the other side any more
            return False
        self._raw += chunk
        return bool(chunk)


@contextmanager
def open_terminal(*arguments, env):
    """Run `presence` with *arguments* on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "presence", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env | {"TERM": "xterm", "COLUMNS": "100"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(ours)
