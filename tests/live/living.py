"""One node with the real supervision tree, in virtual time; its clients are made of lists."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from listening import PLAIN, FakeListener, say
from trio.testing import wait_all_tasks_blocked

from presence.adapters.store_memory import MemoryStore
from presence.app import Server
from presence.assembly import build_node
from presence.config import Config
from presence.core.changes import Change
from presence.core.events import Commanded, Connected, Ended, Ending, Pinged
from presence.core.types import State
from presence.core.versions import Versions
from presence.entrance import Ports
from presence.errors import StoreUnavailable
from presence.live.administration import Administration
from presence.live.claims import Claims
from presence.live.clock import Clock
from presence.live.messages import Arrive, Command, Look
from presence.live.ports import UnreadableRow
from presence.live.writer import GATHER_FOR, Writer
from presence.net.session import merge_commands

WALL = 1_000_000.0
"""Unix time at which the virtual clock of a run begins."""
ASK_TIMEOUT = 40.0


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
        opening = await self.inner.open(now_wall)
        return attrs.evolve(opening, was_moved_aside=self.was_moved_aside)

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

    async def read_shown_ids(self, after, limit):
        found = await self.inner.read_shown_ids(after, limit)
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


class FakeEntrance:
    """Doors without a port; at a stop they take `goodbyes_take` seconds to close."""

    has_pipe = False
    ports = Ports(0)

    def __init__(self):
        self.is_closed = trio.Event()
        self.goodbyes_take = 0.0

    async def keep_http(self, *, task_status):
        task_status.started()
        await self.is_closed.wait()
        await trio.sleep(self.goodbyes_take)

    def stop_accepting(self):
        pass

    def end_connections(self, within):
        self.is_closed.set()


class DoorlessServer(Server):
    """The server of `presence.app`, with nobody at the door but the test."""

    def __init__(self, config, opening, node):
        super().__init__(config, opening, node)
        self.crashes = []
        self._entrance = FakeEntrance()

    def _note_crash(self, name, error, restart_in):
        self.crashes.append((trio.current_time(), name, type(error).__name__))


class Living:
    """A running node, and what a test does to it."""

    def __init__(self, server, store, nursery, stop):
        self.server = server
        self.node = server.node
        self.store = store
        self.nursery = nursery
        self.stop = stop.set
        self.admin = Administration(server.node)
        self.listeners = []

    @property
    def crashes(self):
        return self.server.crashes

    async def connect(
        self, user_id, device=None, *, state=None, intent=None, dialect=PLAIN, **claims
    ):
        """Open a connection and wait for what it gets first, and for what others hear of it."""
        listener = self.start_connecting(user_id, device, state=state, dialect=dialect, **claims)
        await self.arrive(listener, state, intent)
        await wait_all_tasks_blocked()
        return listener

    def start_connecting(self, user_id, device=None, *, state=None, dialect=PLAIN, **claims):
        """A connection that the directory knows, and its user not yet."""
        listener = FakeListener(self, self.claims(user_id, **claims), device, dialect)
        self.listeners.append(listener)
        self.node.directory.add(listener, state or State.ONLINE)
        return listener

    async def arrive(self, listener, state=None, intent=None):
        connected = Connected(listener.connection, listener.device, state, intent)
        await self.node.users.ask(
            listener.user_id,
            lambda reply: Arrive(connected, listener.claims, listener, reply),
            timeout=ASK_TIMEOUT,
            slot=("arrive", listener.connection),
        )

    def leave(self, listener, ending=Ending.CLEAN):
        """The connection ends, as that of a session does."""
        listener.is_over = True
        self.node.directory.remove(listener)
        self.node.fanout.unsubscribe(listener)
        if not self.node.is_draining:
            ended = Ended(listener.connection, ending)
            slot = ("ended", listener.connection)
            self.node.users.tell_nowait(listener.user_id, ended, slot=slot)

    def command(self, listener, **change):
        """Say something over a connection."""
        commanded = Commanded(Change(**change), listener.connection, may_wait=True)
        slot = ("command", listener.connection)
        self.node.users.hand_over(listener.user_id, commanded, slot=slot, merge=merge_commands)

    def ping(self, listener):
        slot = ("pinged", listener.connection)
        self.node.users.tell_nowait(listener.user_id, Pinged(listener.connection), slot=slot)

    async def patch(self, user_id, *, servers=None, name=None, issued_at=None, **change):
        """Ask for a change over REST; the answer."""
        claims = self.claims(user_id, servers=servers, name=name, issued_at=issued_at)
        commanded = Commanded(Change(**change), None, may_wait=False)
        return await self.node.users.ask(
            user_id, lambda reply: Command(commanded, claims, reply), timeout=ASK_TIMEOUT
        )

    async def look(self, user_id):
        """The self view."""
        return (await self.node.users.ask(user_id, Look, timeout=ASK_TIMEOUT)).self_view

    async def lease_until(self, user_id):
        """Until when (virtual time) a lease holds the user; None where there is none."""
        oneself = await self.node.users.ask(user_id, Look, timeout=ASK_TIMEOUT)
        return None if oneself.lease_until is None else oneself.lease_until - WALL

    def claims(self, user_id, *, servers=None, name=None, issued_at=None):
        issued_at = self.node.clock.now().wall + 1.0 if issued_at is None else issued_at
        return Claims(user_id, float("inf"), issued_at, servers=servers, name=name)

    async def views(self, *user_ids):
        """What others get of users now, as lines."""
        return [say(view) for view in await self.node.roster.views(user_ids)]

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
        """What each connection was told since this was last asked."""
        return [listener.take() for listener in self.listeners]

    # -- what must hold whenever nothing changes any more ------------------------------------

    async def check_beliefs(self):
        """Every client of a full dialect believes what is so, and was told nothing wrong."""
        await self.settle()
        for listener in self.listeners:
            assert (listener.user_id, listener.wrong) == (listener.user_id, [])
            is_full = listener.dialect is PLAIN and not listener.is_over
            if is_full and self.node.directory.is_open(listener):
                await self._check_beliefs_of(listener)

    async def _check_beliefs_of(self, listener):
        wanted = self.node.memberships.servers_of(listener.user_id)
        snapshots = await self.node.roster.snapshots(wanted, lambda snapshots: snapshots)
        truth = {each.id: each for each in snapshots}
        assert listener.servers.keys() == truth.keys()
        for server_id, believed in listener.servers.items():
            if not truth[server_id].is_large:
                members = {view.user_id: view for view in truth[server_id].members}
                assert others(believed, listener) == others(members, listener)


def others(views, listener):
    return {key: say(view) for key, view in views.items() if key != listener.user_id}


@asynccontextmanager
async def open_living(store=None, **settings) -> AsyncIterator[Living]:
    """Start a node on *store* and stop it again, as `presence.app` does."""
    store = FaultyStore() if store is None else store
    clock = Clock(wall=lambda: WALL + trio.current_time())
    opening = await store.open(clock.now().wall)
    versions = Versions(opening.start_number)
    versions.latest = max(versions.latest, await store.read_latest_version())
    writer = Writer(
        store,
        wall=clock.wall,
        on_failure=lambda error, waiting: None,
        on_recovery=lambda failures, seconds: None,
    )
    config = Config(**settings)
    server = DoorlessServer(config, opening, build_node(config, clock, opening, versions, writer))
    stop, is_ready = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, lambda port: is_ready.set(), stop)
        await is_ready.wait()
        yield Living(server, store, nursery, stop)
        await wait_all_tasks_blocked()
        stop.set()
    await store.aclose()
