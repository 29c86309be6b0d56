"""Texts that come whole are heard past the library, and nothing else changes by that."""

import gc
from contextlib import suppress

import attrs
import pytest
import trio
import trio.testing
from wire import masked_frame

from presence.transport.sockets.stream import SocketEnded
from presence.transport.websocket.upgrade import Admitted

pytestmark = pytest.mark.usefixtures("quick_end")

TEXT, FIRST, LAST = 0x81, 0x01, 0x80
BINARY, CLOSE, PING = 0x82, 0x88, 0x89
NORMAL = b"\x03\xe8"
LIBRARY_READS = 4096
"""Bytes that the library asks for at once."""


@attrs.define
class Notes:
    """A route that notes each message, and how it came: past the library, or received."""

    heard: list = attrs.field(factory=list)
    sockets: list = attrs.field(factory=list)
    ends: list = attrs.field(factory=list)

    async def admit(self, request):
        return Admitted(None, self.serve)

    def on_message(self, text):
        if text == "crash":
            raise KeyError(text)
        self.heard.append(("directly", text))

    async def serve(self, socket):
        self.sockets.append(socket)
        socket.set_text_callback(self.on_message)
        try:
            while True:
                self.heard.append(("received", await socket.receive()))
        except SocketEnded as end:
            self.ends.append(end.is_clean)


@attrs.define
class Later:
    """A route whose sessions take callbacks at once, but receive only when they may."""

    notes: Notes
    may_receive: trio.Event = attrs.field(factory=trio.Event)

    async def admit(self, request):
        return Admitted(None, self.serve)

    async def serve(self, socket):
        socket.set_text_callback(self.notes.on_message)
        self.notes.sockets.append(socket)
        await self.may_receive.wait()
        await self.notes.serve(socket)


@pytest.fixture
async def notes():
    return Notes()


@pytest.fixture
async def listener(open_http_listener, notes):
    return await open_http_listener(route=notes)


@pytest.fixture
async def client(listener):
    client = await listener.connect()
    status, _, _ = await client.upgrade()
    assert status == 101
    await listener.wait_until(lambda: listener.route.sockets)
    return client


async def test_a_text_that_comes_alone_skips_the_library(listener, notes, client):
    for text in ("one", "grüß", "x" * 200):
        await client.send(masked_frame(TEXT, text.encode()))
        await listener.wait_until(lambda text=text: ("directly", text) in notes.heard)


async def test_a_text_that_fills_what_is_read_at_once_does_not_hide_the_next(
    notes, listener, client
):
    """The kernel says once that something came, however much it is."""
    whole = masked_frame(TEXT, b"x" * (LIBRARY_READS - 8))
    assert len(whole) == LIBRARY_READS
    await client.send(whole, masked_frame(TEXT, b"next"))
    await listener.wait_until(lambda: len(notes.heard) == 2)
    assert notes.heard == [("directly", "x" * (LIBRARY_READS - 8)), ("directly", "next")]


async def test_texts_in_one_piece_are_received_in_order(listener, notes, client):
    frames = [masked_frame(TEXT, str(n).encode()) for n in range(10)]
    await client.send(*frames)
    await listener.wait_until(lambda: len(notes.heard) == 10)
    assert notes.heard == [("received", str(n)) for n in range(10)]


