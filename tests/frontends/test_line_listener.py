"""Logins by a line on plain TCP: accepted, refused, and how many at a time."""

import socket
import struct
from contextlib import suppress
from ipaddress import ip_network

import attrs
import pytest
import trio
import trio.testing

from presence.frontends.socket_times import SocketTimes
from presence.frontends.voiceping import line_listener
from presence.frontends.voiceping.line_listener import MOST_LOGINS, LineListener
from presence.transport.concurrency_gate import HANDSHAKES_AT_ONCE
from presence.transport.sockets import stream
from presence.transport.sockets.stream import SocketEnded

LONGEST_TOKEN = "good-7" + "-" * (8192 - len("token:good-7"))
MORE = HANDSHAKES_AT_ONCE + 8
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
async def pipes(open_line_listener):
    return await open_line_listener()


# -- logging in ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"token:good-7\n", id="LF"),
        pytest.param(b"token:good-7\r\n", id="CR LF"),
        pytest.param(b"\n\r\n \ntoken:good-7\n", id="after blank lines"),
        pytest.param(f"token:{LONGEST_TOKEN}\r\n".encode(), id="the longest"),
    ],
)
async def test_a_token_lets_its_user_in(pipes, wire):
    client = await pipes.connect()
    await client.send(wire, b"|0|5|7|0|2|\n")
    await pipes.wait_until(lambda: pipes.sessions and pipes.sessions[0].lines)
    assert pipes.sessions[0].claims.user_id == "7"
    assert pipes.sessions[0].lines == ["|0|5|7|0|2|"]


@pytest.mark.parametrize("is_development", [True, False])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("token:bad", "malformed"),
        ("token:", "malformed"),
        ("token: good-7", "malformed"),
        ("token:good-revoked", "revoked"),
        ("Token:good-7", "missing"),
        ("good-7", "missing"),
        ("hello", "missing"),
        ("GET / HTTP/1.1", "missing"),
        ("voiceping:", "missing"),
        ("voiceping:07", "missing"),
        ("|0|5|0|0|2|", "missing"),
        ("|0|5|7|0|3|", "missing"),
        ("\ufffd", "missing"),
    ],
)
async def test_a_connection_without_a_valid_token_is_closed_silently(
    open_line_listener, is_development, line, reason
):
    pipes = await open_line_listener(is_development=is_development)
    client = await pipes.connect()
    await client.send(f"{line}\n".encode())
    assert await client.wait_end() == b""
    assert pipes.counts == {f"token {reason}": 1}
    assert pipes.sessions == []
    await pipes.wait_until(lambda: pipes.listener.connection_count == 0)


@pytest.mark.parametrize("line", ["voiceping:7", "|0|5|7|0|2|", "0|5|7|0|1"])
async def test_in_development_mode_the_first_line_names_the_user_and_is_handled(
    open_line_listener, line
):
    pipes = await open_line_listener(is_development=True)
    client = await pipes.connect()
    await client.send(f"{line}\nnext\n".encode())
    await pipes.wait_until(lambda: pipes.sessions and len(pipes.sessions[0].lines) == 2)
    assert pipes.sessions[0].claims.user_id == "7"
    assert pipes.sessions[0].lines == [line, "next"]


@pytest.mark.parametrize("line", ["voiceping:7", "|0|5|7|0|2|"])
async def test_outside_development_mode_a_name_is_no_login(open_line_listener, line):
    pipes = await open_line_listener(is_development=False)
    client = await pipes.connect()
    await client.send(f"{line}\n".encode())
    assert await client.wait_end() == b""
    assert pipes.counts == {"token missing": 1}
    assert pipes.sessions == []


@pytest.mark.parametrize("first", [b"x" * 513, b"token:" + b"x" * 8187], ids=["513", "token"])
async def test_a_first_line_too_long_is_not_waited_for(pipes, first):
    client = await pipes.connect()
    await client.send(first)
    assert await client.wait_end() == b""
    await pipes.wait_until(lambda: pipes.listener.connection_count == 0)
    assert pipes.counts == {"frame_limit": 1}


