"""WebSockets through the listener, with a client that sends plain bytes."""

import gc
import random
from socket import SO_LINGER, SO_RCVBUF, SOL_SOCKET

import attrs
import h11
import pytest
import trio
import wsproto.events
from trio_websocket import open_websocket_url
from wire import masked_frame, upgrade_request

from presence.transport.http.request import error_response
from presence.transport.sockets import stream
from presence.transport.sockets.socket_writer import RESET_ON_CLOSE
from presence.transport.sockets.stream import LAST_CHANCE_AFTER, SocketEnded
from presence.transport.websocket import connection
from presence.transport.websocket.connection import CLOSE_AFTER
from presence.transport.websocket.frames import text_frame
from presence.transport.websocket.library import SPENT_HANDSHAKE
from presence.transport.websocket.upgrade import Admitted, Upgrade

TEXT, FIRST, MORE, LAST = 0x81, 0x01, 0x00, 0x80
CLOSE, PING, PONG = 0x88, 0x89, 0x8A
NORMAL = b"\x03\xe8"


def reset_on_close(stream):
    stream.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)


async def open_client(listener, *headers):
    client = await listener.connect()
    status, _, _ = await client.upgrade("/ws", *headers)
    assert status == 101
    return client


async def socket_of(listener):
    await listener.wait_until(lambda: listener.route.sockets)
    return listener.route.sockets[-1]


async def wait_ends(listener, ends):
    await listener.wait_until(lambda: len(listener.route.ends) >= len(ends))
    assert listener.route.ends == ends


async def test_a_message_comes_back(client):
    await client.send(masked_frame(TEXT, "grüß".encode()), masked_frame(0x82, b"bytes"))
    assert await client.frame() == (TEXT, "grüß".encode())
    assert await client.frame() == (TEXT, b"bytes")


