"""Handlers that wait for the store or an actor stop when their client has gone."""

import json
import sqlite3
from contextlib import contextmanager
from socket import SO_LINGER, SOL_SOCKET

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from presence.frontends.together import routes
from presence.transport.sockets.socket_writer import RESET_ON_CLOSE

CHANGE = json.dumps({"status": "dnd"}).encode()
PATCH = (
    b"PATCH /users/@me?user=alice HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(CHANGE), CHANGE)
)
LOOK = b"GET /users/@me?user=alice HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def locked(database):
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def send(server, wire):
    """Send *wire* and wait until its handler waits, without an answer."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    await stream.send_all(wire)
    (listener,) = server.listeners
    await server.until(lambda: listener.connection_count == 1)
    await wait_all_tasks_blocked(0.05)
    with trio.move_on_after(0.1) as reading:
        await stream.receive_some()
    assert reading.cancelled_caught, "the handler does not wait"
    return listener, stream


async def vanish(stream, how):
    if how == "reset":
        stream.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
    await stream.aclose()


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_change_that_waits_for_its_commit_stops_waiting_and_is_stored_later(
    server, monkeypatch, how
):
    monkeypatch.setattr(routes, "PERSISTED_WITHIN", 60.0)
    with locked(server.config.data / "presence.db"):
        listener, stream = await send(server, PATCH)
        await vanish(stream, how)
        with trio.fail_after(0.5):
            await server.until(lambda: listener.connection_count == 0)
    await server.until(lambda: server.node.writer.statistics().waiting == 0)
    answer = await server.request("GET", "/users/@me", user="alice")
    assert answer.json["intent"] == "dnd"


@pytest.fixture
def may_read(server, monkeypatch):
    """No user can be read from the store until this is set."""
    may_read, read_user = trio.Event(), server.node.writer.read_user

    async def read_later(user_id):
        await may_read.wait()
        return await read_user(user_id)

    monkeypatch.setattr(server.node.writer, "read_user", read_later)
    return may_read


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_question_to_a_slow_actor_ends_with_its_client(server, may_read, how):
    listener, stream = await send(server, LOOK)
    await vanish(stream, how)
    with trio.fail_after(0.5):
        await server.until(lambda: listener.connection_count == 0)
    may_read.set()


async def test_a_question_to_a_slow_actor_is_answered_503_within_a_second_of_a_stop(
    server, may_read, nursery
):
    _, stream = await send(server, LOOK)
    began_at = trio.current_time()
    nursery.start_soon(server.stop)
    answer = await stream.receive_some()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert trio.current_time() - began_at < 2
    await stream.aclose()
    may_read.set()
