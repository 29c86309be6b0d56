"""A client connection that has no socket, such as a poll that waits."""

import time

import pytest

from presence.core.events import Ending
from presence.core.types import Status, UserId
from presence.core.user.patch import PresencePatch
from presence.frontends.client_connection import ClientConnection, ConnectParams
from presence.frontends.lane import SocketLane
from presence.live.claims import Claims


class Poll(ClientConnection):
    """Remembers what it is given; nothing carries it."""

    def __init__(self, service, user, lane, *, ends_in=900.0):
        now = time.time()
        super().__init__(service, Claims(UserId(user), now + ends_in, now), ConnectParams())
        self._lane = lane
        self.given = []
        self.ends = []

    @property
    def lane(self):
        return self._lane

    def welcome(self, welcome):
        self.given.append(("welcome", welcome.self_view.status))

    def show_self(self, view):
        self.given.append(("self", view.status))

    def add_server(self, snapshot):
        self.given.append(("server", snapshot.id))

    def remove_server(self, server_id):
        self.given.append(("no server", server_id))

    def end(self, reason):
        self.ends.append(reason)


class NoLane(SocketLane):
    """A lane for connections without sockets: it delivers nothing."""

    def __init__(self):
        pass

    def admit(self, connection):
        return connection

    def dismiss(self, connection):
        pass

    def render(self, values):
        return None

    def offer_all(self, packet, connections):
        pass


@pytest.fixture
async def poll(server):
    return Poll(server.service, "alice", NoLane())


async def test_a_connection_without_a_socket_attaches_its_user(server, poll):
    poll.register()
    await poll.arrive()
    assert poll.given == [("welcome", Status.ONLINE)]
    assert await server.status_of("alice") == "online"
    poll.command(PresencePatch(intent=Status.DND))
    await server.quiet()
    assert poll.given[1:] == [("self", Status.DND)]
    assert await server.status_of("alice") == "dnd"
    poll.leave(Ending.CLEAN)
    await server.quiet()
    assert await server.status_of("alice") == "offline"


async def test_an_expired_token_ends_a_connection_without_a_socket(server):
    poll = Poll(server.service, "alice", NoLane(), ends_in=0.1)
    poll.register()
    await poll.arrive()
    await server.until(lambda: poll.ends)
    poll.leave(Ending.LOST)
    assert len(server.node.connections) == 0