async def test_a_kept_alive_connection_can_be_upgraded(listener):
    client = await listener.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await client.answer())[0] == 200
    await client.send(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n", upgrade_request())
    assert (await client.answer())[0] == 200
    assert (await client.answer())[0] == 101
    await client.send(masked_frame(TEXT, b"hi"))
    assert await client.frame() == (TEXT, b"hi")


async def test_frames_sent_together_with_the_upgrade_are_not_lost(listener):
    client = await listener.connect()
    await client.send(upgrade_request(), masked_frame(TEXT, b"early"), masked_frame(TEXT, b"bird"))
    assert (await client.answer())[0] == 101
    assert await client.frame() == (TEXT, b"early")
    assert await client.frame() == (TEXT, b"bird")


async def test_frames_sent_with_the_upgrade_are_metered(open_http_listener):
    listener = await open_http_listener(max_frame_bytes=100)
    client = await listener.connect()
    await client.send(upgrade_request(), masked_frame(TEXT, b"x" * 101))
    assert (await client.answer())[0] == 101
    assert await client.close_code() == 1009


async def test_the_chosen_subprotocol_is_answered(open_http_listener, echo_route):
    listener = await open_http_listener(route=echo_route(subprotocol="voiceping.text"))
    client = await listener.connect()
    status, headers, _ = await client.upgrade("/ws", "Sec-WebSocket-Protocol: a, voiceping.text")
    assert (status, headers["sec-websocket-protocol"]) == (101, "voiceping.text")


async def test_without_a_subprotocol_none_is_answered(open_http_listener):
    client = await (await open_http_listener()).connect()
    status, headers, _ = await client.upgrade("/ws", "Sec-WebSocket-Protocol: a")
    assert (status, "sec-websocket-protocol" in headers) == (101, False)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_a_refused_upgrade_is_plain_http_and_the_connection_lives_on(
    open_http_listener, status
):
    class Refusing:
        async def admit(self, request):
            return error_response(status, "no", (("retry-after", "3"),))

    listener = await open_http_listener(route=Refusing())
    client = await listener.connect()
    for _ in range(2):
        got, headers, body = await client.upgrade()
        assert (got, headers["retry-after"], body) == (status, "3", b'{"error":"no"}')


async def test_a_crash_while_admitting_is_answered_500(open_http_listener):
    class Crashing:
        async def admit(self, request):
            raise KeyError(request.path)

    listener = await open_http_listener(route=Crashing())
    client = await listener.connect()
    assert (await client.upgrade())[0] == 500
    assert len(listener.crashes) == 1


BAD_HANDSHAKES = [
    pytest.param("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426, id="version"),
    pytest.param("Sec-WebSocket-Version: 13", "X: y", 426, id="no version"),
    pytest.param("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: x", 400, id="key not base64"),
    pytest.param("Sec-WebSocket-Key: ", "X: y", 400, id="no key"),
    pytest.param("Host: localhost", "Host: a\xfcb", 400, id="host no library can read"),
    pytest.param("Host: localhost", "Content-Length: 2\r\nHost: x", 400, id="with a body"),
    pytest.param("Host: localhost", "Host: " + "x" * 300, 101, id="host no library can encode"),
    pytest.param("Host: localhost", "Host: xn--a", 101, id="broken punycode host"),
    pytest.param("Host: localhost", "Host: x\r\nX: \xff\xfe", 101, id="header not ASCII"),
    pytest.param(
        "Host: localhost", "Host: x\r\nSec-WebSocket-Protocol: \xff", 400, id="odd subprotocol"
    ),
    pytest.param(
        "Host: localhost",
        "Host: x\r\nSec-WebSocket-Extensions: permessage-deflate",
        101,
        id="extension offered",
    ),
    pytest.param("Upgrade: websocket", "Upgrade: h2c", 200, id="other protocol"),
    pytest.param("Connection: keep-alive, Upgrade", "Connection: close", 200, id="no option"),
    pytest.param("GET /ws", "GET /other", 404, id="path of no route"),
]


@pytest.mark.parametrize(("old", "new", "status"), BAD_HANDSHAKES)
async def test_an_odd_handshake_gets_a_plain_answer(listener, old, new, status):
    client = await listener.connect()
    head = upgrade_request().replace(old.encode(), new.encode("latin-1"))
    await client.send(head, b"{}" if "Length" in new else b"")
    got, headers, _ = await client.answer()
    assert got == status
    assert "sec-websocket-extensions" not in headers
    assert listener.crashes == []


@pytest.mark.parametrize(
    "origin", ["null", "http://localhost.evil", "http://evil", "https://localhost:1"]
)
async def test_a_foreign_page_gets_no_socket(listener, origin):
    client = await listener.connect()
    assert (await client.upgrade("/ws", f"Origin: {origin}"))[0] == 403
    assert (await client.upgrade("/ws", "Origin: http://localhost", f"Origin: {origin}"))[0] == 403
    assert listener.counts["origin"] == 2
    assert listener.route.sockets == []


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost", "https://app.example"])
async def test_the_own_page_and_a_listed_one_get_a_socket(open_http_listener, origin):
    listener = await open_http_listener(origins=["https://app.example"])
    client = await listener.connect()
    assert (await client.upgrade("/ws", f"Origin: {origin}"))[0] == 101


@pytest.mark.parametrize(
    ("goodbye", "is_clean"),
    [
        pytest.param(NORMAL, True, id="1000"),
        pytest.param(NORMAL + b"bye", True, id="1000 with a reason"),
        pytest.param(b"\x03\xe9", False, id="1001 navigates away"),
        pytest.param(b"\x0f\xa0", False, id="4000"),
        pytest.param(b"", True, id="no code, as a browser's close()"),
        pytest.param(b"\x03", False, id="half a code"),
        pytest.param(b"\x03\xed", False, id="1005 on the wire"),
        pytest.param(b"\x03\xee", False, id="1006 on the wire"),
        pytest.param(NORMAL + b"\xff", False, id="reason not UTF-8"),
    ],
)
async def test_a_close_frame_of_1000_or_without_a_code_is_a_clean_end(
    listener, client, goodbye, is_clean
):
    await client.send(masked_frame(TEXT, b"last words"), masked_frame(CLOSE, goodbye))
    assert await client.frame() == (TEXT, b"last words")
    await client.wait_end()
    await wait_ends(listener, [is_clean])
    assert listener.crashes == []


@pytest.mark.parametrize("goodbye", [NORMAL, b""])
async def test_a_clean_close_is_answered_in_kind(client, goodbye):
    await client.send(masked_frame(CLOSE, goodbye))
    assert await client.frame() == (CLOSE, goodbye)


@pytest.mark.parametrize("how", ["eof", "reset"])
async def test_a_vanished_client_is_lost(listener, client, how):
    await socket_of(listener)
    if how == "reset":
        reset_on_close(client.stream)
    await client.stream.aclose()
    await wait_ends(listener, [False])
    assert listener.crashes == []


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"\x81\x02hi", id="no mask"),
        pytest.param(b"\xc1\x80\0\0\0\0", id="reserved bit"),
        pytest.param(b"\x83\x80\0\0\0\0", id="reserved opcode"),
        pytest.param(b"\x80\x80\0\0\0\0", id="continuation of nothing"),
        pytest.param(b"\x81\x81\0\0\0\0\xff", id="text not UTF-8"),
        pytest.param(b"\x09\x80\0\0\0\0", id="ping in fragments"),
        pytest.param(b"\x89\xfe\x00\x7e\0\0\0\0", id="ping over 125 bytes"),
    ],
)
async def test_broken_framing_ends_the_connection(listener, client, wire):
    await client.send(wire)
    with trio.fail_after(5):
        await client.wait_end()
    await wait_ends(listener, [False])
    assert listener.crashes == []


