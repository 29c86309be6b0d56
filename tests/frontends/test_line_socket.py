"""One open pipe on real sockets: what is heard, what still goes out, how it ends."""

import gc
import socket
import struct
import weakref
from contextlib import suppress

import pytest
import trio
import trio.testing

from presence.frontends.voiceping.line_socket import LINES_PER_TURN, LineSocket
from presence.frontends.voiceping.lines import LINE_BURST
from presence.transport import tcp_listener
from presence.transport.sockets import backlog, stream
from presence.transport.sockets.outbox import Outbox
from presence.transport.sockets.poller import EpollPoller, TrioPoller

STATUS = "|0|5|7|0|2|"
RESET = struct.pack("ii", 1, 0)
DUPLICATED = b"|1|9|0|7|bye|\n"


@pytest.fixture(autouse=True, params=[EpollPoller, TrioPoller])
def watch(request, monkeypatch):
    """The tests run with the watch of every platform."""
    monkeypatch.setattr(tcp_listener, "open_poller", request.param)


@pytest.fixture
async def pipes(open_line_listener):
    return await open_line_listener()


def fill(pipe, *, waiting=1):
    """Offer lines of distinct users until so many wait for the kernel; return all of them."""
    lines = []
    while pipe.statistics().waiting_keys < waiting:
        lines.append(b"|0|5|%d|0|1|%s\n" % (len(lines), b"." * 1000))
        pipe.offer(("fill", len(lines)), lines[-1])
    return b"".join(lines)


def send_at_once(client, data):
    """Send without a turn of the event loop in between."""
    with socket.fromfd(client.stream.socket.fileno(), socket.AF_INET, socket.SOCK_STREAM) as sock:
        assert sock.send(data) == len(data)


# -- what is heard -------------------------------------------------------------------------------


async def test_a_line_in_segments_of_one_byte_is_one_line(pipes):
    client, session = await pipes.log_in()
    client.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in f"{STATUS}\r\n".encode():
        await client.send(bytes([byte]))
        await trio.lowlevel.checkpoint()
    await pipes.wait_until(lambda: session.lines == [STATUS])


async def test_a_thousand_lines_in_one_segment_arrive_in_order(pipes):
    client, session = await pipes.log_in()
    lines = [f"|0|5|7|0|{n}|" for n in range(1000)]
    await client.send("\r\n".join([*lines, ""]).encode())
    await pipes.wait_until(lambda: len(session.lines) == 1000)
    assert session.lines == lines
    assert session.end is None


async def test_odd_bytes_make_odd_lines_and_end_nothing(pipes):
    client, session = await pipes.log_in()
    await client.send(b"\n\r\n  \n|0|5|\xff|\n\x00\n" + f"{STATUS}\n".encode())
    await pipes.wait_until(lambda: len(session.lines) == 3)
    assert session.lines == ["|0|5|\ufffd|", "\x00", STATUS]


async def test_a_line_of_512_bytes_is_read_and_one_of_513_ends_the_connection(pipes):
    client, session = await pipes.log_in()
    await client.send(b"x" * 512 + b"\r\n")
    await pipes.wait_until(lambda: session.lines == ["x" * 512])
    await client.send(b"last\n" + b"y" * 513)
    assert await client.wait_end() == b""
    assert session.lines == ["x" * 512, "last"]
    await pipes.wait_until(lambda: pipes.counts["frame_limit"] == 1)


async def test_input_behind_an_endless_line_does_not_lose_pending_output(pipes):
    client, session = await pipes.log_in()
    session.pipe.push(b"last words\n")
    await client.send(b"y" * 100_000)
    assert await client.take(len(b"last words\n")) == b"last words\n"
    with pytest.raises(EOFError):
        await client.take(1)


async def test_a_flood_of_lines_is_read_up_to_the_burst_and_closed(open_line_listener):
    pipes = await open_line_listener(max_frames_per_second=1)
    client, session = await pipes.log_in()
    with trio.move_on_after(5):
        await client.send(b"voiceping:7\n" * 2 * LINE_BURST)
    await client.wait_end()
    assert LINE_BURST - 1 <= len(session.lines) < LINE_BURST + 100  # the token counts as well
    await pipes.wait_until(lambda: pipes.counts["frame_limit"] == 1)


