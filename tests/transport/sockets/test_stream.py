"""The outgoing side of one connection on real sockets."""

import os
import socket

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from presence.transport.limits import NetLimits
from presence.transport.sockets.ending import finish
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.frame_batch import FrameBatch
from presence.transport.sockets.options import NOT_SENT_BYTES, TCP_NOTSENT_LOWAT, tune_socket
from presence.transport.sockets.outbox import OutboxStatistics
from presence.transport.sockets.socket_writer import RESET_ON_CLOSE
from presence.transport.sockets.stream import OutboxStream
from presence.transport.websocket.frame_limiter import FrameLimiter
from presence.transport.websocket.frames import binary_frame, close_frame, ping_frame, text_frame


@attrs.define
class Pair:
    """A framed stream and the plain socket at its other end."""

    stream: OutboxStream
    peer: trio.socket.SocketType

    async def read(self, size):
        data = b""
        with trio.fail_after(10):
            while chunk := await self.peer.recv(min(65536, size - len(data))):
                data += chunk
        return data

    async def read_all(self):
        try:
            return await self.read(1 << 40)
        except ConnectionResetError:
            return None


@pytest.fixture
async def connect(nursery):
    """Open a stream after its upgrade; the peer takes little before it blocks."""
    opened = []

    async def start(*, is_framed=True, **limits):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(listener.getsockname())
            sock, _ = listener.accept()
        tune_socket(sock)
        stream = OutboxStream(sock, NetLimits(**limits))
        if is_framed:
            stream.begin_frames(nursery, FrameLimiter(NetLimits(**limits)), b"")
        opened.append(Pair(stream, trio.socket.from_stdlib_socket(peer)))
        return opened[-1]

    yield start
    for pair in opened:
        pair.stream.close()
        pair.peer.close()


def fill(stream):
    """Offer distinct keys until the kernel takes no more; return how many it took whole."""
    frame, count = text_frame(b"f" * 1000), 0
    while stream.statistics().unsent_bytes == 0:
        stream.offer(("fill", count), frame)
        count += 1
    return count


async def wait_until(claim):
    with trio.fail_after(5):
        while not claim():  # noqa: ASYNC110 - the claim is about another task's plain state
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (text_frame(b"hi"), b"\x81\x02hi"),
        (binary_frame(b"x" * 126), b"\x82\x7e\x00\x7e" + b"x" * 126),
        (text_frame(b"x" * 65536)[:10], b"\x81\x7f" + (65536).to_bytes(8, "big")),
        (ping_frame(b"p"), b"\x89\x01p"),
        (close_frame(1012, "bye"), b"\x88\x05\x03\xf4bye"),
        (close_frame(4008, "ä" * 100)[:4], b"\x88\x7c\x0f\xa8"),
    ],
)
def test_frames_on_the_wire(frame, wire):
    assert frame == wire


def test_a_ping_over_125_bytes_is_an_error():
    with pytest.raises(ValueError, match="125"):
        ping_frame(b"x" * 126)


async def test_an_accepted_socket_shows_a_stuck_reader_early(connect):
    pair = await connect()
    sock = pair.stream._socket  # private: only the kernel tells of its options
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT) == NOT_SENT_BYTES
    fill(pair.stream)
    pair.stream.cut("test")


async def test_bytes_the_kernel_takes_are_written_without_a_task(connect):
    pair = await connect()
    tasks = trio.lowlevel.current_statistics().tasks_living
    pair.stream.push(b"<ready>")
    pair.stream.offer("a", b"<a1>")
    pair.stream.offer("a", b"<a2>")
    pair.stream.push_snapshot([b"<sn", b"ap>"])
    pair.stream.offer_batch(FrameBatch({"a": b"<a>", "b": b"<b>"}))
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert pair.stream.statistics() == OutboxStatistics(0, 0, 0)
    assert await pair.read(27) == b"<ready><a1><a2><snap><a><b>"


async def test_a_slow_reader_gets_only_the_newest_of_each_key(connect):
    pair = await connect()
    taken = fill(pair.stream)
    for n in range(100):
        for key in "abc":
            pair.stream.offer(key, text_frame(f"{key}{n}".encode()))
    pair.stream.drop("b")
    statistics = pair.stream.statistics()
    assert statistics.replaced_count == 297
    assert statistics.waiting_keys <= 3
    last = text_frame(b"a99") + text_frame(b"c99")
    filler = text_frame(b"f" * 1000) * taken
    with trio.fail_after(5):
        assert await pair.read(len(filler) + len(last)) == filler + last
    assert pair.stream.statistics() == OutboxStatistics(0, 0, 297)
    pair.stream.offer("a", b"<a100>")
    assert await pair.read(6) == b"<a100>"