async def test_a_server_close_is_seen_with_its_code_and_counts_as_lost(listener, client):
    socket = await socket_of(listener)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(socket.close, 4001, "token")
        assert await client.frame() == (CLOSE, b"\x0f\xa1token")
        await client.send(masked_frame(TEXT, b"discarded"), masked_frame(CLOSE, NORMAL))
        assert await client.wait_end() == b""
    await wait_ends(listener, [False])
    assert socket.stream.cut_reason is None


async def test_messages_after_a_server_close_reach_no_session(open_http_listener):
    received = []

    class Collecting:
        async def admit(self, request):
            return Admitted(None, self.serve)

        async def serve(self, socket):
            try:
                received.append(await socket.receive())
                socket.close_soon(4003)
                received.append(await socket.receive())
            except SocketEnded as end:
                received.append(end.is_clean)

    listener = await open_http_listener(route=Collecting())
    client = await open_client(listener)
    await client.send(masked_frame(TEXT, b"in time"))
    assert await client.frame() == (CLOSE, b"\x0f\xa3")
    await client.send(masked_frame(TEXT, b"late"), masked_frame(CLOSE, NORMAL))
    await listener.wait_until(lambda: len(received) == 2)
    assert received == ["in time", False]


async def test_close_soon_does_not_wait_and_ends_all_the_same(listener, client, quick_end):
    socket = await socket_of(listener)
    socket.close_soon(4003, "replaced")
    socket.close_soon(4002, "too late")
    assert not socket.stream.push(b"x")
    assert await client.frame() == (CLOSE, b"\x0f\xa3replaced")
    with trio.fail_after(5):
        assert await client.wait_end() == b""
    await wait_ends(listener, [False])


async def test_pings_that_arrive_during_a_server_close_harm_nothing(listener, client):
    socket = await socket_of(listener)
    socket.close_soon(1012)
    await client.send(*[masked_frame(PING, b"p")] * 20, masked_frame(CLOSE, NORMAL))
    assert await client.close_code() == 1012
    await wait_ends(listener, [False])
    assert listener.crashes == []


def test_a_silent_client_and_one_that_does_not_read_have_two_seconds():
    assert CLOSE_AFTER == LAST_CHANCE_AFTER == 2.0


async def test_a_client_that_does_not_answer_a_close_is_cut_in_time(listener, client, quick_end):
    socket = await socket_of(listener)
    started = trio.current_time()
    await socket.close(1012)
    assert connection.CLOSE_AFTER <= trio.current_time() - started < 1
    assert await client.close_code() == 1012
    await wait_ends(listener, [False])


