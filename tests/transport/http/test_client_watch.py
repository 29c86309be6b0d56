"""Handlers that wait stop as soon as their client has gone, or the server stops."""

from socket import SO_LINGER, SOL_SOCKET

import attrs
import pytest
import trio
import trio.testing

from presence.transport import tcp_listener
from presence.transport.http import client_watch
from presence.transport.http.client_watch import KEPT_BYTES
from presence.transport.http.request import Response
from presence.transport.http.request_reader import RequestReader
from presence.transport.sockets.poller import TrioPoller
from presence.transport.sockets.socket_writer import RESET_ON_CLOSE
from presence.transport.sockets.stream import RECEIVE_BYTES

WAIT = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"


@attrs.define
class Waiting:
    """A handler that waits at /wait until it may answer; notes how its waits ended."""

    may_answer: trio.Event = attrs.field(factory=trio.Event)
    begun: int = 0
    ends: list = attrs.field(factory=list)

    async def answer(self, request):
        body = await request.body.read()
        if request.path == "/quick":
            await trio.lowlevel.checkpoint()
            return Response(200, b"quick" + body)
        self.begun += 1
        began_at = trio.current_time()
        try:
            await self.may_answer.wait()
        except trio.Cancelled:
            self.ends.append(trio.current_time() - began_at)
            raise
        return Response(200, b"waited" + body)


@pytest.fixture(params=["epoll", "trio"])
def kind_of_poller(request, monkeypatch):
    if request.param == "trio":
        monkeypatch.setattr(tcp_listener, "open_poller", TrioPoller)


@pytest.fixture
async def waiting():
    return Waiting()


@pytest.fixture
async def listener(open_http_listener, waiting, kind_of_poller):
    return await open_http_listener(answer=waiting.answer)


async def begin(listener, waiting, *wire):
    client = await listener.connect()
    await client.send(*wire or (WAIT,))
    await listener.wait_until(lambda: waiting.begun == 1)
    return client


async def leave(client, how):
    if how == "reset":
        client.stream.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
    await client.stream.aclose()


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize(
    "request_wire",
    [
        pytest.param(WAIT, id="no body"),
        pytest.param(b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok", id="body"),
    ],
)
async def test_a_wait_ends_when_its_client_leaves(listener, waiting, request_wire, how):
    client = await begin(listener, waiting, request_wire)
    await leave(client, how)
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert len(waiting.ends) == 1
    assert waiting.ends[0] < 1
    assert listener.crashes == []


async def test_a_wait_ends_whose_client_left_before_it_began(listener, waiting):
    client = await listener.connect()
    await client.send(WAIT)
    await client.stream.aclose()
    await listener.wait_until(lambda: waiting.ends)


async def test_a_client_that_ends_its_half_gets_what_is_answered_at_once(listener):
    for _ in range(20):
        client = await listener.connect()
        await client.send(QUICK, QUICK)
        await client.stream.send_eof()
        assert [(await client.answer())[2] for _ in range(2)] == [b"quick"] * 2
        assert await client.wait_end() == b""


async def test_a_client_that_ends_its_half_and_waits_gets_no_answer(listener, waiting):
    client = await begin(listener, waiting)
    await client.stream.send_eof()
    assert await client.wait_end() == b""
    assert waiting.ends[0] >= client_watch.HALF_CLOSED_AFTER / 2


async def test_requests_that_come_while_a_handler_waits_are_answered_after_it(listener, waiting):
    client = await begin(listener, waiting)
    post = b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
    for byte in QUICK + post:
        await client.send(bytes((byte,)))
    await client.send(QUICK * 3)
    await trio.testing.wait_all_tasks_blocked(0.01)
    waiting.may_answer.set()
    bodies = [(await client.answer())[2] for _ in range(6)]
    assert bodies == [b"waited", b"quick", b"quickbody", *[b"quick"] * 3]


async def test_pipelined_requests_are_kept_up_to_a_bound_and_answered(
    open_http_listener, nursery, kind_of_poller
):
    """The kernels of both sides hold the rest."""
    kept, may_answer = [], trio.Event()

    async def answer(request):
        await may_answer.wait()
        return Response(204)

    keep = RequestReader.keep_early

    def keep_and_note(reader, data):
        keep(reader, data)
        kept.append(len(reader.early))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RequestReader, "keep_early", keep_and_note)
        listener = await open_http_listener(answer=answer)
        client = await listener.connect()
        count = 4 * KEPT_BYTES // len(QUICK)
        nursery.start_soon(client.send, WAIT, QUICK * count)
        await listener.wait_until(lambda: kept and kept[-1] > KEPT_BYTES)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert max(kept) <= KEPT_BYTES + RECEIVE_BYTES
        may_answer.set()
        assert {(await client.answer())[0] for _ in range(count + 1)} == {204}
        assert max(kept) <= KEPT_BYTES + RECEIVE_BYTES


async def test_a_client_that_leaves_after_pipelining_ends_the_wait(listener, waiting):
    client = await begin(listener, waiting)
    await client.send(QUICK * 5)
    await client.stream.aclose()
    await listener.wait_until(lambda: waiting.ends)


async def test_a_wait_that_outlives_a_stop_is_answered_503(listener, waiting):
    client = await begin(listener, waiting)
    listener.listener.stop_accepting()
    began_at = trio.current_time()
    status, headers, body = await client.answer()
    assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")
    assert body == b'{"error":"the server is stopping"}'
    assert trio.current_time() - began_at < 2


async def test_a_handler_learns_of_a_stop_and_answers_itself(open_http_listener):
    begun = trio.Event()

    async def answer(request):
        begun.set()
        await request.stopping.wait()
        return Response(200, b"nothing new")

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(WAIT)
    await begun.wait()
    listener.listener.stop_accepting()
    began_at = trio.current_time()
    status, headers, body = await client.answer()
    assert (status, headers["connection"], body) == (200, "close", b"nothing new")
    assert trio.current_time() - began_at < 0.5


async def test_a_request_that_comes_after_a_stop_waits_no_longer(listener, waiting):
    client = await begin(listener, waiting, WAIT, WAIT)
    listener.listener.stop_accepting()
    with trio.fail_after(5):
        assert (await client.answer())[0] == 503
        assert await client.wait_end() == b""


async def test_a_handler_that_waits_takes_no_task_but_its_connections(open_http_listener, waiting):
    listener = await open_http_listener(answer=waiting.answer)
    client = await listener.connect()
    await client.send(QUICK)
    await client.answer()
    await trio.testing.wait_all_tasks_blocked(0.01)
    idle = trio.lowlevel.current_statistics().tasks_living
    await client.send(WAIT)
    await listener.wait_until(lambda: waiting.begun == 1)
    assert trio.lowlevel.current_statistics().tasks_living == idle
