"""The ports of a server, each held open by a task of its own."""

import pytest
import trio

from presence.listeners import Listeners, ListeningPort, Ports
from presence.transport.tcp_listener import TcpListener


class Greeting(TcpListener):
    """Greets every connection and ends it."""

    async def _serve_connection(self, sock, peer, held_client):
        with sock:
            sock.send(b"hello")
        self._let_go(held_client)

    def _reject(self, sock):
        sock.close()


async def greeting_at(number):
    stream = await trio.open_tcp_stream("127.0.0.1", number)
    async with stream:
        return await stream.receive_some(100)


async def test_a_port_that_was_picked_is_the_same_when_it_is_opened_again(make_context, nursery):
    port = ListeningPort("http", "127.0.0.1", 0, lambda: Greeting(make_context()))
    listeners = Listeners(port)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as first:
            await first.start(port.hold_open)
            picked = listeners.ports
            assert picked.http > 0
            assert await greeting_at(picked.http) == b"hello"
            scope.cancel()  # as a crash does: nothing of it is closed in order
    await nursery.start(port.hold_open)
    assert listeners.ports == picked
    assert await greeting_at(picked.http) == b"hello"
    listeners.stop_accepting()


async def test_every_port_is_closed_and_a_pipe_that_is_off_is_none(make_context):
    ports = [
        ListeningPort(name, "127.0.0.1", 0, lambda: Greeting(make_context()))
        for name in ("http", "pipe")
    ]
    assert Listeners(ports[0]).ports == Ports(0, None)
    listeners = Listeners(*ports)
    async with trio.open_nursery() as nursery:
        for port in listeners:
            await nursery.start(port.hold_open)
        numbers = listeners.ports
        listeners.stop_accepting()  # the nursery ends with the last of them
        listeners.end_connections(1.0)
    for number in (numbers.http, numbers.pipe):
        with pytest.raises(OSError, match="connect"):
            await greeting_at(number)