async def test_a_session_that_returns_closes_with_1000(open_http_listener):
    class OneMessage:
        async def admit(self, request):
            return Admitted(None, self.serve)

        async def serve(self, socket):
            await socket.receive()

    listener = await open_http_listener(route=OneMessage())
    client = await open_client(listener)
    await client.send(masked_frame(TEXT, b"x"))
    assert await client.close_code() == 1000
    await client.send(masked_frame(CLOSE, NORMAL))
    await listener.wait_until(lambda: listener.listener.connection_count == 0)


async def test_a_crash_of_a_session_ends_only_its_socket(open_http_listener, echo_route, quick_end):
    crash = KeyError("boom")

    @attrs.define
    class Crashing(echo_route):
        async def serve(self, socket):
            if await socket.receive() == "crash":
                raise crash
            await echo_route.serve(self, socket)

    listener = await open_http_listener(route=Crashing())
    client, other = await open_client(listener), await open_client(listener)
    await client.send(masked_frame(TEXT, b"crash"))
    assert await client.close_code() == 1011
    await listener.wait_until(lambda: listener.crashes)
    await other.send(masked_frame(TEXT, b"first"), masked_frame(TEXT, b"still here"))
    assert await other.frame() == (TEXT, b"still here")
    assert "boom" in repr(listener.crashes)


async def test_client_pings_are_answered_while_the_session_only_receives(client):
    await client.send(masked_frame(PING, b"are you there"))
    assert await client.frame() == (PONG, b"are you there")


async def test_pings_are_answered_while_a_session_is_behind_by_a_few_messages(open_http_listener):
    is_rested = trio.Event()

    class Resting:
        async def admit(self, request):
            return Admitted(None, self.serve)

        async def serve(self, socket):
            await is_rested.wait()

    listener = await open_http_listener(route=Resting())
    client = await open_client(listener)
    await client.send(*[masked_frame(TEXT, b"x")] * 15, masked_frame(PING, b"p"))
    with trio.fail_after(5):
        assert await client.frame() == (PONG, b"p")
    is_rested.set()
    assert await client.close_code() == 1000


async def test_a_client_that_resets_before_its_upgrade_is_answered_harms_nothing(
    open_http_listener,
):
    is_asked, may_answer = trio.Event(), trio.Event()

    class Slow:
        async def admit(self, request):
            is_asked.set()
            await may_answer.wait()
            return Admitted(None, self.serve)

        async def serve(self, socket):
            raise AssertionError("served although nobody is there")

    listener = await open_http_listener(route=Slow())
    client = await listener.connect()
    await client.send(upgrade_request())
    await is_asked.wait()
    reset_on_close(client.stream)
    await trio.aclose_forcefully(client.stream)
    may_answer.set()
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert listener.crashes == []


async def test_a_server_ping_does_not_wait_and_its_pong_counts(listener, client):
    socket = await socket_of(listener)
    told = []
    socket.watch_control(lambda opcode, payload: told.append((opcode, payload)))
    last_received_at = socket.last_received_at
    assert socket.ping_nowait(b"voiceping:7")
    assert await client.frame() == (PING, b"voiceping:7")
    await client.send(masked_frame(PONG, b"voiceping:7"), masked_frame(PING, b"mine"))
    assert await client.frame() == (PONG, b"mine")
    assert told == [(10, b"voiceping:7"), (9, b"mine")]
    assert socket.last_received_at > last_received_at


async def test_control_frames_sent_with_the_upgrade_are_watched(open_http_listener, echo_route):
    told = []

    @attrs.define
    class Watching(echo_route):
        async def serve(self, socket):
            socket.watch_control(lambda *frame: told.append(frame))
            await echo_route.serve(self, socket)

    listener = await open_http_listener(route=Watching())
    client = await listener.connect()
    await client.send(upgrade_request(), masked_frame(PING, b"first"))
    assert (await client.answer())[0] == 101
    assert await client.frame() == (PONG, b"first")
    assert told == [(9, b"first")]