async def test_pushed_frames_pass_waiting_keys_but_not_a_frame_under_way(connect):
    pair = await connect()
    taken = fill(pair.stream)
    pair.stream.offer("a", text_frame(b"late"))
    pair.stream.push(ping_frame())
    expected = text_frame(b"f" * 1000) * taken + ping_frame() + text_frame(b"late")
    got = await pair.read(len(expected))
    assert sorted(got) == sorted(expected)
    assert got.endswith(ping_frame() + text_frame(b"late"))


async def test_a_joined_round_is_taken_apart_where_the_kernel_takes_part_of_it(connect):
    pair = await connect()
    frames = {n: text_frame(b"%03d" % n * 400) for n in range(300)}
    pair.stream.offer_batch(FrameBatch(frames))
    assert 0 < pair.stream.statistics().waiting_keys < 300
    pair.stream.offer_batch(FrameBatch({299: b"<new>", 300: b"<300>"}))
    expected = b"".join(frames[n] for n in range(299)) + b"<new><300>"
    with trio.fail_after(5):
        assert await pair.read(len(expected)) == expected


async def test_many_are_written_to_in_one_go_whatever_their_state(connect):
    clear, full, closing, gone, over = [await connect() for _ in range(5)]
    fd_table = FdTable()
    numbers = [fd_table.take(pair.stream) for pair in (clear, full, closing, gone, over)]
    taken = fill(full.stream)
    closing.stream.push_close(1012)
    gone.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    gone.peer.close()
    over.stream.close()
    await trio.sleep(0.05)
    fd_table.write_to_all(FrameBatch({"a": b"<a>"}), numbers)
    assert await clear.read(3) == b"<a>"
    assert full.stream.statistics().waiting_keys == 1
    closing.stream.close()
    assert await closing.read_all() == close_frame(1012)
    assert gone.stream.cut_reason == "lost"
    sent = taken * len(text_frame(b"f" * 1000))
    assert (await full.read(sent + 3))[sent:] == b"<a>"
    fd_table.write_to_all(FrameBatch({"a": b"<b>"}), numbers)
    assert (await clear.read(3), await full.read(3)) == (b"<b>", b"<b>")


async def test_nothing_overtakes_the_backlog(connect):
    pair, fd_table = await connect(), FdTable()
    slot = fd_table.take(pair.stream)
    sent = fill(pair.stream) * len(text_frame(b"f" * 1000))
    pair.stream.push(b"<pushed>")
    fd_table.write_to_all(FrameBatch({"a": b"<a1>"}), [slot])
    fd_table.write_to_all(FrameBatch({"a": b"<a2>"}), [slot])
    assert (await pair.read(sent + 12))[sent:] == b"<pushed><a2>"


async def test_a_slot_taken_with_a_backlog_is_written_after_it(connect):
    pair, fd_table = await connect(), FdTable()
    sent = fill(pair.stream) * len(text_frame(b"f" * 1000))
    slot = fd_table.take(pair.stream)
    fd_table.write_to_all(FrameBatch({"a": b"<a>"}), [slot])
    assert (await pair.read(sent + 3))[sent:] == b"<a>"


async def test_a_reused_descriptor_gets_no_frames_of_the_closed_connection(connect):
    closed, fd_table = await connect(), FdTable()
    slot = fd_table.take(closed.stream)
    descriptor = closed.stream._socket.fileno()  # private: another socket is to get it
    heir, peer = socket.socketpair()
    closed.stream.close()
    with socket.socket(fileno=os.dup2(heir.fileno(), descriptor)), heir, peer:
        peer.setblocking(False)
        fd_table.write_to_all(FrameBatch({"a": b"<a>"}), [slot])
        with pytest.raises(BlockingIOError):
            peer.recv(10)


async def test_a_returned_slot_belongs_to_its_next_owner(connect):
    former, heir, fd_table = await connect(), await connect(), FdTable()
    slot = fd_table.take(former.stream)
    fd_table.unregister(slot)
    assert fd_table.take(heir.stream) == slot
    former.stream.push_close(1012)
    former.stream.close()
    fd_table.write_to_all(FrameBatch({"a": b"<a>"}), [slot])
    assert await heir.read(3) == b"<a>"
    assert await former.read_all() == close_frame(1012)