@pytest.mark.parametrize("start", [b"", b"token:good-7", b"\n\n\n"])
async def test_a_login_that_never_comes_is_cut(open_line_listener, start):
    pipes = await open_line_listener(handshake_after=0.2)
    client = await pipes.connect()
    await client.send(start or b"\n")
    with trio.fail_after(5):
        assert await client.wait_end() == b""
    assert pipes.counts == {"login_timed_out": 1}
    assert pipes.sessions == []


async def test_bytes_of_a_login_do_not_extend_its_deadline(open_line_listener):
    pipes = await open_line_listener(handshake_after=0.3)
    client = await pipes.connect()
    began_at = trio.current_time()
    with pytest.raises(trio.BrokenResourceError):
        await client.send_for_ever(b"t", every=0.02)
    assert trio.current_time() - began_at < 2
    assert pipes.counts == {"login_timed_out": 1}


async def test_a_silent_client_stays_connected_after_its_login(open_line_listener):
    pipes = await open_line_listener(handshake_after=0.1)
    _, session = await pipes.log_in()
    await trio.sleep(0.3)
    assert session.end is None


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_client_that_leaves_before_its_login_leaves_nothing(pipes, how):
    client = await pipes.connect()
    await client.send(b"token:goo")
    await pipes.wait_until(lambda: pipes.listener.connection_count == 1)
    if how == "reset":
        client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    await client.stream.aclose()
    await pipes.wait_until(lambda: pipes.listener.connection_count == 0)
    assert not pipes.counts
    assert pipes.sessions == pipes.crashes == []


async def test_a_session_that_crashes_ends_its_connection_only(pipes):
    client, session = await pipes.log_in()
    other, other_session = await pipes.log_in()
    session.lines = None  # nothing can be appended
    await client.send(b"a\n")
    assert await client.wait_end() == b""
    assert [type(crash) for crash in pipes.crashes] == [AttributeError]
    await other.send(b"a\n")
    await pipes.wait_until(lambda: other_session.lines == ["a"])


# -- the kernel's own watch ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "options"),
    [
        (SocketTimes(), (30, 5, 3, 45_000)),
        (SocketTimes(20.0, 26.0), (20, 2, 3, 26_000)),
        (SocketTimes(0.1, 0.25), (1, 1, 3, 250)),
        (SocketTimes(1e6, 2e6), (32_767, 32_767, 3, 2_000_000_000)),
        (SocketTimes(1e6, 1e12), (32_767, 32_767, 3, 2**31 - 1)),
    ],
)
async def test_the_kernel_detects_vanished_clients(open_line_listener, times, options):
    pipes = await open_line_listener(times=times)
    _, session = await pipes.log_in()
    sock = session.pipe._socket  # private: only the kernel tells of these options
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert options == tuple(
        sock.getsockopt(socket.IPPROTO_TCP, option)
        for option in (
            socket.TCP_KEEPIDLE,
            socket.TCP_KEEPINTVL,
            socket.TCP_KEEPCNT,
            socket.TCP_USER_TIMEOUT,
        )
    )


async def test_missing_socket_options_are_skipped(open_line_listener, monkeypatch):
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    pipes = await open_line_listener()
    _, session = await pipes.log_in()
    assert session.pipe._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


# -- how many ------------------------------------------------------------------------------------


async def test_the_connection_over_the_limit_of_its_address_is_closed(open_line_listener):
    pipes = await open_line_listener(max_connections_per_address=2)
    clients = [await pipes.connect() for _ in range(2)]
    await pipes.wait_until(lambda: pipes.listener.connection_count == 2)
    assert await (await pipes.connect()).wait_end() == b""
    assert pipes.counts == {"address_limit": 1}
    assert pipes.route.addresses.count_of("127.0.0.1") == 2
    await clients[0].stream.aclose()
    await pipes.wait_until(lambda: pipes.listener.connection_count == 1)
    await pipes.log_in()


