"""How a VoicePing session ends, and what it is over a pipe; on a socket that only remembers."""

import time

import pytest
from memory_socket import MemorySocket, offer

from presence.core.public_changes import PresenceChanged
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, ServerId, Status, UserId
from presence.frontends.client_connection import ConnectParams
from presence.frontends.outbox_connection import SELF
from presence.frontends.socket_times import SocketTimes
from presence.frontends.voiceping.session import SessionPlan
from presence.live.claims import Claims
from presence.live.subscriber import Announcement, EndReason
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.stream import SocketEnded

EOF = SocketEnded(is_clean=False)
GOODBYE = SocketEnded(is_clean=True)


@pytest.fixture
def plan(server):
    return SessionPlan(server.service, server.counters, 20, False, FdTable())


@pytest.fixture
def make_session(plan):
    """A session of user 7, not yet running, in one of the plan's forms."""

    def make(form="lines", *, times=None):
        socket = MemorySocket()
        claims = Claims(UserId("7"), expires_at=time.time() + 900, issued_at=time.time())
        session = plan.session(socket, claims, ConnectParams(), getattr(plan, form), times)
        return session, socket

    return make


def status(code):
    return f"|0|5|7|0|{code}|"


@pytest.mark.parametrize(
    ("form", "says", "end", "cut_reason", "ending"),
    [
        pytest.param("lines", [], EOF, None, "lost", id="a pipe that said nothing"),
        pytest.param("lines", [1, 0], EOF, None, "clean", id="a pipe that said offline"),
        pytest.param("lines", [0, 1], EOF, None, "lost", id="a pipe that said online again"),
        pytest.param("lines", [0], EOF, "lost", "lost", id="a pipe that was reset"),
        pytest.param("texts", [0], EOF, None, "lost", id="a WebSocket that said offline"),
        pytest.param("arrays", [0], EOF, "silent", "lost", id="a WebSocket that was silent"),
        pytest.param("texts", [], GOODBYE, None, "clean", id="a WebSocket that said goodbye"),
    ],
)
async def test_only_an_end_after_explicit_offline_or_a_close_frame_is_clean(
    server, make_session, nursery, form, says, end, cut_reason, ending
):
    session, socket = make_session(form)
    nursery.start_soon(session.run)
    for code in says:
        await socket.say.send(status(code))
    await server.quiet()
    socket.stream.cut_reason = cut_reason
    await socket.say.send(end)
    await server.quiet()
    assert server.counted("presence_connections_ended", ending=ending) == 1


async def test_a_violated_limit_is_no_clean_end(server, make_session, nursery):
    session, socket = make_session()
    nursery.start_soon(session.run)
    await socket.say.send(status(0))
    await server.quiet()
    socket.stream.violation = "a line of more than 512 bytes"
    await socket.say.send(EOF)
    await server.quiet()
    assert server.counted("presence_connections_ended", ending="lost") == 1


@pytest.mark.parametrize(
    ("reason", "ending"),
    [(reason, "clean" if reason is EndReason.REPLACED else "lost") for reason in EndReason],
)
async def test_only_a_replaced_session_ends_clean(server, make_session, nursery, reason, ending):
    session, socket = make_session()
    nursery.start_soon(session.run)
    await server.quiet()
    session.on_message(status(0))  # which would make an end of its own a goodbye
    session.end(reason)
    session.end(EndReason.STOPPING)
    await server.quiet()
    assert server.counted("presence_connections_ended", ending=ending) == 1
    assert socket.closes[0][1] == reason.value


async def test_an_ended_session_ignores_input(server, make_session, nursery):
    session, _ = make_session()
    nursery.start_soon(session.run)
    await server.quiet()
    session.end(EndReason.DISCONNECTED)
    session.on_message(status(2))
    session.on_message("nonsense")
    session.on_control_frame(9, b"voiceping:8")
    await server.quiet()
    assert await server.status_of("7") == "online"
    assert [
        server.counted("presence_frames_dropped", reason=reason)
        for reason in ("malformed", "foreign_id")
    ] == [0, 0]