@pytest.mark.parametrize(("is_gone", "waiting"), [(True, 2), (False, 3)])
async def test_a_frame_that_says_gone_takes_along_what_waits(connect, is_gone, waiting):
    pair = await connect()
    fill(pair.stream)
    pair.stream.is_gone = lambda key: is_gone and key == "u"
    pair.stream.offer("u", b"<u>")
    pair.stream.offer("v", b"<v>")
    pair.stream.offer_batch(FrameBatch({("s", "u"): b"<u left s>"}, vanished=("u",)))
    assert pair.stream.statistics().waiting_keys == waiting


async def test_a_snapshot_may_be_larger_than_the_bound(connect):
    pair = await connect(max_unsent_bytes=1000)
    chunks = [b"s" * 100_000] * 20
    assert pair.stream.push_snapshot(chunks)
    assert pair.stream.push(b"<after>")
    pair.stream.offer("a", b"<a>")
    with trio.fail_after(5):
        assert await pair.read(2_000_010) == b"".join(chunks) + b"<after><a>"


async def test_too_many_unsent_pushed_bytes_cut_the_connection(connect):
    pair = await connect(max_unsent_bytes=5000)
    fill(pair.stream)
    pushed = 0
    while pair.stream.push(b"x" * 1000):
        pushed += 1
    assert pushed <= 5
    assert pair.stream.cut_reason == "slow"
    assert not pair.stream.takes_frames
    pair.stream.close()
    assert await pair.read_all() is None  # reset: nothing stays in the kernel


TOO_SLOW = close_frame(4008, "slow")


async def exceed_the_bound(stream):
    while stream.push(b"x" * 1000):
        pass


async def block(stream):
    await wait_until(lambda: not stream.takes_frames)


@pytest.mark.parametrize(
    ("become_slow", "limits"),
    [
        pytest.param(exceed_the_bound, {"max_unsent_bytes": 5000}, id="bytes over the bound"),
        pytest.param(block, {"write_blocked_after": 0.1}, id="nothing taken for too long"),
    ],
)
async def test_a_slow_reader_that_reads_again_gets_whole_frames_then_4008(
    connect, nursery, become_slow, limits
):
    pair = await connect(**limits)
    taken = fill(pair.stream)
    pair.stream.push(b"<waits>")
    pair.stream.offer("a", b"<waits>")
    await become_slow(pair.stream)
    assert pair.stream.cut_reason == "slow"
    assert pair.stream.statistics().unsent_bytes < 1004 + len(TOO_SLOW)
    assert not pair.stream.offer("a", b"<late>")
    nursery.start_soon(finish, pair.stream)
    got = await pair.read_all()
    whole, end = divmod(len(got) - len(TOO_SLOW), 1004)
    assert (whole in (taken - 1, taken), end) == (True, 0)
    assert got == text_frame(b"f" * 1000) * whole + TOO_SLOW


async def test_a_frame_larger_than_the_bound_is_not_interrupted(connect, nursery):
    pair = await connect(max_unsent_bytes=5000)
    frame = text_frame(b"l" * 1_000_000)
    assert not pair.stream.push(frame)
    nursery.start_soon(finish, pair.stream)
    assert await pair.read_all() == frame + TOO_SLOW


async def test_input_of_a_slow_reader_is_ignored(connect):
    pair = await connect(max_unsent_bytes=5000)
    fill(pair.stream)
    async with trio.open_nursery() as sender:

        @sender.start_soon
        async def become_slow():
            await wait_all_tasks_blocked()
            await exceed_the_bound(pair.stream)

        with trio.fail_after(1):
            assert await pair.stream.receive_some() == b""
    await pair.peer.send(b"too late")
    assert await pair.stream.receive_some() == b""


async def test_input_of_a_slow_reader_does_not_lose_its_4008(connect, nursery):
    pair = await connect(max_unsent_bytes=5000)
    fill(pair.stream)
    await exceed_the_bound(pair.stream)

    @nursery.start_soon
    async def end():
        await finish(pair.stream)
        pair.stream.close()

    await pair.peer.send(b"x" * 10_000)
    assert (await pair.read_all()).endswith(TOO_SLOW)


