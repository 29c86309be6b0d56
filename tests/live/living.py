"""One node with the real supervision tree, in virtual time; its clients are made of lists."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from listening import PLAIN, FakeSubscriber, say
from trio.testing import wait_all_tasks_blocked

from presence.adapters.store_memory import MemoryStore
from presence.app import Server
from presence.config import Config
from presence.core.events import Ending
from presence.core.user.patch import PresencePatch
from presence.errors import StoreUnavailable
from presence.listeners import Listeners
from presence.live.claims import Claims
from presence.live.clock import Clock
from presence.live.persistence.writer import GATHER_FOR
from presence.live.ports import UnreadableRow
from presence.live.service import PresenceService
from presence.metrics import Counters
from presence.wiring.node import open_node

WALL = 1_000_000.0
"""Unix time at which the virtual clock of a run begins."""


@attrs.define
class FaultyStore:
    """A memory store whose views come late, or that cannot be read, as long as told to."""

    inner: MemoryStore = attrs.field(factory=MemoryStore)
    views_take: float = 0.0
    is_unreadable: bool = False
    unreadable_rows: set = attrs.field(factory=set)
    was_moved_aside: bool = False
    write_crashes: int = 0
    views_read: list = attrs.field(factory=list)

    async def open(self, now_wall):
        startup = await self.inner.open(now_wall)
        return attrs.evolve(startup, was_moved_aside=self.was_moved_aside)

    async def read_latest_version(self):
        return await self.inner.read_latest_version()

    async def read_user(self, user_id):
        self._fail_if_told()
        if user_id in self.unreadable_rows:
            raise UnreadableRow(user_id)
        return await self.inner.read_user(user_id)

    async def read_views(self, user_ids):
        self.views_read.append(list(user_ids))
        found = await self.inner.read_views(user_ids)
        await self._take_time()
        return found

    async def read_announced_ids(self, after, limit):
        found = await self.inner.read_announced_ids(after, limit)
        await self._take_time()
        return found

    async def write(self, batch):
        if self.write_crashes:
            self.write_crashes -= 1
            raise RuntimeError("told to crash")
        await self.inner.write(batch)

    async def aclose(self):
        await self.inner.aclose()

    async def _take_time(self):
        await trio.sleep(self.views_take)
        self._fail_if_told()

    def _fail_if_told(self):
        if self.is_unreadable:
            raise StoreUnavailable("told to be unreadable")


class FakePort:
    """A port of no socket; at a stop it takes `goodbyes_take` seconds to close."""

    name = "http"
    number = 0

    def __init__(self):
        self.is_closed = trio.Event()
        self.goodbyes_take = 0.0

    async def hold_open(self, *, task_status):
        task_status.started()
        await self.is_closed.wait()
        await trio.sleep(self.goodbyes_take)

    def stop_accepting(self):
        pass

    def end_connections(self, within):
        self.is_closed.set()


class Living:
    """A running node, and what a test does to it."""

    def __init__(self, server, store, crashes, nursery, stop):
        self.port = server.listeners.http
        self.crashes = crashes
        self.node = server.node
        self.store = store
        self.nursery = nursery
        self.stop = stop.set
        self.service = PresenceService(server.node)
        self.admin = self.service.administration
        self.subscribers = []

    async def connect(
        self, user_id, device=None, *, state=None, intent=None, dialect=PLAIN, **claims
    ):
        """Open a connection and wait until it and the others have their events."""
        subscriber = self.start_connecting(user_id, device, state=state, dialect=dialect, **claims)
        await self.arrive(subscriber, state, intent)
        await wait_all_tasks_blocked()
        return subscriber

    def start_connecting(self, user_id, device=None, *, state=None, dialect=PLAIN, **claims):
        """A connection that the directory knows, and its user not yet."""
        subscriber = FakeSubscriber(self, self.claims(user_id, **claims), device, dialect)
        self.subscribers.append(subscriber)
        self.service.register(subscriber, state)
        return subscriber

    async def arrive(self, subscriber, state=None, intent=None):
        await self.service.connect(subscriber, subscriber.claims, state, intent)

    def leave(self, subscriber, ending=Ending.CLEAN):
        """The connection ends."""
        subscriber.is_over = True
        self.service.leave(subscriber, ending)

    def command(self, subscriber, **change):
        """Send a change over a connection."""
        self.service.command(subscriber, PresencePatch(**change))

    def ping(self, subscriber):
        self.service.ping(subscriber)

    async def patch(self, user_id, *, servers=None, name=None, issued_at=None, **change):
        """Ask for a change over REST; the answer."""
        claims = self.claims(user_id, servers=servers, name=name, issued_at=issued_at)
        return await self.service.change(claims, PresencePatch(**change))

    async def look(self, user_id):
        """The self view."""
        return (await self.service.look(user_id)).self_view

    async def lease_until(self, user_id):
        """Until when (virtual time) a lease holds the user; None where there is none."""
        oneself = await self.service.look(user_id)
        return None if oneself.lease_until is None else oneself.lease_until - WALL

    def claims(self, user_id, *, servers=None, name=None, issued_at=None):
        issued_at = self.node.clock.now().wall + 1.0 if issued_at is None else issued_at
        return Claims(user_id, float("inf"), issued_at, servers=servers, name=name)

    async def views(self, *user_ids):
        """The public views of users, as lines."""
        return [say(view) for view in await self.node.public_views.views(user_ids)]

    async def settle(self):
        """Let everything happen that happens without time passing."""
        await wait_all_tasks_blocked()

    async def commit(self):
        """Let what waits to be stored be stored."""
        await self.wait(GATHER_FOR)

    async def wait(self, seconds):
        """Let time pass, and what follows from it happen."""
        await trio.sleep(seconds)
        await wait_all_tasks_blocked()

    def take_all(self):
        """The events of each connection since the last call."""
        return [subscriber.take() for subscriber in self.subscribers]

    # -- what must hold whenever nothing changes any more ------------------------------------

    async def check_beliefs(self):
        """Every client of a full dialect believes what is so, and was told nothing wrong."""
        await self.settle()
        for subscriber in self.subscribers:
            assert (subscriber.user_id, subscriber.wrong) == (subscriber.user_id, [])
            is_full = subscriber.dialect is PLAIN and not subscriber.is_over
            if is_full and self.node.connections.is_open(subscriber):
                await self._check_beliefs_of(subscriber)

    async def _check_beliefs_of(self, subscriber):
        wanted = self.node.memberships.servers_of(subscriber.user_id)
        snapshots = await self.node.public_views.snapshots(wanted, lambda snapshots: snapshots)
        truth = {each.id: each for each in snapshots}
        assert subscriber.servers.keys() == truth.keys()
        for server_id, believed in subscriber.servers.items():
            if not truth[server_id].is_large:
                members = {view.user_id: view for view in truth[server_id].members}
                assert others(believed, subscriber) == others(members, subscriber)


def others(views, subscriber):
    return {key: say(view) for key, view in views.items() if key != subscriber.user_id}


@asynccontextmanager
async def open_living(store=None, **settings) -> AsyncIterator[Living]:
    """Start a node on *store* and stop it again, as `presence.app` does."""
    store = FaultyStore() if store is None else store
    clock = Clock(wall=lambda: WALL + trio.current_time())
    startup = await store.open(clock.now().wall)
    crashes = []

    def note_crash(name, error, restart_in):
        crashes.append((trio.current_time(), name, type(error).__name__))

    node = await open_node(Config(**settings), clock, store, startup, note_crash)
    server = Server(node, startup, Listeners(FakePort()), Counters(), note_crash)
    stop, is_ready = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, lambda port: is_ready.set(), stop)
        await is_ready.wait()
        yield Living(server, store, crashes, nursery, stop)
        await wait_all_tasks_blocked()
        stop.set()
    await store.aclose()