@pytest.mark.parametrize(
    ("line", "count"),
    [(b"loud\n", 4000), (b"loud" * 100 + b"\n", 200)],
    ids=["many lines at a time", "few lines at a time"],
)
async def test_a_flood_takes_turns_with_others(open_line_listener, line, count):
    pipes = await open_line_listener(max_frames_per_second=0)
    (loud, loud_session), (calm, calm_session) = [await pipes.log_in() for _ in range(2)]
    heard = []
    loud_session.lines = calm_session.lines = heard
    # Without a turn of the event loop in between: both are there when it comes.
    send_at_once(loud, line * count)
    send_at_once(calm, b"calm\n")
    await pipes.wait_until(lambda: len(heard) == count + 1)
    assert heard.index("calm") <= 2 * LINES_PER_TURN


# -- how it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize("write_bytes", [1024, backlog.WRITE_BYTES])
async def test_a_half_closed_connection_still_gets_pending_lines(pipes, write_bytes, monkeypatch):
    # With small writes the kernel is full where a line ends, which is not the end of all.
    monkeypatch.setattr(backlog, "WRITE_BYTES", write_bytes)
    client, session = await pipes.log_in(is_slow=True)
    filler = fill(session.pipe, waiting=300)
    session.pipe.offer("8", b"|0|5|8|0|1|\n")
    session.pipe.offer("8", b"|0|5|8|0|2|\n")
    await client.send(b"a\nb\nnever ended")
    await client.stream.send_eof()
    await pipes.wait_until(lambda: session.end is not None)
    assert session.lines == ["a", "b"]
    assert not session.end.is_clean
    assert await client.wait_end() == filler + b"|0|5|8|0|2|\n"


async def test_a_reset_is_no_clean_end_either(pipes):
    client, session = await pipes.log_in()
    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    await client.stream.aclose()
    await pipes.wait_until(lambda: pipes.listener.connection_count == 0)
    assert not session.end.is_clean
    assert session.pipe.cut_reason == "lost"


async def test_pending_lines_are_sent_when_the_server_closes(pipes):
    client, session = await pipes.log_in(is_slow=True)
    filler = fill(session.pipe)
    await trio.testing.wait_all_tasks_blocked()
    session.pipe.push(DUPLICATED)
    session.pipe.close_soon(4003, "replaced")
    session.pipe.close_soon(4003, "replaced")
    assert not session.pipe.push(b"too late\n")
    await client.send(b"too late\n")
    assert sorted((await client.wait_end()).splitlines()) == sorted(
        (filler + DUPLICATED).splitlines()
    )
    assert not session.end.is_clean
    assert session.lines == []


async def test_the_session_ends_at_once_even_if_the_client_does_not_read(pipes):
    _, session = await pipes.log_in(is_slow=True)
    fill(session.pipe)
    await trio.testing.wait_all_tasks_blocked()
    session.pipe.close_soon(4003)
    with trio.fail_after(1):
        await pipes.wait_until(lambda: session.end is not None)


async def test_lines_are_not_read_after_the_server_closed(pipes):
    client, session = await pipes.log_in()
    send_at_once(client, b"too late\n")
    session.pipe.close_soon(4003)
    await client.wait_end()
    assert session.lines == []


async def test_lines_of_a_flood_are_not_read_after_the_server_closed(pipes):
    client, session = await pipes.log_in()
    send_at_once(client, b"a\n" * LINES_PER_TURN * 4)
    while not session.lines:
        await trio.lowlevel.checkpoint()
    heard = len(session.lines)
    session.pipe.close_soon(4003)
    await client.wait_end()
    assert 0 < heard == len(session.lines) < LINES_PER_TURN * 4


async def test_a_client_that_keeps_sending_gets_the_last_line_and_the_end(pipes, nursery):
    client, session = await pipes.log_in()
    nursery.start_soon(send_until_broken, client)
    await pipes.wait_until(lambda: len(session.lines) > 3)
    session.pipe.push(DUPLICATED)
    session.pipe.close_soon(4003)
    assert await client.take(len(DUPLICATED)) == DUPLICATED
    with pytest.raises(EOFError):
        await client.take(1)