@pytest.mark.parametrize("sips", [0, 40])
async def test_a_slow_reader_that_takes_too_little_is_cut_when_its_last_chance_is_over(
    connect, monkeypatch, sips
):
    monkeypatch.setattr("presence.transport.sockets.stream.LAST_CHANCE_AFTER", 0.4)
    pair = await connect(max_unsent_bytes=5000, write_blocked_after=0)
    pair.stream.push_snapshot([b"s" * 10_000_000])
    await exceed_the_bound(pair.stream)
    began_at = trio.current_time()
    async with trio.open_nursery() as reader:

        @reader.start_soon
        async def sip():
            for _ in range(sips):
                await trio.sleep(0.02)
                await pair.read(30_000)

        await finish(pair.stream)
        assert 0.4 <= trio.current_time() - began_at < 1
        reader.cancel_scope.cancel()
    assert pair.stream.statistics().unsent_bytes == 0
    pair.stream.close()
    assert await pair.read_all() is None  # reset: nothing stays in the kernel


async def test_a_slow_reader_with_a_pending_close_frame_gets_no_4008(connect):
    pair = await connect(write_blocked_after=0.1)
    fill(pair.stream)
    pair.stream.push_close(1012)
    await wait_until(lambda: pair.stream.cut_reason == "slow")
    pair.stream.close()
    assert await pair.read_all() is None


async def test_before_the_upgrade_a_slow_reader_gets_no_frame(connect):
    pair = await connect(is_framed=False, write_blocked_after=0.1)
    with pytest.raises(trio.BrokenResourceError):
        await pair.stream.send_all(b"x" * 10_000_000)
    assert pair.stream.statistics().unsent_bytes == 0


async def test_by_default_a_quarter_of_a_mebibyte_may_wait_and_no_more(connect):
    pair = await connect()
    fill(pair.stream)
    pushed = 0
    while pair.stream.push(b"x" * 1000):
        pushed += 1
    assert 256 * 1024 - 2000 <= pushed * 1000 <= 256 * 1024


async def test_keyed_frames_are_not_counted_against_the_bound(connect):
    pair = await connect(max_unsent_bytes=2000)
    fill(pair.stream)
    assert all(pair.stream.offer(n, b"x" * 1000) for n in range(100))
    assert pair.stream.statistics().unsent_bytes >= 100_000


async def test_a_reader_that_takes_nothing_is_cut_after_its_time(connect):
    pair = await connect(write_blocked_after=0.2)
    fill(pair.stream)
    started = trio.current_time()
    await wait_until(lambda: pair.stream.cut_reason is not None)
    assert pair.stream.cut_reason == "slow"
    assert trio.current_time() - started >= 0.2
    assert await pair.stream.receive_some() == b""


async def test_a_reader_that_takes_a_little_now_and_then_is_not_cut(connect):
    pair = await connect(write_blocked_after=0.8)
    pair.stream.push_snapshot([b"s" * 3_000_000])
    for _ in range(12):
        await trio.sleep(0.1)
        await pair.read(30_000)
    assert pair.stream.cut_reason is None


