"""The load client speaks to a server of channels, here one that does what the test says."""

import socketserver
import threading
from contextlib import suppress

import pytest

from bench.load import Connection, LoadFailed
from bench.native import find_compiler

pytestmark = [
    pytest.mark.skipif(not find_compiler(), reason="needs a C compiler (gcc or clang)"),
    pytest.mark.parametrize("loading", ["native"], indirect=True),
]

PLAN = [Connection("L", "/listen"), Connection("L", "/listen"), Connection("P", "/publish")]
HEAD = b"*3\r\n$7\r\nmessage\r\n$1\r\nu\r\n"
SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nu\r\n:1\r\n"


class Channels(socketserver.ThreadingTCPServer):
    """Passes what is published through *deal* to all who subscribed."""

    daemon_threads = True

    def __init__(self, deal, welcome):
        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(handler):
                with suppress(OSError):
                    self.serve_client(handler.rfile, handler.wfile)

        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self._deal, self._welcome = deal, welcome
        self._listeners = []

    def serve_client(self, lines, out):
        for line in lines:
            if line == b"SUBSCRIBE u\r\n":
                self._listeners.append(out)
                out.write(self._welcome)
            elif line == b"PING\r\n":
                out.write(b"+PONG\r\n")
            elif line.startswith(b"{"):
                for body in self._deal(line[:-2]):
                    for listener in self._listeners:
                        listener.write(HEAD + b"$%d\r\n%s\r\n" % (len(body), body))
                out.write(b":2\r\n")


@pytest.fixture
def channels():
    """`channels(deal)` starts a server; all stop at the end."""
    servers = []

    def start(deal, welcome=SUBSCRIBED):
        server = Channels(deal, welcome)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_honest_server_passes_every_check(channels, loading):
    with loading(channels(lambda body: [body]), PLAN, form="redis") as load:
        answer = load.run(w=1, seconds=0.1)
    assert not any(answer.checks.values())
    assert answer["deliveries"] == 2 * answer["rounds"] > 0


@pytest.mark.parametrize(
    ("deal", "fault"),
    [
        pytest.param(lambda body: [], "lost", id="nothing comes"),
        pytest.param(lambda body: [body, body], "duplicated", id="twice"),
        pytest.param(lambda body: [body.replace(b"#0000.", b"#0007.")], "garbled", id="of nobody"),
    ],
)
def test_what_is_not_right_is_counted(channels, loading, deal, fault):
    with loading(channels(deal), PLAN, form="redis") as load:
        answer = load.run(w=1, seconds=0.1, lost_after=0.3)
    assert answer.checks[fault] > 0


def test_who_is_refused_is_not_ready(channels, loading):
    server = channels(lambda body: [body], welcome=b"-ERR max number of clients reached\r\n")
    with pytest.raises(LoadFailed), loading(server, PLAN, form="redis"):
        pass