async def test_a_crash_of_a_control_frame_callback_closes_with_1011(listener, client):
    socket = await socket_of(listener)

    def fail(opcode, payload):
        raise RuntimeError("boom")

    socket.watch_control(fail)
    await client.send(masked_frame(PING, b"voiceping:7"))
    assert await client.close_code() == 1011
    await listener.wait_until(lambda: listener.crashes)
    assert [str(crash) for crash in listener.crashes] == ["boom"]


async def test_control_frames_behind_our_close_are_not_reported(listener, client):
    socket = await socket_of(listener)
    told = []
    socket.watch_control(lambda *frame: told.append(frame))
    socket.close_soon(4002)
    await client.send(masked_frame(PING, b"voiceping:7"))
    assert await client.close_code() == 4002
    await client.send(masked_frame(CLOSE, NORMAL))
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert told == []


FLOODS = [
    pytest.param(masked_frame(FIRST) + masked_frame(MORE) * 1000, 1009, id="empty fragments"),
    pytest.param(
        masked_frame(FIRST, b"x") + masked_frame(MORE, b"x") * 1000, 1009, id="tiny fragments"
    ),
    pytest.param(masked_frame(PING, b"p") * 1000, 4008, id="pings"),
    pytest.param(masked_frame(PONG, b"p") * 1000, 4008, id="pongs"),
    pytest.param(masked_frame(TEXT, b"x") * 5000, 4008, id="small messages"),
    pytest.param(
        b"\x81\xff" + (2**63 - 1).to_bytes(8, "big") + b"mask" + b"x" * 1000,
        1009,
        id="2^63-1 declared",
    ),
    pytest.param(b"\x81\xff" + (2**63 - 1).to_bytes(8, "big"), 1009, id="only declared"),
    pytest.param(masked_frame(TEXT, b"x" * 16_385), 1009, id="one byte over the limit"),
]


@pytest.mark.parametrize(("flood", "code"), FLOODS)
async def test_a_flood_is_cut_with_its_code(listener, flood, code):
    client, bystander = await open_client(listener), await open_client(listener)
    with trio.fail_after(5):
        await client.send(flood)
        assert await client.close_code() == code
        # EOF, no reset: that could overtake the close frame.
        assert await client.stream.receive_some() == b""
    await wait_ends(listener, [False])
    await listener.wait_until(lambda: listener.counts["frame_limit"] == 1)
    await bystander.send(masked_frame(TEXT, b"fine"))
    assert await bystander.frame() == (TEXT, b"fine")
    assert listener.crashes == []


async def test_messages_before_the_offending_frame_are_received(open_http_listener):
    listener = await open_http_listener(max_frame_bytes=100)
    client = await open_client(listener)
    await client.send(
        masked_frame(TEXT, b"good"), masked_frame(PING, b"p"), masked_frame(TEXT, b"x" * 101)
    )
    frames = [await client.frame() for _ in range(3)]
    assert sorted(frames[:2]) == [(TEXT, b"good"), (PONG, b"p")]
    assert frames[2][0] == CLOSE


async def test_a_flood_behind_broken_framing_leaves_no_exception(open_http_listener):
    listener = await open_http_listener(max_frame_bytes=100)
    client = await open_client(listener)
    await client.send(b"\x81\x02hi", masked_frame(TEXT, b"x" * 101))
    with trio.fail_after(5):
        await client.wait_end()
    await wait_ends(listener, [False])
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert listener.crashes == []


async def test_the_largest_message_passes_in_one_frame_and_in_64(open_http_listener):
    received = []

    class Collecting:
        async def admit(self, request):
            return Admitted(None, self.serve)

        async def serve(self, socket):
            received.extend([len(await socket.receive()) for _ in range(2)])

    listener = await open_http_listener(route=Collecting())
    client = await open_client(listener)
    part = masked_frame(MORE, b"x" * 256)
    await client.send(
        masked_frame(TEXT, b"x" * 16_384),
        masked_frame(FIRST, b"x" * 256) + part * 62 + masked_frame(LAST, b"x" * 256),
    )
    assert await client.close_code() == 1000
    assert received == [16_384, 16_384]