async def test_a_replaced_session_sends_its_reason_once(server, make_session):
    session, socket = make_session()
    session.give_way()
    session.give_way()
    assert socket.stream.pushed == [b"|1|9|0|7|user 7 has logged in on another device|\n"]
    assert socket.closes == [(4003, "replaced by another login")]


async def test_within_the_frame_rate_a_status_applies_before_the_next_is_read(
    server, make_session, nursery
):
    session, _ = make_session()
    nursery.start_soon(session.run)
    await server.quiet()
    for code, seen in [(2, Status.DND), (0, Status.OFFLINE), (1, Status.ONLINE)]:
        session.on_message(status(code))
        assert server.node.public_views.peek(UserId("7")).status is seen


# -- the pipe --------------------------------------------------------------------------------


async def test_a_pipe_always_gets_lines(server, make_session, nursery):
    session, socket = make_session()
    nursery.start_soon(session.run)
    await server.quiet()
    session.on_message("|1|25|7|0|hello|")
    session.on_message("voiceping:7")
    session.on_message("|1|25|7|0||")
    assert socket.stream.pushed == [b"|1|26|0|7|hello|\n", b"|1|26|0|7||\n"]
    await server.connect("8")
    await server.quiet()
    assert socket.stream.latest == {"8": b"|0|5|8|0|1|\n"}


@pytest.mark.parametrize(
    ("form", "dialect"), [("lines", "pipe"), ("texts", "voiceping"), ("arrays", "voiceping")]
)
async def test_connections_are_counted_by_what_carries_them(server, make_session, form, dialect):
    make_session(form)
    counts = {
        each: server.counted("presence_connections", dialect=each)
        for each in ("pipe", "voiceping", "together")
    }
    assert counts == {"pipe": 0, "voiceping": 0, "together": 0} | {dialect: 1}


async def test_without_times_nobody_watches_for_silence(server, make_session, nursery):
    session, socket = make_session()
    socket.last_received_at -= 10_000
    nursery.start_soon(session.run)
    await server.quiet()
    session._watch_silence()  # private: the callback of its timer
    assert (socket.stream.cuts, socket.pings) == ([], [])
    assert not server.node.timer.cancel(("silence", session.connection))


async def test_with_times_it_is_pinged_with_its_users_name(server, make_session, nursery):
    session, socket = make_session("texts", times=SocketTimes(ping_every=0.05, lost_after=30.0))
    nursery.start_soon(session.run)
    await server.until(lambda: socket.pings)
    assert socket.payloads[0] == b"voiceping:7"


async def test_a_session_has_slots_only(make_session):
    """There is one for every connection: a dictionary would cost each of them."""
    session, _ = make_session()
    assert not hasattr(session, "__dict__")


# -- what waits for a slow client ------------------------------------------------------------


async def test_only_the_newest_status_of_another_user_waits(make_session):
    session, socket = make_session()
    for before, after in [("offline", "online"), ("online", "dnd")]:
        views = [PublicView(UserId("8"), "8", Status(status)) for status in (before, after)]
        news = Announcement(PresenceChanged(*views), 1)
        offer(session, news)
    assert socket.stream.latest == {"8": b"|0|5|8|0|2|\n"}
    assert SELF != "7"


async def test_the_snapshot_of_a_joined_server_is_newer_than_what_waits_of_its_members(
    server, make_session
):
    await server.connect("8", status="dnd")
    await server.quiet()
    session, socket = make_session()
    online = PublicView(UserId("8"), "8", Status.ONLINE)
    offline = PublicView(UserId("9"), "9", Status.OFFLINE)
    for view, before in ((online, offline), (offline, online)):
        news = Announcement(PresenceChanged(before, view), 1)
        offer(session, news)
    session.add_server(ServerSnapshot(ServerId("everyone"), "everyone", [], False, 1, 1))
    assert socket.stream.latest == {"9": b"|0|5|9|0|0|\n"}
    assert socket.stream.pushed == [b"|0|5|8|0|2|\n"]
