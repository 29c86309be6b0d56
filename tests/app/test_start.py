"""A start of the whole server: what it says while it lasts."""

import gc
import io
import json
import os
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
