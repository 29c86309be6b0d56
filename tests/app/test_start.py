"""A start of the whole server: what it says while it lasts."""

import gc
import io
import json

import pytest
import structlog
import trio

from presence.adapters.store_sqlite import SqliteStore
from presence.app import STARTING_TOLD_EVERY, serve
from presence.config import Config
from presence.errors import DataUnusable
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
    gc.enable()


async def test_a_start_that_takes_long_says_so_every_few_seconds(
    autojump_clock, collector_as_before, monkeypatch, tmp_path, log
):
    async def open_slowly(store, now_wall):
        await trio.sleep(3.5 * STARTING_TOLD_EVERY)
        raise DataUnusable("no use")

    monkeypatch.setattr(SqliteStore, "open", open_slowly)
    with pytest.raises(DataUnusable, match="no use"):
        await serve(Config(data=tmp_path, port=0))
    told = [line for line in log() if line["event"] == "starting"]
    assert [line["seconds"] for line in told] == [5, 10, 15]
    assert {line["directory"] for line in told} == {str(tmp_path)}
