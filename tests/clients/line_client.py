"""A VoicePing client made of a plain socket: it keeps every byte that the server sends.

None of our code and no library is used, so what it sees is what anybody sees.
"""

import socket
import time

from wire import RESET_ON_CLOSE

ANSWER_WITHIN = 10.0

OFFLINE, ONLINE, BUSY = 0, 1, 2


def status_line(user, code):
    """The line that says of *user* to be offline, online or busy."""
    return f"|0|5|{user}|0|{code}|\n".encode()


class LineClient:
    """One connection to the pipe; made, its user is logged in, and `received` is the snapshot.

    *user* is who it says to be in development mode, where it shows no *token*.
    """

    def __init__(self, server, user, *, token=None):
        self.user = user
        self.received = b""
        self.socket = socket.create_connection(("127.0.0.1", server.pipe_port), ANSWER_WITHIN)
        self._tests = 0
        try:
            self.send(f"voiceping:{user}" if token is None else f"token:{token}")
            self.catch_up()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *lines):
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def say(self, code):
        self.socket.sendall(status_line(self.user, code))

    def catch_up(self):
        """Have a connection test answered: all that was sent before has been heard."""
        self._tests += 1
        self.send(f"|1|25|{self.user}|0|{self._tests}|")
        answer = f"|1|26|0|{self.user}|{self._tests}|\n".encode()
        self.wait_line(answer)
        self.received = self.received.replace(answer, b"")

    def wait_line(self, line, within=ANSWER_WITHIN):
        """Wait until *line* has come."""
        deadline = time.monotonic() + within
        while line not in self.received:
            self._receive(deadline)

    def wait_end(self, within=ANSWER_WITHIN):
        """Read to the end, which must be an EOF."""
        self.socket.settimeout(within)
        while data := self.socket.recv(1 << 16):
            self.received += data

    def forget(self):
        """Keep nothing of what has come."""
        self.received = b""

    def vanish(self):
        """Reset the connection, as a crash of the client would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.socket.close()

    def _receive(self, deadline):
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError(self.received)
        self.received += data