async def test_a_whole_text_does_not_overtake_pending_messages(open_http_listener, notes):
    """Two frames fill one read; the third comes alone, while they are with the library."""
    listener = await open_http_listener(route=Later(notes))
    client = await listener.connect()
    await client.upgrade()
    await listener.wait_until(lambda: notes.sockets)
    half = masked_frame(TEXT, b"x" * (LIBRARY_READS // 2 - 8))
    assert 2 * len(half) == LIBRARY_READS
    await client.send(half, half, masked_frame(TEXT, b"third"))
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert notes.heard == []
    listener.route.may_receive.set()
    await listener.wait_until(lambda: len(notes.heard) == 3)
    assert [(how, text[:5]) for how, text in notes.heard] == [
        ("received", "xxxxx"),
        ("received", "xxxxx"),
        ("received", "third"),
    ]
    await client.send(masked_frame(TEXT, b"fourth"))
    await listener.wait_until(lambda: notes.heard[3:] == [("directly", "fourth")])


async def test_texts_are_received_in_order_however_they_come(listener, notes, client):
    wanted = []
    for n in range(60):
        text = str(n)
        whole = masked_frame(TEXT, text.encode())
        forms = [
            [whole],
            [masked_frame(FIRST, text[:1].encode()) + masked_frame(LAST, text[1:].encode())],
            [masked_frame(FIRST, text[:1].encode()), masked_frame(LAST, text[1:].encode())],
            [whole[:1], whole[1:]],
            [masked_frame(PING) + whole],
        ]
        for part in forms[n % len(forms)]:
            await client.send(part)
        wanted.append(text)
    await listener.wait_until(lambda: len(notes.heard) == len(wanted))
    assert [text for _, text in notes.heard] == wanted


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([(FIRST, b"begun"), (TEXT, b"not allowed here")], id="within fragments"),
        pytest.param([(TEXT, b"\xff")], id="not UTF-8"),
        pytest.param([(0xC1, b"reserved bit")], id="reserved bit"),
    ],
)
async def test_broken_frames_are_left_to_the_library(listener, notes, client, frames):
    for first, payload in frames:
        await client.send(masked_frame(first, payload))
    await client.wait_end()
    await listener.wait_until(lambda: notes.ends == [False])
    assert notes.heard == []


async def test_bytes_and_the_end_are_received(listener, notes, client):
    await client.send(masked_frame(BINARY, b"bytes"))
    await listener.wait_until(lambda: notes.heard == [("received", b"bytes")])
    await client.send(masked_frame(CLOSE, NORMAL))
    await listener.wait_until(lambda: notes.ends == [True])


async def test_a_crash_of_the_callback_ends_only_its_socket_with_1011(listener, notes, client):
    other = await listener.connect()
    await other.upgrade()
    await listener.wait_until(lambda: len(notes.sockets) == 2)
    await client.send(masked_frame(TEXT, b"crash"))
    assert await client.close_code() == 1011
    await listener.wait_until(lambda: listener.crashes)
    await other.send(masked_frame(TEXT, b"still here"))
    await listener.wait_until(lambda: notes.heard == [("directly", "still here")])


async def test_nothing_is_received_after_a_server_close(listener, notes, client):
    notes.sockets[0].close_soon(4002, "expelled")
    await client.send(masked_frame(TEXT, b"too late"))
    await client.send(masked_frame(CLOSE, NORMAL))
    assert await client.close_code() == 4002
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert notes.heard == []


async def test_a_flood_of_texts_leaves_others_their_turn(listener, notes, client, nursery):
    other = await listener.connect()
    await other.upgrade()
    await listener.wait_until(lambda: len(notes.sockets) == 2)
    nursery.start_soon(client.send_for_ever, masked_frame(TEXT, b"flood"))
    await other.send(masked_frame(TEXT, b"me too"))
    await listener.wait_until(lambda: ("directly", "me too") in notes.heard)


async def test_the_owner_of_a_callback_is_freed_with_its_connection(small_heap, open_http_listener):
    class Owner:
        def __init__(self, socket):
            self.socket = socket
            socket.set_text_callback(self.on_message)
            socket.watch_control(self.on_control_frame)

        def on_message(self, text):
            pass

        def on_control_frame(self, opcode, payload):
            pass

    class Route:
        async def admit(self, request):
            return Admitted(None, self.serve)

        async def serve(self, socket):
            owner = Owner(socket)
            with suppress(SocketEnded):
                await owner.socket.receive()

    listener = await open_http_listener(route=Route())
    gc.collect()
    gc.disable()  # of what has lived long the collector looks at nothing for hours
    try:
        client = await listener.connect()
        await client.upgrade()
        await client.send(masked_frame(CLOSE, NORMAL))
        await client.wait_end()
        await listener.wait_until(lambda: listener.listener.connection_count == 0)
        assert not any(type(each) is Owner for each in gc.get_objects())
    finally:
        gc.enable()
