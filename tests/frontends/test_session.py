"""The session of one socket, against a socket that only remembers."""

import time

import attrs
import pytest
import trio
from memory_socket import MemorySocket, offer

from presence.core.events import Commanded, TimePassed
from presence.core.public_changes import MemberAdded, MemberRemoved, PresenceChanged
from presence.core.snapshot import ServerSnapshot
from presence.core.types import ConnectionId, PublicView, SelfView, State, Status, UserId
from presence.core.user.patch import PresencePatch
from presence.dialects.together.encoder import TogetherEncoder
from presence.frontends.client_connection import ConnectParams
from presence.frontends.lane import SocketLane
from presence.frontends.outbox_connection import SELF
from presence.frontends.socket_session import CLOSE_CODES
from presence.frontends.socket_times import SocketTimes
from presence.frontends.together.gateway import TEXT_FRAMES
from presence.frontends.together.session import TogetherSession
from presence.live.claims import Claims
from presence.live.ports import Revocation
from presence.live.service import merge_commands
from presence.live.subscriber import Announcement, EndReason
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.stream import SocketEnded


@pytest.fixture
def make_session(server):
    """A session of *user* on a `MemorySocket`, not yet running."""

    def make(user="alice", *, of=server, times=None, issued_at=None, **params):
        issued_at = time.time() if issued_at is None else issued_at
        socket = MemorySocket()
        session = TogetherSession(
            of.service,
            socket,
            SocketLane(TogetherEncoder(TEXT_FRAMES), FdTable()),
            Claims(UserId(user), expires_at=time.time() + 900, issued_at=issued_at),
            ConnectParams(**params),
            times or SocketTimes(),
            20,
            of.counters,
        )
        return session, socket

    return make


async def test_a_session_attaches_and_detaches_its_user(server, make_session, nursery):
    session, socket = make_session()
    nursery.start_soon(session.run)
    await server.quiet()
    assert b'"t":"READY"' in socket.stream.pushed[0]
    assert await server.status_of("alice") == "online"
    await socket.say.send(SocketEnded(is_clean=True))
    await server.quiet()
    assert len(server.node.connections) == 0
    assert server.node.fanout.broadcaster.statistics().readers == 0
    assert len(server.node.timer) <= 2  # the settling of the start, and the user's rate window
    assert await server.status_of("alice") == "offline"


async def test_a_session_waiting_for_the_store_releases_its_slot(
    server, make_session, nursery, monkeypatch
):
    is_back = trio.Event()

    async def read_late(user_id):
        await is_back.wait()

    monkeypatch.setattr(server.node.writer, "read_user", read_late)
    monkeypatch.setattr("presence.frontends.socket_session.SLOT_HELD_AT_MOST", 0.05)
    session, socket = make_session()
    nursery.start_soon(session.run)
    with trio.fail_after(5):
        while not socket.arrivals:  # noqa: ASYNC110 - plain state of another task
            await trio.sleep(0.01)
    assert socket.stream.pushed == []
    is_back.set()
    await server.quiet()
    assert b'"t":"READY"' in socket.stream.pushed[0]
    await socket.say.send(SocketEnded(is_clean=True))


async def test_a_token_revoked_between_admission_and_arrival_lets_nobody_in(
    server, make_session, nursery
):
    session, socket = make_session(issued_at=100.0)
    server.node.revocations[UserId("alice")] = Revocation(UserId("alice"), 100.0)
    nursery.start_soon(session.run)
    await server.quiet()
    assert socket.closes == [(4001, "token expired or revoked")]
    assert socket.stream.pushed == []
    assert await server.status_of("alice") == 404


async def test_a_token_of_after_the_revocation_is_good(server, make_session, nursery):
    session, socket = make_session(issued_at=100.5)
    server.node.revocations[UserId("alice")] = Revocation(UserId("alice"), 100.0)
    nursery.start_soon(session.run)
    await server.quiet()
    assert socket.closes == []
    assert len(socket.stream.pushed) == 1


async def test_the_server_ending_it_is_no_goodbye_even_where_the_client_answers_1000(
    server, make_session, nursery
):
    session, _ = make_session()
    nursery.start_soon(session.run)
    await server.quiet()
    session.end(EndReason.TOKEN)
    await server.quiet()
    assert await server.status_of("alice") == "online"  # its grace runs


async def test_every_reason_has_its_close_code():
    assert {reason: CLOSE_CODES[reason] for reason in EndReason} == {
        EndReason.STOPPING: 1012,
        EndReason.TOKEN: 4001,
        EndReason.DISCONNECTED: 4002,
        EndReason.REPLACED: 4003,
        EndReason.TOO_MANY_DEVICES: 4008,
        EndReason.CRASHED: 1011,
    }


async def test_connections_without_a_device_have_different_ones(make_session):
    sessions = [make_session()[0] for _ in range(3)]
    assert len({session.device for session in sessions}) == 3
    assert make_session(device="phone")[0].device == "phone"


