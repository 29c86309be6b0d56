"""Answers whose body comes over time, over real sockets."""

from functools import partial
from ipaddress import ip_network
from socket import SO_LINGER, SO_RCVBUF, SOL_SOCKET

import h11
import pytest
import trio
import trio.testing

from presence.transport.http.cors import OriginRules
from presence.transport.http.request import Response
from presence.transport.http.router import Route, Router
from presence.transport.http.streaming import StreamingResponse
from presence.transport.sockets.socket_writer import RESET_ON_CLOSE

GET = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = (("content-type", "text/plain"),)


class Producer:
    """Gives its body to the test, which pushes; ends when the test or the server says so."""

    def __init__(self):
        self.bodies = []
        self.ends = []
        self.may_end = trio.Event()
        self.heeds_stop = True

    async def answer(self, request):
        if request.path == "/quick":
            return Response(200, b"quick")
        return StreamingResponse(200, headers=TEXT, produce=partial(self.produce, request))

    async def produce(self, request, body):
        self.bodies.append(body)
        end = "cancelled"
        try:
            async with trio.open_nursery() as nursery:
                if self.heeds_stop:
                    nursery.start_soon(self._end_with, nursery, request.stopping)
                nursery.start_soon(self._end_with, nursery, self.may_end)
            end = "returned"
        finally:
            self.ends.append(end)

    async def _end_with(self, nursery, event):
        await event.wait()
        nursery.cancel_scope.cancel()


class StreamClient:
    """Reads an answer with h11, piece by piece."""

    def __init__(self, client):
        self.client = client
        self.parser = h11.Connection(h11.CLIENT)

    async def send(self, target="/stream", method="GET"):
        request = h11.Request(method=method, target=target, headers=[("host", "x")])
        await self.client.send(self.parser.send(request), self.parser.send(h11.EndOfMessage()))

    async def event(self):
        with trio.fail_after(5):
            while (event := self.parser.next_event()) is h11.NEED_DATA:
                self.parser.receive_data(await self.client.stream.receive_some(65536))
            return event

    async def head(self):
        head = await self.event()
        return head.status_code, dict(head.headers)

    async def body(self):
        """The rest of the body, up to its proper end."""
        body = b""
        while isinstance(event := await self.event(), h11.Data):
            body += bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        return body


@pytest.fixture
async def producer():
    return Producer()


@pytest.fixture
def open_stream(open_http_listener, producer):
    async def start(**limits):
        listener = await open_http_listener(answer=producer.answer, **limits)
        client = StreamClient(await listener.connect())
        await client.send()
        head = await client.head()
        await listener.wait_until(lambda: producer.bodies)
        return listener, client, head

    return start


async def test_pieces_arrive_as_they_are_pushed_and_the_connection_lives_on(open_stream, producer):
    _, client, (status, headers) = await open_stream()
    assert (status, headers[b"transfer-encoding"]) == (200, b"chunked")
    assert b"content-length" not in headers
    for piece in (b"one", b"two" * 1000):
        assert producer.bodies[0].push(piece)
        got = b""
        while len(got) < len(piece):
            got += bytes((await client.event()).data)
        assert got == piece
    assert producer.bodies[0].push(b"")  # which would end a chunked body
    producer.bodies[0].push(b"three")
    producer.may_end.set()
    assert await client.body() == b"three"
    client.parser.start_next_cycle()
    await client.send("/quick")
    assert (await client.head())[0] == 200
    assert await client.body() == b"quick"


async def test_a_body_over_http_1_0_ends_with_the_connection(open_http_listener, producer):
    listener = await open_http_listener(answer=producer.answer)
    client = await listener.connect()
    await client.send(b"GET /stream HTTP/1.0\r\n\r\n")
    await listener.wait_until(lambda: producer.bodies)
    producer.bodies[0].push(b"one")
    producer.bodies[0].push(b"two")
    producer.may_end.set()
    head, _, body = (await client.wait_end()).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert b"connection: close" in head.lower()
    assert body == b"onetwo"


async def test_head_gets_the_headers_and_nothing_is_produced(open_http_listener, producer):
    listener = await open_http_listener(answer=producer.answer)
    client = StreamClient(await listener.connect())
    await client.send(method="HEAD")
    _, headers = await client.head()
    assert headers[b"content-type"] == b"text/plain"
    assert await client.body() == b""
    client.parser.start_next_cycle()
    await client.send("/quick")
    assert (await client.head())[0] == 200
    assert producer.bodies == []