async def test_all_listeners_count_an_address_together(open_line_listener):
    pipes = await open_line_listener(max_connections_per_address=2)
    assert pipes.route.addresses.take("127.0.0.1")  # by another listener
    await pipes.log_in()
    assert await (await pipes.connect()).wait_end() == b""


async def test_a_proxy_is_not_counted(open_line_listener):
    pipes = await open_line_listener(
        max_connections_per_address=1, trusted_proxies=[ip_network("127.0.0.0/8")]
    )
    for _ in range(3):
        await pipes.log_in()


async def test_the_connection_over_the_limit_of_its_user_is_closed(open_line_listener):
    pipes = await open_line_listener(max_connections_per_user=2)
    client, _ = await pipes.log_in("good-7")
    await pipes.log_in("good-7")
    await pipes.log_in("good-8")
    third = await pipes.connect()
    await third.send(b"token:good-7\n")
    assert await third.wait_end() == b""
    assert pipes.counts == {"user_limit": 1}
    await client.stream.aclose()
    await pipes.wait_until(lambda: len(pipes.devices_of("7")) == 1)
    await pipes.log_in("good-7")


async def test_the_newest_connection_is_closed_when_too_many_await_their_login(open_line_listener):
    pipes = await open_line_listener(max_connections_per_address=0)
    await pipes.log_in()
    waiting = [await pipes.connect() for _ in range(MOST_LOGINS)]
    await pipes.wait_until(lambda: pipes.listener.connection_count == 1 + MOST_LOGINS)
    assert await (await pipes.connect()).wait_end() == b""
    assert pipes.counts == {"logins_crowded": 1}
    await waiting[0].send(b"token:good-8\n")
    await pipes.wait_until(lambda: len(pipes.sessions) == 2)
    await waiting[1].stream.aclose()
    await pipes.wait_until(lambda: pipes.listener.connection_count == MOST_LOGINS)
    for _ in range(2):
        newcomer = await pipes.connect()
    await pipes.wait_until(lambda: pipes.listener.connection_count == MOST_LOGINS + 2)
    assert await (await pipes.connect()).wait_end() == b""
    await newcomer.send(b"token:good-9\n")
    await pipes.wait_until(lambda: len(pipes.sessions) == 3)


async def test_connections_over_the_address_limit_do_not_count_as_pending_logins(
    open_line_listener, monkeypatch
):
    monkeypatch.setattr(line_listener, "MOST_LOGINS", 2)
    pipes = await open_line_listener(max_connections_per_address=1)
    await pipes.log_in()
    for _ in range(5):
        await (await pipes.connect()).wait_end()
    assert pipes.counts == {"address_limit": 5}


# -- crowds --------------------------------------------------------------------------------------


@attrs.define
class Slow:
    """Sessions that are at work until `finish`, then listen, and take a while to leave."""

    finish: trio.Event = attrs.field(factory=trio.Event)
    begun: list = attrs.field(factory=list)
    ending: int = 0
    most_at_once: int = 0

    async def serve(self, claims, pipe):
        self.begun.append(pipe)
        await self.finish.wait()
        with suppress(SocketEnded):
            while True:
                await pipe.receive()
        self.ending += 1
        self.most_at_once = max(self.most_at_once, self.ending)
        await trio.sleep(0.01)
        self.ending -= 1


async def come(pipes, count):
    clients = [await pipes.connect() for _ in range(count)]
    for client in clients:
        await client.send(b"token:good-7\n")
    return clients


async def test_handshakes_are_limited_and_the_others_follow(open_line_listener):
    slow = Slow()
    pipes = await open_line_listener(serve_session=slow.serve)
    await come(pipes, MORE)
    await pipes.wait_until(lambda: len(slow.begun) == HANDSHAKES_AT_ONCE)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert len(slow.begun) == HANDSHAKES_AT_ONCE
    for _ in range(2):
        slow.begun[0].release_handshake_slot()
    await pipes.wait_until(lambda: len(slow.begun) == HANDSHAKES_AT_ONCE + 1)
    slow.begun[1].close_soon(1012)
    await pipes.wait_until(lambda: len(slow.begun) == HANDSHAKES_AT_ONCE + 2)
    slow.finish.set()
    await pipes.wait_until(lambda: len(slow.begun) == MORE)


