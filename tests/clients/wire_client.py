"""A WebSocket client made of a plain socket: it keeps every byte that the server sends.

None of our code and no library is used, so what it sees is what anybody sees.
"""

import json
import select
import socket
import struct
import time
from contextlib import suppress

from wire import (
    CLOSE,
    FINAL,
    PING,
    PONG,
    RESET_ON_CLOSE,
    TEXT,
    masked_frame,
    parse_frame,
    upgrade_request,
)

ANSWER_WITHIN = 10.0


class InvalidInput(Exception):
    """The upgrade was answered with something else than 101."""

    def __init__(self, head):
        super().__init__(head)
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)


class WireClient:
    """One connection, from its upgrade to its end.

    `received` holds everything after the head of the answer, `head` the head.
    *receive_buffer* in bytes makes a client whose kernel takes little.
    """

    def __init__(self, port, target, *, headers=(), receive_buffer=0):
        self.received = bytearray()
        self._read_to = 0
        self._has_sent_close = False
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(ANSWER_WITHIN)
        try:
            self.socket.connect(("127.0.0.1", port))
            self.socket.sendall(upgrade_request(target, *headers))
            self.head = self._read_head()
        except BaseException:
            self.socket.close()
            raise

    @property
    def is_closed(self):
        """Closed from this side."""
        return self.socket.fileno() < 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def __del__(self):
        self.socket.close()  # left open where a test failed: the warning would hide why

    # -- sending -----------------------------------------------------------------------------

    def send(self, opcode, payload=b"", *, is_final=True):
        self._has_sent_close = self._has_sent_close or opcode == CLOSE
        self.socket.sendall(masked_frame(opcode | FINAL * is_final, payload))

    def say(self, op, **data):
        """Send one message of the gateway."""
        envelope = {"op": op, "d": data} if data else {"op": op}
        self.send(TEXT, json.dumps(envelope).encode())

    def update(self, **data):
        self.say("PRESENCE_UPDATE", **data)

    def leave(self):
        """Say goodbye with code 1000 and wait until the server has ended the connection."""
        self.send(CLOSE, struct.pack("!H", 1000))
        self.wait_end()
        self.socket.close()

    def vanish(self):
        """Reset the connection, as a crash of the client would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.socket.close()

    # -- receiving ---------------------------------------------------------------------------

    def wait_ready(self):
        """Wait for the first message, after which no event is missed; returns it."""
        message = self.next_message()
        assert message["t"] == "READY", message
        return message

    def next_frame(self, within=ANSWER_WITHIN):
        """The next frame as (opcode, payload); raises TimeoutError or, at the end, EOFError."""
        deadline = time.monotonic() + within
        while (found := parse_frame(self.received, self._read_to)) is None:
            self._receive(deadline)
        first, payload, self._read_to = found
        return first & ~FINAL, payload

    def next_message(self, within=ANSWER_WITHIN):
        """The next text frame, decoded; pings are answered."""
        deadline = time.monotonic() + within
        while True:
            opcode, payload = self.next_frame(deadline - time.monotonic())
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == PING:
                self.send(PONG, payload)

    def wait_for(self, is_wanted, within=ANSWER_WITHIN):
        """The first message that *is_wanted*; those before it are passed over."""
        deadline = time.monotonic() + within
        while True:
            message = self.next_message(deadline - time.monotonic())
            if is_wanted(message):
                return message

    def wait_shown(self, user, within=ANSWER_WITHIN, **wanted):
        """Wait until *user* is shown as *wanted*; returns the event's data."""
        return self.wait_for(lambda message: shows(message, user, **wanted), within)

    def wait_texts(self, texts, within=ANSWER_WITHIN):
        """Wait until each user was shown with its custom status of *texts*, in any order."""
        missing = set(texts.items())
        while missing:
            data = self.wait_for(lambda message: "v" in message, within)["d"]
            missing.discard((data["user_id"], data["custom_status"]))

    def wait_bytes(self, wanted, within=ANSWER_WITHIN):
        """Wait until *wanted* has come among the bytes that were not forgotten."""
        deadline = time.monotonic() + within
        while wanted not in self.received:
            self._receive(deadline)

    def beat(self, within=ANSWER_WITHIN):
        """Send a heartbeat and wait for its answer; returns the messages that came before it."""
        self.say("HEARTBEAT")
        before = []
        while (message := self.next_message(within)) != {"op": "HEARTBEAT_ACK"}:
            before.append(message)
        return before

    def wait_end(self, within=ANSWER_WITHIN):
        """Read to the end of the connection; the close code, None if there was none."""
        code = None
        try:
            while True:
                opcode, payload = self.next_frame(within)
                if opcode == CLOSE:
                    code = struct.unpack("!H", payload[:2])[0]
                    self._answer_close(payload)
        except EOFError:
            return code

    def read_what_came(self):
        """Take in what has arrived, without waiting for more."""
        while not self.is_closed and select.select([self.socket], [], [], 0)[0]:
            data = self.socket.recv(1 << 16)
            if not data:
                return
            self.received += data

    def forget(self):
        """Keep nothing of what has been read."""
        del self.received[: self._read_to]
        self._read_to = 0

    def messages(self):
        """Every message so far, from the first."""
        position, found = 0, []
        while (parsed := parse_frame(self.received, position)) is not None:
            first, payload, position = parsed
            if first == FINAL | TEXT:
                found.append(json.loads(payload))
        return found

    def _answer_close(self, payload):
        if not self._has_sent_close:
            with suppress(OSError):
                self.send(CLOSE, payload)

    def _receive(self, deadline):
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError(bytes(self.received[self._read_to :]))
        self.received += data

    def _read_head(self):
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(answer)
            answer += data
        head, _, rest = answer.partition(b"\r\n\r\n")
        self.received += rest
        if not head.startswith(b"HTTP/1.1 101 "):
            raise InvalidInput(head)
        return head


def shows(message, user, **wanted):
    """True where the message shows *user* to others, as *wanted*."""
    data = message.get("d", {})
    if message.get("t") == "SERVER_MEMBER_ADD":
        data = data["member"]
    elif message.get("t") != "PRESENCE_UPDATE" or "v" not in message:
        return False
    return data["user_id"] == user and wanted.items() <= data.items()


def version_of(message):
    """The version that a message carries; None where it carries none."""
    if message.get("t") == "SERVER_MEMBER_ADD":
        return message["d"]["member"]["version"]
    return message.get("v")


def ready_members(message):
    """All members that a READY lists, by id; of every server."""
    servers = message["d"]["servers"]
    return {member["user_id"]: member for server in servers for member in server["members"]}


def wait_until(is_true, within=ANSWER_WITHIN):
    """Look again and again until *is_true*; returns what it returned."""
    deadline = time.monotonic() + within
    while not (found := is_true()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return found


def resident_bytes(pid):
    """The memory of a process that is in RAM now."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def percentile(values, share):
    """The value below which *share* of all *values* are; in the unit of the values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
