"""Waiting for thousands of sockets, with epoll and without."""

import select
import socket
from contextlib import suppress
from itertools import pairwise

import pytest
import trio
import trio.testing

from presence.transport.sockets.poller import LOST_PER_TURN, EpollPoller, TrioPoller, open_poller


@pytest.fixture(params=[EpollPoller, TrioPoller])
async def watch(request, nursery):
    watch = request.param()
    nursery.start_soon(watch.run)
    yield watch
    nursery.cancel_scope.cancel()


@pytest.fixture
def pair(watch):
    """A watched socket and its peer."""
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setblocking(False)
        watch.add(ours)
        yield ours, peer


async def listen(watch, sock, woken):
    """As a pipe does: take all there is, then wait."""
    while True:
        with suppress(trio.ClosedResourceError):
            await watch.wait_readable(sock)
        woken.append(True)
        with suppress(BlockingIOError):
            while sock.recv(10):
                pass


async def wait_for(woken, count):
    with trio.fail_after(5):
        while len(woken) < count:  # noqa: ASYNC110 - the claim is about another task's plain state
            await trio.sleep(0.01)
    await trio.testing.wait_all_tasks_blocked(0.02)
    assert len(woken) == count


async def test_a_waiter_is_woken_for_each_arrival(watch, pair, nursery):
    ours, peer = pair
    woken = []
    nursery.start_soon(listen, watch, ours, woken)
    for count in range(1, 4):
        await trio.testing.wait_all_tasks_blocked()
        peer.send(b"x" * 25)
        await wait_for(woken, count)


async def test_input_just_before_the_wait_is_not_missed(watch, pair):
    ours, peer = pair
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(BlockingIOError):
        ours.recv(10)
    peer.send(b"x")
    with trio.fail_after(5):
        await watch.wait_readable(ours)


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
async def test_the_end_wakes_as_well(watch, pair, how):
    ours, peer = pair
    await trio.testing.wait_all_tasks_blocked()
    peer.shutdown(how)
    with trio.fail_after(5):
        await watch.wait_readable(ours)
    assert ours.recv(10) == b""


async def test_a_wait_is_ended_by_a_wake_and_later_ones_are_not(watch, pair, nursery):
    ours, peer = pair
    watch.wake(ours)  # nobody waits
    woken = []
    nursery.start_soon(listen, watch, ours, woken)
    await wait_for(woken, 0)
    watch.wake(ours)
    watch.wake(ours)
    await wait_for(woken, 1)
    peer.send(b"x")
    await wait_for(woken, 2)


async def test_a_wait_can_be_cancelled_and_begun_again(watch, pair):
    ours, peer = pair
    with trio.move_on_after(0.02) as waiting:
        await watch.wait_readable(ours)
    assert waiting.cancelled_caught
    peer.send(b"x")
    await trio.testing.wait_all_tasks_blocked(0.02)
    assert ours.recv(10) == b"x"
    peer.send(b"y")
    with trio.fail_after(5):
        await watch.wait_readable(ours)


async def test_others_are_not_woken(watch, pair, nursery):
    others = [socket.socketpair() for _ in range(3)]
    woken = []
    for other, _ in others:
        other.setblocking(False)
        watch.add(other)
        nursery.start_soon(listen, watch, other, woken)
    ours, peer = pair
    await trio.testing.wait_all_tasks_blocked()
    peer.send(b"x")
    with trio.fail_after(5):
        await watch.wait_readable(ours)
    assert woken == []
    nursery.cancel_scope.cancel()
    for sock in (sock for both in others for sock in both):
        sock.close()


async def test_a_reused_descriptor_belongs_to_the_new_socket(watch, pair):
    ours, peer = pair
    number = ours.fileno()
    peer.send(b"x")
    ours.close()
    other, other_peer = socket.socketpair()
    with other, other_peer:
        assert other.fileno() == number
        other.setblocking(False)
        watch.add(other)
        with trio.move_on_after(0.05) as waiting:
            await watch.wait_readable(other)
        assert waiting.cancelled_caught


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="the platform has no epoll")
def test_the_leanest_is_chosen():
    assert isinstance(open_poller(), EpollPoller)


def test_without_epoll_it_is_trios(monkeypatch):
    monkeypatch.delattr(select, "epoll", raising=False)
    assert isinstance(open_poller(), TrioPoller)


