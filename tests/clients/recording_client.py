"""WebSocket clients of the `websockets` library: a thread keeps every message that comes."""

import json
import socket
import threading
import time
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from wire import RESET_ON_CLOSE

EVENT_WITHIN = 10.0


class RecordingSocket:
    """One open WebSocket; the thread calls *on_message* with each message."""

    def __init__(self, url, on_message, **options):
        # Open beyond a block: `close` or `reset` ends it.
        self._socket = connect(url, proxy=None, **options).__enter__()
        self._on_message = on_message
        self.news = threading.Condition()
        self.subprotocol = self._socket.subprotocol
        self.close_code = None
        self.send = self._socket.send
        self._reader = threading.Thread(target=self._record, daemon=True)
        self._reader.start()

    def _record(self):
        with suppress(ConnectionClosed):
            while True:
                message = self._socket.recv()
                with self.news:
                    self._on_message(message)
                    self.news.notify_all()
        with self.news:
            self.close_code = self._socket.close_code
            self.news.notify_all()

    def wait_closed(self, within=EVENT_WITHIN):
        """Wait for the end of the connection; returns the close code (1006: there was none)."""
        with self.news:
            assert self.news.wait_for(lambda: self.close_code is not None, within)
            return self.close_code

    def close(self, code=1000):
        """Close in order."""
        self._socket.close(code)
        self.wait_closed()

    def reset(self):
        """End the connection with a TCP reset, as a crash of the client's machine may."""
        with suppress(OSError):  # it was closed before
            self._socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._socket.socket.close()  # first, for the library would send a FIN
        self._socket.close_socket()
        self._reader.join()


class RecordingClient(RecordingSocket):
    """A user's connection to the Together gateway, and the time at which each message came.

    Made, it has its READY. It answers pings; it sends nothing by itself.
    """

    def __init__(self, url):
        self.frames = []
        self.came_at = []
        options = {"compression": None, "ping_interval": None, "max_queue": None}
        super().__init__(url, self._note, close_timeout=3, **options)
        self.wait_for(lambda frames: frames)

    def _note(self, message):
        self.came_at.append(time.monotonic())
        self.frames.append(json.loads(message))

    @property
    def is_open(self):
        return self.close_code is None

    @property
    def self_view(self):
        """The self view of READY."""
        return self.frames[0]["d"]["user"]

    @property
    def told(self):
        """All after READY, without versions; `told_of` has them."""
        return [_without_versions(frame) for frame in self.frames[1:]]

    def told_of(self, user):
        """(version, status) of each event about another user, in order."""
        events = []
        for frame in list(self.frames[1:]):
            data = frame.get("d", {})
            if data.get("user_id") == user and "v" in frame:
                events.append((frame["v"], data["status"]))
            elif data.get("member", {}).get("user_id") == user:
                events.append((data["member"]["version"], data["member"]["status"]))
        return events

    def wait_for(self, is_there, within=EVENT_WITHIN):
        """Wait until *is_there*, asked with all frames, says yes; returns its answer.

        Raises ConnectionError where the connection ends first.
        """
        with self.news:
            self.news.wait_for(lambda: is_there(self.frames) or not self.is_open, within)
            answer = is_there(self.frames)
            if not answer and not self.is_open:
                raise ConnectionError(f"closed with {self.close_code}")
            assert answer, f"not within {within} s, but: {self.frames[-20:]}"
            return answer

    def set(self, status, **fields):
        """Send a PRESENCE_UPDATE."""
        self.send(json.dumps({"op": "PRESENCE_UPDATE", "d": {"status": status, **fields}}))

    def beat(self, within=EVENT_WITHIN):
        """Send a HEARTBEAT and wait for its answer: all that was sent before has been read."""
        before = sum(frame["op"] == "HEARTBEAT_ACK" for frame in self.frames)
        self.send('{"op": "HEARTBEAT"}')
        self.wait_for(
            lambda frames: sum(frame["op"] == "HEARTBEAT_ACK" for frame in frames) > before, within
        )


def _without_versions(value):
    if isinstance(value, dict):
        versions = ("v", "version")
        return {
            key: _without_versions(inner) for key, inner in value.items() if key not in versions
        }
    return [_without_versions(inner) for inner in value] if isinstance(value, list) else value
