"""A start of the whole server: what it says while it lasts."""

import gc
import io
import json
import os
import threading
import webbrowser
from contextlib import asynccontextmanager

import pytest
import structlog
import trio

from presence import process
from presence.config import Config
from presence.errors import StartFailed
from presence.listeners import Ports
from presence.log import open_log


@pytest.fixture
def log():
    stream = io.StringIO()
    open_log("json", "info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()


@pytest.fixture
def collector_as_before():
    yield
    gc.unfreeze()
    gc.enable()


class SlowServer:
    """Listens after three and a half times the pause between two lines, and then for a minute."""

    async def run(self, on_ready, stop):
        await trio.sleep(3.5 * process.STARTING_LOGGED_EVERY)
        on_ready(Ports(8080, None))
        await trio.sleep(60)


class ReadyServer:
    """Listens at once, and ends."""

    async def run(self, on_ready, stop):
        on_ready(Ports(8080, 7070))


async def test_the_ready_file_is_replaced_atomically(collector_as_before, monkeypatch, tmp_path):
    @asynccontextmanager
    async def open_ready_server(config):
        yield ReadyServer()

    folder = tmp_path / "run"
    folder.mkdir()
    ready = folder / "ready.json"
    ready.write_text("from the last start")
    monkeypatch.setattr(process, "open_server", open_ready_server)
    with ready.open() as opened_before:
        assert await process.serve(Config(data=tmp_path), ready_file=ready) == 0
        assert opened_before.read() == "from the last start"
    assert json.loads(ready.read_text()) == {"http": 8080, "pipe": 7070, "pid": os.getpid()}
    assert list(folder.iterdir()) == [ready]


@pytest.fixture
def ready_server(collector_as_before, monkeypatch):
    """A server that lives until a test says so; its log is not looked at."""
    enough = trio.Event()

    class Server:
        async def run(self, on_ready, stop):
            on_ready(Ports(8080, 7070))
            await enough.wait()

    @asynccontextmanager
    async def open_one(config):
        yield Server()

    monkeypatch.setattr(process, "open_server", open_one)
    return enough


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:8080/"), ("::1", "http://[::1]:8080/")],
)
async def test_the_page_is_opened_once_the_server_accepts(
    ready_server, monkeypatch, capsys, tmp_path, host, address
):
    opened = []

    def note_opened(address):
        opened.append((address, capsys.readouterr().out != ""))
        trio.from_thread.run_sync(ready_server.set)
        return True

    monkeypatch.setattr(webbrowser, "open", note_opened)
    assert await process.serve(Config(host=host, data=tmp_path), opens_page=True) == 0
    assert opened == [(address, True)]


async def test_a_page_is_not_opened_unasked(ready_server, monkeypatch, tmp_path):
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail("opened"))
    ready_server.set()
    assert await process.serve(Config(data=tmp_path)) == 0


async def test_a_page_on_all_addresses_is_opened_on_this_machine(
    ready_server, monkeypatch, tmp_path
):
    opened = []

    def note_opened(address):
        opened.append(address)
        trio.from_thread.run_sync(ready_server.set)
        return True

    monkeypatch.setattr(webbrowser, "open", note_opened)
    config = Config(host="0.0.0.0", data=tmp_path)
    assert await process.serve(config, opens_page=True) == 0
    assert opened == ["http://127.0.0.1:8080/"]


@pytest.mark.parametrize("problem", [None, webbrowser.Error("none"), OSError("gone")])
async def test_a_browser_that_does_not_open_is_a_warning_in_one_sentence(
    ready_server, monkeypatch, capsys, tmp_path, problem
):
    warnings = []

    def fail(address):
        if problem is not None:
            raise problem
        return False

    def note_warning(line, *, is_error=False):
        warnings.append((line, is_error))
        ready_server.set()

    monkeypatch.setattr(webbrowser, "open", fail)
    monkeypatch.setattr(process, "say", note_warning)
    assert await process.serve(Config(data=tmp_path), opens_page=True) == 0
    address = "http://127.0.0.1:8080/"
    assert warnings == [(f"Warning: no browser could be opened; the page is at {address}", True)]


async def test_a_browser_that_takes_its_time_delays_neither_start_nor_stop(
    ready_server, monkeypatch, tmp_path
):
    asked, answer = trio.Event(), threading.Event()

    def hang(address):
        trio.from_thread.run_sync(asked.set)
        answer.wait()
        return False

    monkeypatch.setattr(webbrowser, "open", hang)
    ready = tmp_path / "ready.json"
    try:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    lambda: process.serve(Config(data=tmp_path), ready_file=ready, opens_page=True)
                )
                await asked.wait()
                assert ready.exists()
                ready_server.set()
    finally:
        answer.set()


async def test_a_start_that_takes_long_says_so_every_few_seconds_until_the_server_listens(
    autojump_clock, collector_as_before, monkeypatch, tmp_path, log
):
    @asynccontextmanager
    async def open_slow_server(config):
        yield SlowServer()

    monkeypatch.setattr(process, "open_server", open_slow_server)
    assert await process.serve(Config(data=tmp_path)) == 0
    told = [(line["event"], line.get("seconds")) for line in log()]
    assert told == [
        ("starting", 5),
        ("starting", 10),
        ("starting", 15),
        ("listening", None),
        ("stopped", None),
    ]


async def test_a_ready_file_that_cannot_be_written_in_the_end_is_a_failed_start(
    collector_as_before, monkeypatch, tmp_path, log
):
    folder = tmp_path / "run"
    folder.mkdir()
    open_whole_server = process.open_server

    @asynccontextmanager
    async def open_server_and_lose_the_folder(config):
        async with open_whole_server(config) as server:
            folder.rmdir()
            yield server

    monkeypatch.setattr(process, "open_server", open_server_and_lose_the_folder)
    config = Config(data=tmp_path / "data", port=0, pipe_port=0)
    with pytest.raises(
        StartFailed, match=r"^--ready-file .*ready\.json cannot be written any more"
    ):
        await process.serve(config, ready_file=folder / "ready.json")