async def test_the_self_view_that_waits_takes_no_users_place(make_session):
    session, socket = make_session()
    view = PublicView(UserId("self"), "self", Status.DND, version=7)
    news = Announcement(PresenceChanged(attrs.evolve(view, version=6), view), 7)
    offer(session, news)
    online = Status.ONLINE
    session.show_self(
        SelfView(UserId("alice"), "alice", online, online, None, False, None, None, None)
    )
    assert list(socket.stream.latest) == ["self", SELF]


async def test_a_removal_that_ends_visibility_takes_the_waiting_presence_along(
    start_server, make_session, tmp_path
):
    server = await start_server(everyone_server=False, data=tmp_path / "other")
    session, socket = make_session(of=server)
    view = PublicView(UserId("bob"), "bob", Status.DND, version=7)
    for news in (
        MemberAdded("s1", view),
        PresenceChanged(attrs.evolve(view, version=6), view),
        MemberRemoved("s1", UserId("bob")),
    ):
        announcement = Announcement(news, 7)
        offer(session, announcement)
    [(key, frame)] = socket.stream.latest.items()
    assert key == ("s1", "bob")
    assert b"SERVER_MEMBER_REMOVE" in frame


async def test_the_snapshot_of_a_joined_server_takes_what_waits_of_its_members_along(make_session):
    session, socket = make_session()
    view = PublicView(UserId("bob"), "bob", Status.DND, version=7)
    news = Announcement(PresenceChanged(attrs.evolve(view, version=6), view), 7)
    offer(session, news)
    session.add_server(ServerSnapshot("s1", "Team", [view], False, 1, 1))
    assert socket.stream.latest == {}
    assert b"SERVER_ADD" in socket.stream.pushed[-1]


# -- silence ---------------------------------------------------------------------------------


async def test_a_session_is_pinged_and_cut_when_silent(make_session, nursery):
    session, socket = make_session(times=SocketTimes(ping_every=0.1, lost_after=0.35))
    began_at = trio.current_time()
    nursery.start_soon(session.run)
    with trio.fail_after(5):
        while not socket.stream.cuts:  # noqa: ASYNC110 - plain state of another task
            await trio.sleep(0.01)
    assert socket.stream.cuts == ["silent"]
    assert 0.3 < trio.current_time() - began_at < 4
    assert len(socket.pings) in (2, 3)
    await socket.say.send(SocketEnded(is_clean=False))


async def test_after_a_stall_a_silent_socket_gets_one_more_chance(server, make_session, nursery):
    times = SocketTimes(ping_every=30.0, lost_after=45.0, stall_grace_after=0.2)
    session, socket = make_session(times=times)
    nursery.start_soon(session.run)
    await server.quiet()
    socket.last_received_at -= 100
    session._watch_silence(stalled=True)  # private: the callback of its timer
    assert socket.stream.cuts == []
    with trio.fail_after(5):
        while not socket.stream.cuts:  # noqa: ASYNC110 - plain state of another task
            await trio.sleep(0.01)
    await socket.say.send(SocketEnded(is_clean=False))


# -- commands --------------------------------------------------------------------------------


def command(connection=1, **fields):
    return Commanded(PresencePatch(**fields), ConnectionId(connection), may_wait=True)


async def test_commands_that_wait_become_one():
    older = command(intent=Status.DND, state=State.ONLINE)
    newer = command(intent=Status.AWAY, activity=None)
    assert merge_commands(older, newer) == command(
        intent=Status.AWAY, state=State.ONLINE, activity=None
    )


async def test_anything_else_replaces_what_waits():
    assert merge_commands(TimePassed(), command()) == command()


async def test_a_crash_of_the_users_actor_while_arriving_closes_with_1011(
    server, make_session, nursery, monkeypatch
):
    def fail(listener):
        raise RuntimeError("boom")

    monkeypatch.setattr(server.node.connections, "welcome", fail)
    session, socket = make_session()
    nursery.start_soon(session.run)
    await server.quiet()
    assert socket.closes == [(1011, "internal error")]
    monkeypatch.undo()
    bob = await server.connect("bob")
    await bob.update(status="dnd")
    assert await server.status_of("bob") == "dnd"
    assert server.counted("presence_actor_restarts") == 1


async def test_a_session_has_slots_only(make_session):
    """There is one for every connection: a dictionary would cost each of them."""
    session, _ = make_session()
    assert not hasattr(session, "__dict__")


async def test_a_session_that_is_cancelled_is_counted_as_ended(server, make_session, nursery):
    session, _ = make_session()

    async def run_within(scope):
        with scope:
            await session.run()

    scope = trio.CancelScope()
    nursery.start_soon(run_within, scope)
    await server.quiet()
    assert server.counted("presence_connections_ended", ending="lost") == 0
    scope.cancel()
    await server.quiet()
    assert server.counted("presence_connections_ended", ending="lost") == 1
