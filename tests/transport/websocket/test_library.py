"""The internals of the WebSocket library that we rely on: fails when a version changes them."""

import inspect

import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection
from wire import masked_frame
from wsproto import WSConnection
from wsproto.connection import ConnectionState, ConnectionType

from presence.transport.websocket.library import (
    MESSAGE_QUEUE_SIZE,
    ConnectionClosed,
    LibraryConnection,
    OpenProtocol,
    accept_token,
    broken_framing_code,
    is_goodbye,
)

TEXT, FIRST, LAST, CLOSE, PING = 0x81, 0x01, 0x80, 0x88, 0x89


class RecordingStream(trio.abc.Stream):
    """Gives the library what is fed; notes every write, and whether the stream was closed."""

    def __init__(self):
        self.written = []
        self.is_closed = False
        self._sender, self._receiver = trio.open_memory_channel(100)

    def feed(self, *chunks):
        for chunk in chunks:
            self._sender.send_nowait(chunk)

    async def receive_some(self, max_bytes=None):
        return await self._receiver.receive()

    async def send_all(self, data):
        self.written.append(bytes(data))
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self):
        await trio.lowlevel.checkpoint()

    async def aclose(self):
        self.is_closed = True
        await trio.lowlevel.checkpoint()


@pytest.fixture
def stream():
    return RecordingStream()


@pytest.fixture
def connection(stream, nursery):
    connection = LibraryConnection(stream, 1000)
    connection.start_reader(nursery)
    return connection


async def end_of(connection):
    """How the library says that the connection ended."""
    with trio.fail_after(5), pytest.raises(ConnectionClosed) as closed:
        await connection.next_message()
    return closed.value


def test_the_reader_is_a_coroutine_function_without_parameters():
    assert inspect.iscoroutinefunction(WebSocketConnection._reader_task)
    assert list(inspect.signature(WebSocketConnection._reader_task).parameters) == ["self"]


def test_an_open_protocol_has_the_fields_that_the_library_gives_its_own():
    assert vars(OpenProtocol()).keys() == vars(WSConnection(ConnectionType.SERVER)).keys()


def test_an_open_protocol_is_open_and_has_nothing_to_say_of_a_handshake():
    protocol = OpenProtocol()
    assert protocol.state is ConnectionState.OPEN
    assert list(protocol.events()) == []


def test_the_accept_token_is_that_of_the_rfc():
    assert accept_token("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_messages_come_whole_and_in_order(stream, connection):
    stream.feed(
        masked_frame(TEXT, b"one") + masked_frame(FIRST, b"tw"),
        masked_frame(LAST, b"o") + masked_frame(0x82, b"\xff"),
    )
    messages = [await connection.next_message() for _ in range(3)]
    assert messages == ["one", "two", b"\xff"]


async def test_a_ping_is_answered_in_one_write(stream, connection):
    stream.feed(masked_frame(PING, b"p") + masked_frame(TEXT, b"x"))
    await connection.next_message()
    assert stream.written == [b"\x8a\x01p"]


async def test_a_reader_whose_messages_nobody_takes_stops_after_a_few(stream, connection):
    stream.feed(masked_frame(TEXT, b"x") * (MESSAGE_QUEUE_SIZE + 1) + masked_frame(PING))
    await trio.testing.wait_all_tasks_blocked()
    assert stream.written == []
    await connection.next_message()
    await trio.testing.wait_all_tasks_blocked()
    assert stream.written == [b"\x8a\x00"]


GOODBYES = [
    pytest.param(b"\x03\xe8", True, id="1000"),
    pytest.param(b"", True, id="no code"),
    pytest.param(b"\x03\xe9", False, id="1001"),
]


@pytest.mark.parametrize(("payload", "is_clean"), GOODBYES)
async def test_a_close_frame_is_answered_in_one_write_and_the_stream_closed(
    stream, connection, payload, is_clean
):
    stream.feed(masked_frame(CLOSE, payload))
    closed = await end_of(connection)
    await trio.testing.wait_all_tasks_blocked()
    assert stream.written == [bytes((CLOSE, len(payload))) + payload]
    assert stream.is_closed
    assert (is_goodbye(closed), broken_framing_code(closed)) == (is_clean, None)


@pytest.mark.parametrize(("wire", "code"), [(b"\x81\x81\0\0\0\0\xff", 1007), (b"\x81\x02hi", 1002)])
async def test_broken_framing_ends_the_stream_without_a_close_frame(stream, connection, wire, code):
    stream.feed(wire)
    closed = await end_of(connection)
    await trio.testing.wait_all_tasks_blocked()
    assert (broken_framing_code(closed), is_goodbye(closed)) == (code, False)
    assert (stream.written, stream.is_closed) == ([], True)


async def test_the_end_of_the_stream_is_no_goodbye_and_leaves_closing_to_the_owner(
    stream, connection
):
    stream.feed(b"")
    closed = await end_of(connection)
    await trio.testing.wait_all_tasks_blocked()
    assert (is_goodbye(closed), broken_framing_code(closed)) == (False, None)
    assert (stream.written, stream.is_closed) == ([], False)