async def test_a_cancelled_send_cuts_the_stream(connect):
    pair = await connect()
    fill(pair.stream)
    with trio.move_on_after(0.05) as scope:
        await pair.stream.send_all(b"pong")
    assert scope.cancelled_caught
    assert pair.stream.cut_reason == "cancelled"
    assert not pair.stream.push(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await pair.stream.send_all(b"x")


async def test_a_send_cancelled_before_it_began_harms_nothing(connect):
    pair = await connect()
    with trio.CancelScope() as scope:
        scope.cancel()
        await pair.stream.send_all(b"never")
    await pair.stream.send_all(b"then")
    assert await pair.read(4) == b"then"


async def test_a_send_waits_for_its_own_bytes_not_for_keys(connect):
    pair = await connect()
    taken = fill(pair.stream)
    done = trio.Event()

    async def send():
        await pair.stream.send_all(b"<pong>")
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not done.is_set()
        await pair.read(taken * 1004 + 6)
        with trio.fail_after(5):
            await done.wait()


async def test_a_send_that_waits_fails_when_the_connection_is_cut(connect):
    pair = await connect()
    fill(pair.stream)
    async with trio.open_nursery() as cutter:

        @cutter.start_soon
        async def cut():
            await trio.testing.wait_all_tasks_blocked()
            pair.stream.cut("test")

        with pytest.raises(trio.BrokenResourceError):
            await pair.stream.send_all(b"x")


async def test_before_the_upgrade_a_send_of_any_size_waits_for_the_reader(connect):
    pair = await connect(is_framed=False, max_unsent_bytes=1000)
    async with trio.open_nursery() as sender:
        sender.start_soon(pair.stream.send_all, b"x" * 2_000_000)
        with trio.fail_after(5):
            assert len(await pair.read(2_000_000)) == 2_000_000


async def test_nothing_follows_a_close_frame(connect):
    pair = await connect()
    taken = fill(pair.stream)
    pair.stream.offer("a", b"<stale>")
    assert pair.stream.push_close(4001, "token")
    assert (pair.stream.push(b"x"), pair.stream.offer("a", b"x")) == (False, False)
    assert not pair.stream.push_snapshot([b"x"])
    pair.stream.offer_batch(FrameBatch({"a": b"x"}))
    await pair.stream.send_all(b"<late pong>")
    close = close_frame(4001, "token")
    got = await pair.read(taken * 1004)
    await wait_until(lambda: pair.stream.statistics().unsent_bytes == 0)
    pair.stream.close()
    assert (got + await pair.read_all()).endswith(close)
    assert b"<" not in got


async def test_a_close_frame_of_the_library_ends_pushing_too(connect):
    pair = await connect()
    await pair.stream.send_all(close_frame(1000))
    assert not pair.stream.push(b"x")
    pair.stream.close()
    assert await pair.read_all() == close_frame(1000)


async def test_a_cut_wakes_the_reader(connect):
    pair = await connect()
    with trio.fail_after(5):
        async with trio.open_nursery() as cutter:

            @cutter.start_soon
            async def cut():
                await trio.testing.wait_all_tasks_blocked()
                pair.stream.cut("first")
                pair.stream.cut("second")

            assert await pair.stream.receive_some() == b""
    assert pair.stream.cut_reason == "first"


async def test_nothing_is_received_after_a_cut(connect):
    pair = await connect()
    await pair.peer.send(b"too late")
    pair.stream.cut("test")
    assert await pair.stream.receive_some() == b""


async def test_closing_wakes_the_reader(connect):
    pair = await connect()
    async with trio.open_nursery() as closer:

        @closer.start_soon
        async def close():
            await trio.testing.wait_all_tasks_blocked()
            await pair.stream.aclose()
            await pair.stream.aclose()

        with pytest.raises(trio.ClosedResourceError):
            await pair.stream.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await pair.stream.send_all(b"x")
    assert pair.stream.push(b"the last frame of the owner")
    pair.stream.close()
    assert not pair.stream.push(b"x")


async def test_a_push_to_a_vanished_peer_is_false_and_no_error(connect):
    pair = await connect()
    pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" + bytes(4))
    pair.peer.close()
    with pytest.raises(trio.BrokenResourceError):
        await pair.stream.receive_some()
    assert (pair.stream.push(b"x"), pair.stream.offer("a", b"x")) == (False, False)
    assert pair.stream.cut_reason == "lost"


async def test_received_bytes_move_last_received_at(connect):
    pair = await connect(is_framed=False)
    before = pair.stream.last_received_at
    await trio.sleep(0.01)
    await pair.peer.send(b"x")
    assert await pair.stream.receive_some() == b"x"
    assert pair.stream.last_received_at > before
    last_received_at = pair.stream.last_received_at
    pair.peer.shutdown(socket.SHUT_WR)
    assert await pair.stream.receive_some() == b""
    assert pair.stream.last_received_at == last_received_at


async def test_the_drain_task_lives_only_while_something_waits(connect):
    pair = await connect()
    idle = trio.lowlevel.current_statistics().tasks_living
    taken = fill(pair.stream)
    await trio.testing.wait_all_tasks_blocked()
    assert trio.lowlevel.current_statistics().tasks_living == idle + 1
    await pair.read(taken * 1004)
    await wait_until(lambda: trio.lowlevel.current_statistics().tasks_living == idle)


async def test_two_may_wait_until_what_was_pushed_is_sent(connect, nursery):
    pair = await connect()
    sent = fill(pair.stream) * len(text_frame(b"f" * 1000))
    done = []

    async def wait(name):
        await pair.stream.wait_send_all_might_not_block()
        done.append(name)

    pair.stream.push(b"<pushed>")
    for name in "ab":
        nursery.start_soon(wait, name)
    await wait_all_tasks_blocked()
    assert done == []
    await pair.read(sent + 8)
    with trio.fail_after(5):
        while len(done) < 2:
            await trio.lowlevel.checkpoint()
