"""A server that does to its listeners what a test says, and both load clients."""

import os
import threading
from contextlib import contextmanager, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from bench import load as load_module
from bench.load import Load
from bench.machine import choose_cores
from bench.native import find_compiler


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


@pytest.fixture(params=["native", "python"] if find_compiler() else ["python"])
def loading(request, tmp_path, monkeypatch):
    """`with loading(server, plan) as load:` opens all connections, with each of the clients.

    *greets*: wait for a first message too; *brings_up* False: open none.
    """
    if request.param == "python":
        monkeypatch.setattr(load_module, "build", lambda name: None)

    @contextmanager
    def open_load(server, plan, *, greets=False, brings_up=True):
        with Load(
            plan,
            port=server.port,
            server_pid=os.getpid(),
            greets=greets,
            wraps=False,
            cores=choose_cores(),
            directory=tmp_path,
        ) as load:
            if brings_up:
                load.bring_up()
            yield load

    return open_load