async def test_readable_sockets_are_woken_before_disconnected_ones(nursery, monkeypatch):
    monkeypatch.setattr(
        "presence.transport.sockets.poller.EVENTS_PER_TURN", 8
    )  # or it takes thousands
    watch = EpollPoller()
    count, woken = 3 * LOST_PER_TURN, []

    async def note(number, ours):
        await watch.wait_readable(ours)
        woken.append(number)

    pairs = [socket.socketpair() for _ in range(count + 1)]
    for number, (ours, _) in enumerate(pairs):
        ours.setblocking(False)
        watch.add(ours)
        nursery.start_soon(note, number, ours)
    await trio.testing.wait_all_tasks_blocked()
    for _, peer in pairs[:-1]:
        peer.close()
    pairs[-1][1].send(b"x")
    nursery.start_soon(watch.run)
    with trio.fail_after(5):
        while len(woken) <= count:
            await trio.lowlevel.checkpoint()
    assert woken.index(count) < LOST_PER_TURN + 1
    assert sorted(woken) == list(range(count + 1))
    nursery.cancel_scope.cancel()
    for pair in pairs:
        for sock in pair:
            sock.close()


async def test_disconnected_sockets_are_woken_a_few_in_a_turn(nursery):
    watch, woken, turns = EpollPoller(), [], []
    pairs = [socket.socketpair() for _ in range(3 * LOST_PER_TURN)]

    async def note(ours):
        await watch.wait_readable(ours)
        woken.append(ours)

    class Turns(trio.abc.Instrument):
        def before_io_wait(self, timeout):
            turns.append(len(woken))

    for ours, peer in pairs:
        ours.setblocking(False)
        watch.add(ours)
        nursery.start_soon(note, ours)
        peer.close()
    await trio.testing.wait_all_tasks_blocked()
    instrument = Turns()
    trio.lowlevel.add_instrument(instrument)
    nursery.start_soon(watch.run)
    with trio.fail_after(5):
        while len(woken) < len(pairs):
            await trio.lowlevel.checkpoint()
    trio.lowlevel.remove_instrument(instrument)
    assert max(late - early for early, late in pairwise(turns)) <= LOST_PER_TURN
    nursery.cancel_scope.cancel()
    for ours, _ in pairs:
        ours.close()


async def test_a_callback_is_called_once_for_what_comes(watch, pair):
    ours, peer = pair
    called = []
    await trio.testing.wait_all_tasks_blocked()
    watch.watch(ours, lambda: called.append(ours.recv(10)))
    peer.send(b"x")
    await wait_for(called, 1)
    peer.send(b"y")
    await wait_for(called, 1)
    assert called == [b"x"]


async def test_a_callback_can_watch_again_and_is_called_for_the_end(watch, pair):
    ours, peer = pair
    called = []

    def note():
        called.append(ours.recv(10))
        if called[-1]:
            watch.watch(ours, note)

    await trio.testing.wait_all_tasks_blocked()
    watch.watch(ours, note)
    for count in range(1, 4):
        peer.send(b"x")
        await wait_for(called, count)
    peer.shutdown(socket.SHUT_WR)
    await wait_for(called, 4)
    assert called == [b"x"] * 3 + [b""]


async def test_after_unwatch_nothing_is_called_and_a_task_can_wait(watch, pair):
    ours, peer = pair
    called = []
    await trio.testing.wait_all_tasks_blocked()
    watch.watch(ours, lambda: called.append(True))
    await trio.testing.wait_all_tasks_blocked()
    watch.unwatch(ours)
    watch.unwatch(ours)
    peer.send(b"x")
    with trio.fail_after(5):
        await watch.wait_readable(ours)
    assert called == []


@pytest.mark.parametrize("kind", [EpollPoller, TrioPoller])
async def test_a_socket_that_is_watched_before_the_poller_runs_is_called_while_it_does(
    kind, nursery
):
    poller, called = kind(), []
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setblocking(False)
        poller.add(ours)
        poller.watch(ours, lambda: called.append(ours.recv(10)))
        peer.send(b"x")
        nursery.start_soon(poller.run)
        await wait_for(called, 1)
        nursery.cancel_scope.cancel()
    assert called == [b"x"]
