"""Ended connections are freed at once, or found in the young generation."""

import gc
from contextlib import contextmanager

import pytest
import trio

from presence.gc_pacer import YOUNG

pytestmark = pytest.mark.usefixtures("small_heap")

COUNT = 20
FEW = 2
"""Old objects in cycles that each end may leave behind; a connection has hundreds."""


@contextmanager
def nothing_old_left_in_cycles():
    """Check that objects which end within the block are freed without a full collection."""
    gc.collect()
    gc.disable()
    try:
        yield
        gc.collect(YOUNG)
        assert gc.collect() <= FEW * COUNT
    finally:
        gc.enable()


async def raw_socket(server, user):
    """A WebSocket client that leaves no cycles of its own."""
    client = await server.open_mute(f"/ws?user={user}&state=offline")
    assert b"READY" in (await client.frame())[1]
    return client.stream


async def raw_pipe(server, user):
    stream = await trio.open_tcp_stream("127.0.0.1", server.pipe_port)
    await stream.send_all(f"voiceping:{user}\n".encode())
    return stream


ENDS = {
    "goodbye": b"\x88\x82\0\0\0\0\x03\xe8",
    "malformed frame": b"\xff\xff\xff\xff",
    "end of file": b"",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("connect", [raw_socket, raw_pipe], ids=["socket", "pipe"])
async def test_a_connection_that_ended_leaves_no_cycles(start_server, connect, end):
    server = await start_server(
        pipe_port=0, grace_after=0.0, max_connections_per_address=0, large_threshold=1
    )
    streams = [await connect(server, f"u{number}") for number in range(COUNT)]
    await server.until(lambda: len(server.node.connections) == COUNT)
    await server.quiet()
    with nothing_old_left_in_cycles():
        while streams:
            stream = streams.pop()
            await stream.send_all(ENDS[end])
            await stream.aclose()
        await server.until(lambda: not server.node.connections)
        await server.quiet()


REQUESTS = {
    "answered": b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "not found": b"GET /users/nobody?user=ada HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "refused": b"PATCH /users/@me?user=ada HTTP/1.1\r\nhost: localhost\r\n"
    b'content-length: 15\r\n\r\n{"status": "x"}',
    "malformed": b"GET nowhere\r\n\r\n",
}


@pytest.mark.parametrize("last", REQUESTS)
async def test_a_connection_that_was_kept_alive_leaves_no_cycles(start_server, last):
    server = await start_server(max_connections_per_address=0, max_requests_per_second=0)
    [listener] = server.listeners
    streams = []
    for _ in range(COUNT):
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(REQUESTS["answered"])
        assert await stream.receive_some(65536)
        streams.append(stream)
    await server.quiet()
    with nothing_old_left_in_cycles():
        while streams:
            stream = streams.pop()
            await stream.send_all(REQUESTS[last])
            assert await stream.receive_some(65536)
            await stream.aclose()
        await server.until(lambda: not listener.connection_count)
        await server.quiet()
