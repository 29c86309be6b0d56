"""VoicePing clients made of foreign programs and libraries, as their users would build them.

Each comes in as a user of its own and says one status. A thread keeps what it
is told, in `told`, in the form in which it gets to see it: what it is to be
told of a user says `frame`.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgpack
import pytest
from line_client import status_line
from recording_client import RecordingSocket

TOLD_WITHIN = 10.0
INSTALLED_WITHIN = 120.0
NODE_PACKAGES = ("ws@8.23.0", "notepack.io@3.0.1")
NODE_RADIO = Path(__file__).with_name("node_radio.cjs")
README = Path(__file__).parents[2] / "README.md"


def array(user, code):
    """The bytes of [0, 5, user, 0, code] in MessagePack, by its specification."""
    number = int(user)
    sender = bytes([number]) if number < 128 else b"\xce" + struct.pack("!I", number)
    return b"\x95\x00\x05" + sender + bytes([0, code])


class Radio:
    """The common part; `reset` ends it without a close frame."""

    def __init__(self, server):
        self.told = []
        self.sent = []
        self._server = server
        self._news = threading.Condition()

    def _start_keeping(self, keep):
        self._keeper = threading.Thread(target=keep, daemon=True)
        self._keeper.start()
        self._server.clients.append(self)  # so that it ends with the test

    def _note(self, frames, frame):
        with self._news:
            frames.append(frame)
            self._news.notify_all()

    def wait_told(self, user, code, within=TOLD_WITHIN):
        """Wait until the newest frame is the one that says *code* of *user*."""
        wanted = self.frame(user, code)
        with self._news:
            self._news.wait_for(lambda: self.told[-1:] == [wanted], within)
            assert self.told[-1:] == [wanted], self.told

    def wait_sent(self):
        """The first frame that it sent, which a program may say late."""
        with self._news:
            assert self._news.wait_for(lambda: self.sent, TOLD_WITHIN)
            return self.sent[0]

    def told_of(self, *users):
        """All frames about these users."""
        frames = {self.frame(user, code) for user in users for code in range(3)}
        return [frame for frame in self.told if frame in frames]


class ProgramRadio(Radio):
    """A program that sends its standard input and prints what it receives."""

    def _start(self, command, environment=(), **options):
        self._program = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **dict(environment)},
            **options,
        )
        self._start_keeping(self._keep)

    def type(self, *lines):
        self._program.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._program.stdin.flush()

    def _keep(self):
        for line in self._program.stdout:
            self._keep_line(line)

    def _keep_line(self, line):
        self._note(self.told, line)

    def reset(self):
        self._program.kill()
        self._program.wait(TOLD_WITHIN)
        self._keeper.join()
        self._program.stdout.close()
        with suppress(BrokenPipeError):
            self._program.stdin.close()


class NcRadio(ProgramRadio):
    """Lines typed into `nc`, which end with LF, or with CR LF where *options* say so."""

    frame = staticmethod(status_line)

    def __init__(self, server, user, code, *options):
        super().__init__(server)
        self._start([find_nc(), *options, "127.0.0.1", server.pipe_port])
        self.type(f"voiceping:{user}", f"|0|5|{user}|0|{code}|")


class NcRadioWithReturns(NcRadio):
    def __init__(self, server, user, code):
        super().__init__(server, user, code, "-C")


class PlainRadio(ProgramRadio):
    """The client that the README shows, with *user* and *code* in the place of its own."""

    def __init__(self, server, user, code):
        super().__init__(server)
        (server.directory / "radio.jwt").write_text(server.token(user))
        text = re.search(r"^## Radios$.*?^```python$(.*?)^```$", README.read_text(), re.M | re.S)[1]
        text = text.replace("7070", str(server.pipe_port))
        text = re.sub(r"voiceping:\w+", f"voiceping:{user}", text)
        text = re.sub(r"\|0\|5\|\w+\|0\|\d\|", f"|0|5|{user}|0|{code}|", text)
        self._start([sys.executable, "-u", "-c", text], cwd=server.directory)

    @staticmethod
    def frame(user, code):
        return f"{user} is {('offline', 'online', 'busy')[code]}\n".encode()


class NodeRadio(ProgramRadio):
    """`ws` with `notepack.io` under node; logs in by headers, as an app does."""

    frame = staticmethod(array)

    def __init__(self, server, user, code, *, packages):
        super().__init__(server)
        self.pings = []
        url = f"ws://127.0.0.1:{server.port}/"
        headers = json.dumps({"token": server.token(user), "device_id": "a-phone"})
        self._start(["node", NODE_RADIO, url, headers], {"NODE_PATH": packages})
        self.type(json.dumps([0, 5, int(user), 0, code]))

    def _keep_line(self, line):
        word, _, rest = line.decode().strip().partition(" ")
        if word == "ping":
            self._note(self.pings, rest)
        elif word == "sent":
            self._note(self.sent, bytes.fromhex(rest))
        else:
            # What `notepack.io` made of it is checked here, what it was by who asks for it.
            frame, _, fields = rest.partition(" ")
            assert word == "told", line
            assert msgpack.unpackb(bytes.fromhex(frame)) == json.loads(fields)
            self._note(self.told, bytes.fromhex(frame))

    def wait_ping(self):
        with self._news:
            assert self._news.wait_for(lambda: self.pings, TOLD_WITHIN)
            return self.pings[0]


class SocketRadio(Radio):
    """`websockets`, as it is where nobody sets anything."""

    def __init__(self, server, path, **options):
        super().__init__(server)
        url = f"ws://127.0.0.1:{server.port}{path}"
        self.socket = RecordingSocket(url, lambda frame: self._note(self.told, frame), **options)
        self.wait_closed = self.socket.wait_closed
        self.reset = self.socket.reset
        server.clients.append(self)  # so that it ends with the test

    def send(self, message):
        self.sent.append(message)
        self.socket.send(message)


class ArrayRadio(SocketRadio):
    """With `msgpack`; logs in by subprotocols, as a page does."""

    frame = staticmethod(array)

    def __init__(self, server, user, code, device="a-page"):
        super().__init__(server, "/voiceping", subprotocols=[server.token(user), device])
        self.send(msgpack.packb([0, 5, int(user), 0, code]))


class TextRadio(SocketRadio):
    """In text messages; logs in by the other header, and asks for text."""

    def __init__(self, server, user, code):
        headers = {"voicepingtoken": server.token(user), "deviceid": "a-desk"}
        options = {"subprotocols": ["voiceping.text"], "additional_headers": headers}
        super().__init__(server, "/", **options)
        assert self.socket.subprotocol == "voiceping.text"
        self.send(self.frame(user, code))

    @staticmethod
    def frame(user, code):
        return status_line(user, code).decode().removesuffix("\n")


def find_nc():
    """The path of `nc`; skips the test where there is none."""
    return shutil.which("nc") or pytest.skip(
        "nc is not installed: Debian's package netcat-openbsd has it"
    )


def install_node_packages(directory):
    """Install what the radio of node needs below *directory*; returns where it can be found.

    Skips the test where there is no node, or its packages cannot be had.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    words = ["npm", "install", "--no-audit", "--no-fund", "--prefix", directory, *NODE_PACKAGES]
    try:
        done = subprocess.run(
            list(map(str, words)),
            capture_output=True,
            text=True,
            timeout=INSTALLED_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not install {NODE_PACKAGES} within {INSTALLED_WITHIN} s")
    if done.returncode:
        said = " ".join(done.stderr.split())
        pytest.skip(f"npm could not install {NODE_PACKAGES}: {said[:300]}")
    return directory / "node_modules"