async def send_until_broken(client):
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await client.send_for_ever(b"voiceping:7\n", every=0.001)


async def test_a_client_that_does_not_read_is_closed_after_last_chance(pipes, monkeypatch):
    monkeypatch.setattr(stream, "LAST_CHANCE_AFTER", 0.2)
    client, session = await pipes.log_in(is_slow=True)
    fill(session.pipe)
    await client.stream.send_eof()
    await pipes.wait_until(lambda: pipes.listener.connection_count == 0)
    assert session.pipe.cut_reason == "not read to the end"


@pytest.mark.parametrize("how", ["end", "reset", "closed", "limit", "slow"])
async def test_an_ended_connection_is_freed_without_the_garbage_collector(
    small_heap, open_line_listener, how
):
    pipes = await open_line_listener(write_blocked_after=0.2)
    before = set(map(id, open_pipes()))
    gc.collect()
    gc.disable()
    try:
        client, session = await pipes.log_in(is_slow=how == "slow")
        await end(client, session, how)
        gone = weakref.ref(session)
        del session
        await pipes.wait_until(lambda: pipes.listener.connection_count == 0)
        pipes.sessions.clear()
        assert gone() is None
        assert [pipe for pipe in open_pipes() if id(pipe) not in before] == []
    finally:
        gc.enable()


def open_pipes():
    # isinstance() asks a weak proxy for its class, which fails when the target is gone.
    return [each for each in gc.get_objects() if issubclass(type(each), LineSocket)]


async def end(client, session, how):
    match how:
        case "end":
            await client.stream.aclose()
        case "reset":
            client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            await client.stream.aclose()
        case "closed":
            session.pipe.close_soon(4003)
            await client.wait_end()
            await client.stream.aclose()
        case "limit":
            await client.send(b"x" * 600)
            await client.wait_end()
            await client.stream.aclose()
        case "slow":
            fill(session.pipe)


# -- what goes out -------------------------------------------------------------------------------


async def test_a_slow_radio_gets_the_newest_state_of_each_user(pipes):
    client, session = await pipes.log_in(is_slow=True)
    filler = fill(session.pipe)
    for code in (0, 1, 2, 1, 2):
        for user_id in (b"8", b"9"):
            session.pipe.offer(user_id, b"|0|5|%s|0|%d|\n" % (user_id, code))
    expected = filler + b"|0|5|8|0|2|\n|0|5|9|0|2|\n"
    with trio.fail_after(10):
        assert await client.take(len(expected)) == expected
    assert session.end is None


async def test_a_radio_that_reads_nothing_is_closed(open_line_listener):
    pipes = await open_line_listener(write_blocked_after=0.3)
    _, session = await pipes.log_in(is_slow=True)
    fill(session.pipe)
    with trio.fail_after(5):
        await pipes.wait_until(lambda: pipes.listener.connection_count == 0)
    assert session.pipe.cut_reason == "slow"
    assert pipes.counts["slow"] == 1


async def test_a_crash_while_what_waits_is_written_ends_this_connection_only(pipes, monkeypatch):
    _, session = await pipes.log_in(is_slow=True)
    other, other_session = await pipes.log_in()

    async def crash(outbox):
        raise ValueError

    monkeypatch.setattr(Outbox, "_write_backlog", crash)
    fill(session.pipe)
    await pipes.wait_until(lambda: session.end is not None)
    monkeypatch.undo()
    assert [type(crash) for crash in pipes.crashes] == [ValueError]
    await other.send(b"still here\n")
    await pipes.wait_until(lambda: other_session.lines == ["still here"])


async def test_there_is_nothing_to_ask_a_client_for(pipes):
    client, session = await pipes.log_in()
    session.pipe.set_text_callback(session.lines.append)
    assert session.pipe.ping_nowait(b"voiceping:7")
    await client.send(b"a\n")
    await pipes.wait_until(lambda: session.lines == ["a"])
    await client.stream.aclose()