async def test_refused_and_slow_logins_hold_no_slot(open_line_listener):
    slow = Slow()
    pipes = await open_line_listener(serve_session=slow.serve)
    for wire in (b"token:goo", b"token:bad\n", b"hello\n"):
        for client in [await pipes.connect() for _ in range(MORE)]:
            await client.send(wire)
    await come(pipes, HANDSHAKES_AT_ONCE)
    await pipes.wait_until(lambda: len(slow.begun) == HANDSHAKES_AT_ONCE)


async def test_connections_waiting_for_a_slot_do_not_count_as_pending_logins(
    open_line_listener, monkeypatch
):
    monkeypatch.setattr(line_listener, "MOST_LOGINS", 2)
    slow = Slow()
    pipes = await open_line_listener(serve_session=slow.serve)
    for _ in range(MORE):
        await come(pipes, 1)
        # Private, here and below: no login is pending any more.
    await pipes.wait_until(lambda: not pipes.listener._logins)
    slow.finish.set()
    await pipes.wait_until(lambda: len(slow.begun) == MORE)
    assert not pipes.counts


async def test_a_client_that_does_not_read_its_last_lines_blocks_no_other(
    open_line_listener, monkeypatch
):
    monkeypatch.setattr(stream, "LAST_CHANCE_AFTER", 60.0)
    pipes = await open_line_listener()
    for _ in range(MORE):
        client, session = await pipes.log_in(is_slow=True)
        while session.pipe.statistics().unsent_bytes == 0:
            session.pipe.push(b"." * 10_000)
        await client.stream.send_eof()
        await pipes.wait_until(lambda session=session: session.end is not None)


# -- stopping ------------------------------------------------------------------------------------


async def test_stopping_closes_the_listener_and_those_not_logged_in(pipes):
    _, session = await pipes.log_in()
    stranger = await pipes.connect()
    await pipes.wait_until(lambda: pipes.listener.connection_count == 2)
    pipes.listener.stop_accepting()
    with trio.fail_after(5):  # much sooner than a login must come
        assert await stranger.wait_end() == b""
    await pipes.wait_until(lambda: pipes.listener.connection_count == 1)
    assert session.end is None
    with pytest.raises(OSError, match="connect"):
        await pipes.connect()


async def test_serving_ends_with_the_last_connection(pipes):
    # Private: a second listener of the same settings, in a nursery of its own.
    pipes.listener = LineListener(pipes.listener._site, pipes.listener._plan)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            pipes.port = await nursery.start(pipes.listener.serve, "127.0.0.1", 0)
            client, session = await pipes.log_in()
            pipes.listener.stop_accepting()
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert session.end is None
            await client.stream.aclose()


async def test_a_login_under_way_when_the_server_stops_is_closed(open_line_listener):
    slow = Slow()
    pipes = await open_line_listener(serve_session=slow.serve)
    clients = await come(pipes, HANDSHAKES_AT_ONCE)
    await pipes.wait_until(lambda: len(slow.begun) == HANDSHAKES_AT_ONCE)
    (late,) = await come(pipes, 1)
    await pipes.wait_until(lambda: not pipes.listener._logins)
    pipes.listener.stop_accepting()
    slow.begun[0].release_handshake_slot()
    with trio.fail_after(5):
        assert await late.wait_end() == b""
    assert len(slow.begun) == len(clients)


async def test_connections_that_do_not_end_are_cancelled_at_the_deadline(pipes):
    (client, _), (slow_client, slow) = await pipes.log_in(), await pipes.log_in(is_slow=True)
    while slow.pipe.statistics().unsent_bytes == 0:
        slow.pipe.push(b"." * 10_000)
    pipes.listener.stop_accepting()
    pipes.listener.end_connections(0.1)
    with trio.fail_after(5):
        assert await client.wait_end() == b""
    await pipes.wait_until(lambda: pipes.listener.connection_count == 0)
    await slow_client.wait_end()
    assert pipes.crashes == []
