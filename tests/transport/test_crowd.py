"""A crowd that comes or goes at once passes a few at a time, and nobody can stand in the way."""

import struct

import attrs
import pytest
import trio
import trio.testing
from wire import masked_frame, upgrade_request

from presence.transport.concurrency_gate import HANDSHAKES_AT_ONCE, TEARDOWNS_AT_ONCE
from presence.transport.http.request import error_response
from presence.transport.sockets import stream
from presence.transport.sockets.stream import SocketEnded
from presence.transport.tcp_listener import ACCEPTS_PER_TURN
from presence.transport.websocket.frames import text_frame
from presence.transport.websocket.upgrade import Admitted

pytestmark = pytest.mark.usefixtures("quick_end")

MORE = HANDSHAKES_AT_ONCE + 8
RESET = struct.pack("ii", 1, 0)


@attrs.define
class Slow:
    """Admits everybody; the sessions are at work until `finish`, then they listen."""

    finish: trio.Event = attrs.field(factory=trio.Event)
    farewell: trio.Event | None = None
    """Those who are lost end after this only."""
    begun: list = attrs.field(factory=list)
    crashes: bool = False
    most_at_once: int = 0
    ending: int = 0

    async def admit(self, request):
        if request.path != "/ws":
            return error_response(404, "not found")
        return Admitted(None, self.serve)

    async def serve(self, socket):
        if self.crashes:
            raise ValueError
        self.begun.append(socket)
        await self.finish.wait()
        socket.set_text_callback(lambda text: None)
        try:
            while True:
                await socket.receive()
        except SocketEnded:
            self.ending += 1
            self.most_at_once = max(self.most_at_once, self.ending)
            await trio.sleep(0.01)
            if self.farewell is not None:
                await self.farewell.wait()
            self.ending -= 1


@pytest.fixture
def route():
    return Slow()


async def come(listener, count):
    clients = [await listener.connect() for _ in range(count)]
    for client in clients:
        await client.send(upgrade_request())
    return clients


async def come_in(listener, route):
    """More than there are places for come, arrive and listen."""
    route.finish.set()
    clients = await come(listener, MORE)
    await listener.wait_until(lambda: len(route.begun) == MORE)
    for client in clients:
        await client.answer()
    return clients


async def test_handshakes_are_limited_and_the_others_follow(open_http_listener, route):
    listener = await open_http_listener(route=route)
    await come(listener, MORE)
    await listener.wait_until(lambda: listener.listener.connection_count == MORE)
    await listener.wait_until(lambda: len(route.begun) == HANDSHAKES_AT_ONCE)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert len(route.begun) == HANDSHAKES_AT_ONCE
    route.begun[0].release_handshake_slot()
    await listener.wait_until(lambda: len(route.begun) == HANDSHAKES_AT_ONCE + 1)
    route.finish.set()
    await listener.wait_until(lambda: len(route.begun) == MORE)


async def test_requests_are_answered_while_handshakes_wait(open_http_listener, route):
    listener = await open_http_listener(route=route)
    await come(listener, MORE)
    await listener.wait_until(lambda: len(route.begun) == HANDSHAKES_AT_ONCE)
    client = await listener.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await client.answer())[0] == 200


async def test_refused_slow_and_open_connections_hold_no_handshake_slot(open_http_listener, route):
    listener = await open_http_listener(route=route)
    for head in (b"GET /ws HT", upgrade_request("/nowhere")):
        for client in [await listener.connect() for _ in range(MORE)]:
            await client.send(head)
    route.finish.set()
    await come(listener, 3 * ACCEPTS_PER_TURN)
    await listener.wait_until(lambda: len(route.begun) == 3 * ACCEPTS_PER_TURN)


async def test_a_crashed_session_releases_its_slot(open_http_listener, route):
    listener = await open_http_listener(route=route)
    route.crashes = True
    for client in await come(listener, MORE):
        assert await client.wait_end()
    route.crashes = False
    await come(listener, 1)
    await listener.wait_until(lambda: len(route.begun) == 1)
    await listener.wait_until(lambda: len(listener.crashes) == MORE)


@pytest.mark.parametrize("how", ["reset", "goodbye"])
async def test_connections_lost_at_once_are_torn_down_a_few_at_a_time(
    open_http_listener, route, how
):
    listener = await open_http_listener(route=route)
    clients = await come_in(listener, route)
    for client in clients:
        if how == "reset":
            sock = client.stream.socket
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, RESET)
        else:
            await client.send(masked_frame(0x88, b"\x03\xe8"))
    for client in clients:
        await client.stream.aclose()
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert route.most_at_once > 0
    if how == "reset":
        assert route.most_at_once <= HANDSHAKES_AT_ONCE


async def test_slow_readers_of_close_frames_block_no_teardown(
    open_http_listener, route, monkeypatch
):
    monkeypatch.setattr(stream, "LAST_CHANCE_AFTER", 30.0)  # none of them is cut meanwhile
    listener = await open_http_listener(route=route, max_unsent_bytes=1000)
    await come_in(listener, route)
    for socket in route.begun:
        while socket.stream.push(text_frame(b"x" * 60_000)):
            pass
    await listener.wait_until(lambda: listener.counts["slow"] == MORE)
    assert listener.listener.connection_count == MORE
    for socket in route.begun:
        socket.stream.cut("enough seen")


async def test_clients_lost_while_waiting_for_the_store_block_no_handshake(
    open_http_listener, route
):
    listener = await open_http_listener(route=route)
    clients = await come(listener, HANDSHAKES_AT_ONCE)
    await listener.wait_until(lambda: len(route.begun) == HANDSHAKES_AT_ONCE)
    for socket in route.begun:
        socket.release_handshake_slot()
    for client in clients:
        await client.stream.aclose()
    await trio.testing.wait_all_tasks_blocked(0.05)
    await come(listener, 1)
    await listener.wait_until(lambda: len(route.begun) == HANDSHAKES_AT_ONCE + 1)


async def test_handshakes_wait_for_teardowns(open_http_listener, route):
    listener = await open_http_listener(route=route)
    route.farewell = trio.Event()
    for client in await come_in(listener, route):
        await client.stream.aclose()
    await listener.wait_until(lambda: route.ending == TEARDOWNS_AT_ONCE)
    [newcomer] = await come(listener, 1)
    await listener.wait_until(lambda: listener.listener.connection_count == MORE + 1)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert len(route.begun) == MORE
    route.farewell.set()
    await listener.wait_until(lambda: len(route.begun) == MORE + 1)
    assert (await newcomer.answer())[0] == 101
