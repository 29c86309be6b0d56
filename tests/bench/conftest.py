"""Servers that do to their listeners what a test says, and both load clients."""

import os
import socketserver
import threading
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from bench.load import Load
from bench.machine import choose_cores
from presence.dialects.voiceping.frames import CONNECTION_TEST, STATUS
from presence.dialects.voiceping.message_pack import decode_array, encode_array
from presence.dialects.voiceping.outbound import connection_ack, status_frame
from presence.dialects.voiceping.text import decode_text, encode_text


class ScriptedServer:
    """Calls *deal* with the listeners and each message; *greet* with whoever comes."""

    def __init__(self, deal, greet):
        self._deal = deal
        self._greet = greet
        self._lock = threading.Lock()
        self.listeners = {}
        self._server = serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._note,
            compression=None,
            ping_interval=None,
        )
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _note(self, connection, request):
        # Before the answer to the upgrade: a client that has it may count on being told.
        if request.path != "/publish":
            self.listeners[request.path] = connection

    def _handle(self, connection):
        with suppress(ConnectionClosed):
            self._greet(connection)
            for message in connection:
                with self._lock:
                    self._deal(self.listeners, message)

    def stop(self):
        self._server.shutdown()
        self._thread.join()


class Radio:
    """A client as the server sees it; its user is the token, without `t`."""

    def __init__(self, token, form, send, close):
        self.user = token.removeprefix("t")
        self._form = form
        self._send = send
        self.close = close

    def tell(self, user, code):
        self.say(status_frame(user, code))

    def say(self, frame):
        self.send(encode_array(frame) if self._form == "arrays" else encode_text(frame).decode())

    def send(self, message):
        with suppress(ConnectionClosed, OSError):
            self._send(message)


class LineServer(socketserver.ThreadingTCPServer):
    """Calls *serve_radio* with the login and the lines of each connection, in its thread."""

    def __init__(self, serve_radio):
        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self):
                def send(line):
                    self.wfile.write(line.encode() + b"\n")

                def close():
                    self.connection.shutdown(SHUT_RDWR)

                lines = (line.decode().rstrip("\n") for line in self.rfile)
                with suppress(OSError):
                    login = next(lines, "")
                    assert login.startswith("token:")
                    serve_radio(Radio(login.removeprefix("token:"), "lines", send, close), lines)

        super().__init__(("127.0.0.1", 0), Handler)

    def serve_forever(self):
        super().serve_forever(poll_interval=0.01)

    def shutdown(self):
        super().shutdown()
        self.server_close()


def message_server(form, serve_radio):
    """The same over WebSocket; answers in *form*, takes either."""

    def handle(connection):
        assert connection.request.path == "/voiceping"
        token = connection.request.headers["token"]
        with suppress(ConnectionClosed):
            serve_radio(Radio(token, form, connection.send, connection.close_socket), connection)

    return serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None)


class ScriptedRadios:
    """Calls *deal* with all radios by user and each status frame; *greet* with whoever comes.

    The test after the login is answered when *greet* returned, if it returned True.
    """

    def __init__(self, form, deal, greet):
        self.heard = []
        self.radios = {}
        self._deal, self._greet = deal, greet
        self._lock = threading.Lock()
        lines = form == "lines"
        self._server = LineServer(self._serve) if lines else message_server(form, self._serve)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()

    def _serve(self, radio, messages):
        self.radios[radio.user] = radio
        for message in messages:
            decode = decode_array if isinstance(message, bytes) else decode_text
            with self._lock:
                self._hear(radio, decode(message))

    def _hear(self, radio, frame):
        self.heard.append(frame)
        if frame.message_type == CONNECTION_TEST and self._greet(radio):
            radio.say(connection_ack(frame.sender, int(frame.payload)))
        elif frame.message_type == STATUS:
            self._deal(self.radios, frame)


@pytest.fixture
def scripted():
    """`scripted(deal, greet)` starts a server; it stops with the test."""
    servers = []

    def start(deal, greet=lambda connection: None):
        servers.append(ScriptedServer(deal, greet))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def scripted_radios():
    """`scripted_radios(form, deal, greet)` starts a VoicePing server; it stops with the test."""
    servers = []

    def start(form, deal, greet=lambda radio: True):
        servers.append(ScriptedRadios(form, deal, greet))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def loading(tmp_path):
    """`with loading(server, plan) as load:` opens all connections of the load client.

    *greets*: wait for a first message too; *brings_up* False: open none; *form*: how it speaks.
    """

    @contextmanager
    def open_load(server, plan, *, greets=False, brings_up=True, form="json"):
        with Load(
            plan,
            port=server.port,
            server_pid=os.getpid(),
            greets=greets,
            wraps=False,
            cores=choose_cores(),
            directory=tmp_path,
            form=form,
        ) as load:
            if brings_up:
                load.bring_up()
            yield load

    return open_load
