"""Listening, accepting, limits per address, stopping."""

import errno
import resource
import socket
from ipaddress import ip_network

import pytest
import trio

from presence.errors import AddressUnavailable, PortTaken
from presence.transport.http.request import Response
from presence.transport.tcp_listener import open_listener

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_port_in_use_is_named():
    with await open_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is in use"):
            await open_listener("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a..b"])
async def test_an_address_that_is_not_ours_is_named(host):
    with pytest.raises(AddressUnavailable, match=f"cannot listen on {host}:1234"):
        await open_listener(host, 1234)


async def test_a_port_can_be_taken_again_at_once(listener, client):
    await client.send(GET)
    await client.answer()
    listener.listener.stop_accepting()
    listener.listener.end_connections(0)
    await client.wait_end()
    with await open_listener("127.0.0.1", listener.port) as again:
        assert again.getsockname()[1] == listener.port


async def test_the_connection_over_the_limit_of_its_address_is_refused(open_http_listener):
    listener = await open_http_listener(max_connections_per_address=3)
    clients = [await listener.connect() for _ in range(3)]
    await listener.wait_until(lambda: listener.listener.connection_count == 3)
    for _ in range(3):
        newcomer = await listener.connect()
        status, headers, body = await newcomer.answer()
        assert (status, headers["retry-after"]) == (429, "10")
        assert body == b'{"error":"too many connections from this address"}'
        assert await newcomer.wait_end() == b""
    assert (listener.counts["address_limit"], listener.listener.connection_count) == (3, 3)
    for client in clients:
        await client.send(GET)
        assert (await client.answer())[0] == 200
    await clients[0].stream.aclose()
    await listener.wait_until(lambda: listener.listener.connection_count == 2)
    again = await listener.connect()
    await again.send(GET)
    assert (await again.answer())[0] == 200


async def test_a_forged_forwarded_address_is_ignored(open_http_listener):
    listener = await open_http_listener(max_connections_per_address=1)
    client = await listener.connect()
    status, _, _ = await client.upgrade("/ws", "X-Forwarded-For: 9.9.9.9")
    assert status == 101
    second = await listener.connect()
    await second.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n")
    assert (await second.answer())[0] == 429


async def test_sockets_through_a_proxy_are_counted_by_client(open_http_listener):
    listener = await open_http_listener(
        max_connections_per_address=2, trusted_proxies=[ip_network("127.0.0.0/8")]
    )
    statuses, clients = [], []
    for client_address in ["9.9.9.9"] * 3 + ["8.8.8.8"]:
        clients.append(await listener.connect())
        status, _, _ = await clients[-1].upgrade("/ws", f"X-Forwarded-For: {client_address}")
        statuses.append(status)
    assert statuses == [101, 101, 429, 101]
    await clients[0].stream.aclose()
    await listener.wait_until(lambda: listener.listener.connection_count == 3)
    assert (await clients[2].upgrade("/ws", "X-Forwarded-For: 9.9.9.9"))[0] == 101


async def test_requests_through_a_proxy_hold_their_place_only_while_they_run(open_http_listener):
    peers = []

    async def answer(request):
        peers.append(request.peer)
        return Response(204)

    listener = await open_http_listener(
        answer=answer,
        max_connections_per_address=1,
        trusted_proxies=[ip_network("127.0.0.0/8")],
    )
    client = await listener.connect()
    for address in ("9.9.9.9", "9.9.9.9", "2001:db8::1"):
        head = f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6, {address}\r\n\r\n"
        await client.send(head.encode())
        assert (await client.answer())[0] == 204
    assert peers == ["9.9.9.9", "9.9.9.9", "2001:db8::1"]


async def test_stopping_closes_the_listener_and_idle_connections_but_no_request(open_http_listener):
    is_asked, may_answer = trio.Event(), trio.Event()

    async def answer(request):
        if request.path == "/slow":
            is_asked.set()
            await may_answer.wait()
        return Response(204)

    listener = await open_http_listener(answer=answer)
    idle, busy = await listener.connect(), await listener.connect()
    await idle.send(GET)
    await idle.answer()
    await busy.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await is_asked.wait()
    listener.listener.stop_accepting()
    with trio.fail_after(5):
        assert await idle.wait_end() == b""
    may_answer.set()
    status, headers, _ = await busy.answer()
    assert (status, headers["connection"]) == (204, "close")
    assert await busy.wait_end() == b""
    await busy.stream.aclose()
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    with pytest.raises(OSError, match="connect"):
        await listener.connect()


async def test_connections_that_do_not_end_are_cancelled_at_the_deadline(open_http_listener):
    async def answer(request):
        await trio.sleep_forever()

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(GET)
    await listener.wait_until(lambda: listener.listener.connection_count == 1)
    listener.listener.stop_accepting()
    listener.listener.end_connections(0.1)
    with trio.fail_after(5):
        assert await client.wait_end() == b""
    await listener.wait_until(lambda: listener.listener.connection_count == 0)


async def test_accepting_goes_on_after_file_descriptors_ran_out(open_http_listener):
    listener = await open_http_listener(max_connections_per_address=0)
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = [socket.socket() for _ in range(3)]
    used = max(sock.fileno() for sock in waiting)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
        for sock in waiting:
            sock.connect(("127.0.0.1", listener.port))
        await listener.wait_until(lambda: listener.counts["out_of_files"] >= 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
    with trio.fail_after(2):
        await listener.wait_until(lambda: listener.listener.connection_count == 3)
    for sock in waiting:
        sock.close()
    client = await listener.connect()
    await client.send(GET)
    assert (await client.answer())[0] == 200


async def test_a_peer_that_left_before_it_was_accepted_is_passed_over(listener, monkeypatch):
    accept, failures = socket.socket.accept, [errno.ECONNABORTED, errno.EPROTO]

    def accept_or_fail(listener):
        if failures:
            raise OSError(failures.pop(), "gone")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", accept_or_fail)
    client = await listener.connect()
    await client.send(GET)
    assert (await client.answer())[0] == 200
    assert failures == []