async def test_a_limit_of_zero_lets_large_messages_pass(open_http_listener):
    received = []

    class Collecting:
        async def admit(self, request):
            return Admitted(None, self.serve)

        async def serve(self, socket):
            received.append(await socket.receive())

    listener = await open_http_listener(
        route=Collecting(), max_frame_bytes=0, max_frames_per_second=0
    )
    client = await open_client(listener)
    await client.send(masked_frame(0x82, b"\x07" * 1_500_000))
    assert await client.close_code() == 1000
    assert received == [b"\x07" * 1_500_000]


async def test_pushes_between_the_librarys_own_frames_keep_frames_whole(listener):
    pushed = [text_frame(b"push %d " % n + b"x" * (n * 7 % 300)) for n in range(500)]
    url = f"ws://127.0.0.1:{listener.port}/ws"
    ends = []

    async def talk():
        async with open_websocket_url(url) as socket, trio.open_nursery() as nursery:
            got, echoes = [], 0

            @nursery.start_soon
            async def ping():
                for _ in range(40):
                    await socket.ping()

            @nursery.start_soon
            async def ask():
                for n in range(100):
                    await socket.send_message(f"echo {n}")

            while len(got) < 500 or echoes < 100:
                message = await socket.get_message()
                if message.startswith("echo"):
                    assert message == f"echo {echoes}"
                    echoes += 1
                else:
                    got.append(text_frame(message.encode()))
            ends.append(got)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(talk)
            await listener.wait_until(lambda: len(listener.route.sockets) == 3)
            for frame in pushed:
                for socket in listener.route.sockets:
                    assert socket.stream.push(frame)
                await trio.lowlevel.checkpoint()
    assert ends == [pushed] * 3
    await wait_ends(listener, [True] * 3)


async def test_a_stuck_reader_that_pings_is_cut_and_bothers_nobody(open_http_listener):
    listener = await open_http_listener(write_blocked_after=0.3)
    client = await open_client(listener)
    socket = await socket_of(listener)
    socket.stream.push_snapshot([b"s" * 20_000_000])
    await client.send(masked_frame(PING, b"p"))
    await wait_ends(listener, [False])
    assert socket.stream.cut_reason == "slow"
    await listener.wait_until(lambda: listener.counts["slow"] == 1)


async def test_half_open_handshakes_are_freed(open_http_listener):
    listener = await open_http_listener(handshake_after=0.3, max_connections_per_address=0)
    clients = [await listener.connect() for _ in range(100)]
    for n, client in enumerate(clients):
        await client.send(upgrade_request()[:n])
    await listener.wait_until(lambda: listener.listener.connection_count == 100)
    with trio.fail_after(5):
        for client in clients:
            await client.wait_end()
    assert listener.listener.connection_count == 0
    assert listener.counts["head_timed_out"] == 100


@pytest.mark.slow
async def test_a_thousand_cuts_leave_no_exception(open_http_listener):
    """F25: the same conversation, ended anywhere, by EOF or by reset, also byte by byte."""
    listener = await open_http_listener(max_connections_per_address=0)
    rng = random.Random(25)
    wire = (
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
        + upgrade_request()
        + masked_frame(TEXT, b"hello")
        + masked_frame(PING, b"p")
        + masked_frame(FIRST, b"a")
        + masked_frame(LAST, b"b" * 200)
        + masked_frame(CLOSE, NORMAL)
    )

    async def play(limit):
        async with limit:
            stream = await trio.open_tcp_stream("127.0.0.1", listener.port)
            cut, position = rng.randrange(len(wire)), 0
            step = rng.choice([1, 5, 1000])
            while position < cut:
                await stream.send_all(wire[position : min(cut, position + step)])
                position += step
            if rng.random() < 0.3:
                await trio.sleep(rng.random() * 0.01)
            if rng.random() < 0.5:
                reset_on_close(stream)
            await trio.aclose_forcefully(stream)

    limit = trio.CapacityLimiter(50)
    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(play, limit)
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert listener.crashes == []