async def test_a_stream_passes_the_router_with_the_headers_of_every_answer(
    open_http_listener, producer
):
    routes = Router([Route("GET", "/stream", producer.answer)], OriginRules())
    listener = await open_http_listener(answer=routes.answer)
    client = StreamClient(await listener.connect())
    await client.send()
    _, headers = await client.head()
    assert headers[b"cache-control"] == b"no-store"
    producer.may_end.set()
    assert await client.body() == b""


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_stream_is_cancelled_when_its_client_leaves(open_stream, producer, how):
    listener, client, _ = await open_stream()
    if how == "reset":
        client.client.stream.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
    await client.client.stream.aclose()
    with trio.fail_after(1):
        await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert producer.ends == ["cancelled"]
    assert not producer.bodies[0].push(b"too late")
    assert listener.crashes == []


async def open_slow(open_http_listener, producer, **limits):
    listener = await open_http_listener(answer=producer.answer, **limits)
    sock = trio.socket.socket()
    sock.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    await sock.connect(("127.0.0.1", listener.port))
    stream = trio.SocketStream(sock)
    await stream.send_all(GET)
    await listener.wait_until(lambda: producer.bodies)
    return listener, stream


async def test_a_slow_client_is_cut_where_too_much_waits(open_http_listener, producer):
    listener, stream = await open_slow(open_http_listener, producer, max_unsent_bytes=10_000)
    pushed = 0
    while producer.bodies[0].push(b"p" * 1000):
        pushed += 1
        assert pushed < 1000
    with trio.fail_after(1):
        await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert (producer.ends, listener.crashes) == (["cancelled"], [])
    assert listener.counts["slow"] == 1
    await stream.aclose()


async def test_a_client_that_takes_nothing_is_cut_in_time(open_http_listener, producer):
    listener, stream = await open_slow(open_http_listener, producer, write_blocked_after=0.3)
    for _ in range(150):
        producer.bodies[0].push(b"p" * 1000)
    with trio.fail_after(2):
        await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert (producer.ends, listener.counts["slow"]) == (["cancelled"], 1)
    await stream.aclose()


async def test_a_producer_can_wait_for_its_client(open_http_listener):
    """Fifty times what may wait goes through, for the producer waits in between."""

    async def produce(body):
        for _ in range(500):
            body.push(b"p" * 1000)
            await body.wait_sent()

    async def answer(request):
        return StreamingResponse(200, produce=produce)

    listener = await open_http_listener(answer=answer, max_unsent_bytes=10_000)
    client = StreamClient(await listener.connect())
    await client.send()
    await client.head()
    assert len(await client.body()) == 500_000


async def test_a_stream_ends_whole_when_the_server_stops(open_stream, producer):
    listener, client, _ = await open_stream()
    producer.bodies[0].push(b"last words")
    listener.listener.stop_accepting()
    began_at = trio.current_time()
    assert await client.body() == b"last words"
    assert await client.client.wait_end() == b""
    assert trio.current_time() - began_at < 0.9
    assert producer.ends == ["returned"]


async def test_a_stream_that_does_not_heed_a_stop_is_ended_whole_after_a_second(
    open_stream, producer
):
    producer.heeds_stop = False
    listener, client, _ = await open_stream()
    producer.bodies[0].push(b"last words")
    listener.listener.stop_accepting()
    began_at = trio.current_time()
    assert await client.body() == b"last words"
    assert await client.client.wait_end() == b""
    assert 0.8 < trio.current_time() - began_at < 2
    assert producer.ends == ["cancelled"]


async def test_a_body_breaks_off_where_its_producer_crashes(open_http_listener):
    async def produce(body):
        body.push(b"half of")
        raise KeyError("boom")

    async def answer(request):
        return StreamingResponse(200, produce=produce)

    listener = await open_http_listener(answer=answer)
    client = StreamClient(await listener.connect())
    await client.send()
    await client.head()
    with pytest.raises(h11.RemoteProtocolError):
        await client.body()
    assert "boom" in repr(listener.crashes)


async def test_a_stream_takes_no_task_while_its_client_keeps_up(open_stream, producer):
    _, client, _ = await open_stream()
    await trio.testing.wait_all_tasks_blocked(0.01)
    streaming = trio.lowlevel.current_statistics().tasks_living
    producer.bodies[0].push(b"x")
    assert trio.lowlevel.current_statistics().tasks_living == streaming
    producer.may_end.set()
    await client.body()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert trio.lowlevel.current_statistics().tasks_living == streaming - 2  # the producer's own


async def test_a_stream_behind_a_proxy_counts_for_its_client_until_it_ends(open_stream, producer):
    listener, client, _ = await open_stream(
        max_connections_per_address=1, trusted_proxies=[ip_network("127.0.0.1/32")]
    )
    other = await listener.connect()
    await other.send(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await other.answer())[0] == 429
    producer.may_end.set()
    await client.body()
    await other.send(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await other.answer())[0] == 200