async def test_garbage_after_the_upgrade_leaves_no_exception(open_http_listener):
    listener = await open_http_listener(max_connections_per_address=0)
    rng = random.Random(7)
    for _ in range(150):
        client = await open_client(listener)
        first = rng.choice([0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A, rng.randrange(256)])
        junk = bytes((first, 0x80 | rng.randrange(128))) + rng.randbytes(rng.randrange(300))
        try:
            await client.send(junk, rng.randbytes(rng.randrange(50)))
            await client.stream.send_eof()
        except trio.BrokenResourceError:
            pass
        with trio.fail_after(5):
            await client.wait_end()
        await trio.aclose_forcefully(client.stream)
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert listener.crashes == []


async def open_slow_client(listener):
    """A client that stopped reading, with its frames waiting, and the frames' payload."""
    client = await listener.connect()
    client.stream.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    await client.upgrade()
    socket = await socket_of(listener)
    payload = b"p" * 1000
    while socket.stream.push(text_frame(payload)):
        pass
    return client, payload


async def test_a_slow_client_is_closed_with_4008_behind_whole_frames(open_http_listener):
    listener = await open_http_listener(max_unsent_bytes=10_000)
    client, payload = await open_slow_client(listener)
    await wait_ends(listener, [False])  # at once: its session does not wait for it
    assert listener.counts["slow"] == 1
    await client.send(masked_frame(TEXT, b"late"), masked_frame(CLOSE, NORMAL))
    with trio.fail_after(2):
        while (frame := await client.frame()) == (TEXT, payload):
            pass
        assert frame == (CLOSE, b"\x0f\xa8slow")
        assert await client.wait_end() == b""
    await client.stream.aclose()
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert (listener.crashes, listener.counts["slow"]) == ([], 1)


async def test_a_slow_client_that_reads_nothing_is_cut_in_time(open_http_listener, quick_end):
    listener = await open_http_listener(max_unsent_bytes=10_000)
    client, _ = await open_slow_client(listener)
    began_at = trio.current_time()
    socket = await socket_of(listener)
    assert socket.stream.statistics().unsent_bytes < 1100
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert stream.LAST_CHANCE_AFTER / 2 < trio.current_time() - began_at < 1
    assert await client.close_code() is None
    assert (listener.route.ends, listener.crashes, listener.counts["slow"]) == ([False], [], 1)


async def test_a_session_that_is_cancelled_closes_with_1012_and_frees_its_place(listener, client):
    await socket_of(listener)
    listener.listener.end_connections(0)
    with trio.fail_after(5):
        assert await client.close_code() == 1012
    await listener.wait_until(lambda: listener.listener.connection_count == 0)


async def test_receive_after_the_end_says_so_again(open_http_listener):
    ends = []

    class Stubborn:
        async def admit(self, request):
            return Admitted(None, self.serve)

        async def serve(self, socket):
            for _ in range(2):
                with pytest.raises(SocketEnded) as end:
                    await socket.receive()
                ends.append(end.value.is_clean)

    listener = await open_http_listener(route=Stubborn())
    client = await open_client(listener)
    await client.send(masked_frame(CLOSE, NORMAL))
    await client.wait_end()
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert ends == [True, True]


def all_alive(kind):
    gc.collect()
    # isinstance() asks a weak proxy for its class, which fails when the target is gone.
    return [each for each in gc.get_objects() if issubclass(type(each), kind)]


async def test_an_open_connection_keeps_nothing_of_its_handshake(small_heap, listener):
    """Of the library's parser and request neither: it would hold on to both."""
    await open_client(listener)
    await socket_of(listener)
    await trio.testing.wait_all_tasks_blocked(0.01)
    parser_of_all = SPENT_HANDSHAKE._h11_connection  # the library has no public name
    assert [each for each in all_alive(h11.Connection) if each is not parser_of_all] == []
    assert [each for each in all_alive(wsproto.events.Request) if each.extra_headers] == []
    assert all_alive(Upgrade) == []


async def test_a_waiting_connection_keeps_no_exception(small_heap, listener):
    await trio.testing.wait_all_tasks_blocked(0.01)
    before = len(all_alive(BlockingIOError))
    await open_client(listener)
    await socket_of(listener)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert len(all_alive(BlockingIOError)) == before


LAST_FRAMES = [
    pytest.param(b"\x81\x81\0\0\0\0\xff", 1007, id="text that is not UTF-8"),
    pytest.param(b"\x81\x01x", 1002, id="frame without a mask"),
    pytest.param(b"\x81\xff" + b"\x7f" * 8 + bytes(4), 1009, id="frame too large"),
    pytest.param(b"\x89\x80\0\0\0\0" * 300, 4008, id="flood of pings"),
]


@pytest.mark.parametrize(("wire", "code"), LAST_FRAMES)
async def test_a_close_frame_reaches_a_client_that_still_sends(open_http_listener, wire, code):
    listener = await open_http_listener(max_connections_per_address=0)
    more = masked_frame(TEXT, b"x" * 1000) * 100
    for _ in range(20):
        client = await open_client(listener)
        await client.send(wire, more)
        with trio.fail_after(5):
            assert await client.close_code() == code
            assert await client.stream.receive_some() == b""  # an end, not a reset
        await client.stream.aclose()
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert listener.crashes == []


async def return_at_once(socket):
    pass


async def close_with_4001(socket):
    await socket.close(4001)


async def close_soon_with_4003(socket):
    socket.close_soon(4003)
    with pytest.raises(SocketEnded):
        await socket.receive()


async def crash(socket):
    raise KeyError("boom")


async def crash_in_a_callback(socket):
    socket.watch_control(lambda opcode, payload: crash_at_once(payload))
    while True:
        await socket.receive()


def crash_at_once(payload):
    raise KeyError("boom")


ENDS_OF_SESSIONS = [
    pytest.param(return_at_once, 1000, id="returns"),
    pytest.param(close_with_4001, 4001, id="closes"),
    pytest.param(close_soon_with_4003, 4003, id="closes soon"),
    pytest.param(crash, 1011, id="crashes"),
    pytest.param(crash_in_a_callback, 1011, id="callback crashes"),
]


@pytest.mark.parametrize(("serve", "code"), ENDS_OF_SESSIONS)
async def test_the_close_frame_of_a_session_reaches_a_client_that_still_sends(
    open_http_listener, serve, code
):
    class Route:
        async def admit(self, request):
            return Admitted(None, serve)

    listener = await open_http_listener(
        route=Route(), max_connections_per_address=0, max_frames_per_second=0
    )
    for _ in range(20):
        client = await open_client(listener)
        await client.send(masked_frame(PING), masked_frame(TEXT, b"x" * 1000) * 100)
        with trio.fail_after(5):
            assert await client.close_code() == code
            await client.send(masked_frame(CLOSE, NORMAL))
            assert await client.stream.receive_some() == b""  # an end, not a reset
        await client.stream.aclose()
    await listener.wait_until(lambda: listener.listener.connection_count == 0)


async def test_a_client_far_into_a_message_that_is_too_large_reads_1009(open_http_listener):
    listener = await open_http_listener(max_connections_per_address=0)
    message = masked_frame(0x82, bytes(3_000_000))
    for _ in range(5):
        client = await open_client(listener)
        with trio.fail_after(5):
            await client.send(message)
            assert await client.close_code() == 1009
            assert await client.stream.receive_some() == b""
        await client.stream.aclose()


async def test_a_close_frame_waits_behind_the_frames_that_wait(open_http_listener):
    listener = await open_http_listener(max_frame_bytes=100)
    client = await listener.connect()
    client.stream.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    await client.upgrade()
    socket = await socket_of(listener)
    pushed = 0
    while socket.stream.statistics().unsent_bytes < 10_000:
        assert socket.stream.push(text_frame(b"p" * 1000))
        pushed += 1
    await client.send(masked_frame(TEXT, b"x" * 101))
    await wait_ends(listener, [False])
    with trio.fail_after(5):
        frames = [await client.frame() for _ in range(pushed + 1)]
        assert frames[:-1] == [(TEXT, b"p" * 1000)] * pushed
        assert frames[-1][1][:2] == (1009).to_bytes(2, "big")
        assert await client.stream.receive_some() == b""
