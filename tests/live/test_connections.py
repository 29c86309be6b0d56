"""The open connections of each user, and what a fresh actor learns of them."""

import attrs

from presence.core.events import Connected
from presence.core.restore import LiveConnection
from presence.core.rule_settings import Rules
from presence.core.types import State
from presence.core.user.devices import Devices
from presence.core.user.sweep import PingState
from presence.live.connections import ConnectionRegistry
from presence.live.subscriber import EndReason


@attrs.define(eq=False)
class Ending:
    """A listener that knows nothing but how it ended."""

    connection: int
    user_id: str = "ada"
    device: str = "phone"
    ends: list = attrs.field(factory=list)

    def end(self, reason):
        self.ends.append(reason)


def directory_of(*subscribers):
    connections = ConnectionRegistry()
    for subscriber in subscribers:
        connections.add(subscriber, State.IDLE)
    return connections


def test_connections_are_found_by_user_and_counted():
    one, two, other = Ending(1), Ending(2), Ending(3, "bob")
    connections = directory_of(one, two, other)
    everybody = sorted(connections, key=lambda subscriber: subscriber.connection)
    assert (len(connections), everybody) == (3, [one, two, other])
    assert connections.subscribers_of("ada") == [one, two]
    assert [connections.count_of(each) for each in ("ada", "bob", "carl")] == [2, 1, 0]


def test_a_removed_connection_is_forgotten_once():
    one, two = Ending(1), Ending(2)
    connections = directory_of(one, two)
    for _ in range(2):
        connections.remove(one)
    assert (len(connections), connections.subscribers_of("ada")) == (1, [two])
    connections.remove(two)
    assert (len(connections), connections.of("ada")) == (0, ())


def test_connection_ids_are_never_used_twice():
    connections = ConnectionRegistry()
    assert [connections.new_connection() for _ in range(3)] == [1, 2, 3]


def test_only_welcomed_connections_get_events_and_survive_a_crash():
    one, two = Ending(1), Ending(2, device="laptop")
    connections = directory_of(one, two)
    assert connections.welcome(two)
    assert connections.welcomed("ada") == [two]
    assert connections.live("ada") == [LiveConnection(2, "laptop", State.IDLE)]


def test_a_connection_that_ended_before_its_snapshot_is_not_welcomed():
    one = Ending(1)
    connections = directory_of(one)
    connections.remove(one)
    assert not connections.is_open(one)
    assert not connections.welcome(one)


def test_an_ended_connection_no_longer_belongs_to_its_user():
    one, two, other = Ending(1), Ending(2), Ending(3, "bob")
    connections = directory_of(one, two, other)
    connections.welcome(one)
    connections.end_all("ada", EndReason.DISCONNECTED)
    told = [EndReason.DISCONNECTED]
    assert (one.ends, two.ends, other.ends) == (told, told, [])
    assert (connections.welcomed("ada"), connections.live("ada")) == ([], [])
    assert [connections.is_open(each) for each in (one, two, other)] == [False, False, True]
    assert not connections.welcome(two)
    assert connections.subscribers_of("ada") == [one, two]  # sockets that close, still counted


def test_the_states_of_connections_are_kept_for_a_fresh_actor():
    one, two = Ending(1), Ending(2, device="laptop")
    connections = directory_of(one, two)
    devices = Devices(Rules())
    devices.connect(Connected(1, "phone", State.OFFLINE))
    connections.note_states("ada", devices)
    for subscriber in (one, two):
        connections.welcome(subscriber)
    assert connections.live("ada") == [
        LiveConnection(1, "phone", State.OFFLINE),
        LiveConnection(2, "laptop", State.IDLE),
    ]


def test_the_pings_of_a_device_are_kept_with_each_of_its_connections():
    one, two = Ending(1), Ending(2)
    connections = directory_of(one, two)
    devices = Devices(Rules())
    for connection in (1, 2):
        devices.connect(Connected(connection, "phone", State.IDLE))
        connections.welcome((one, two)[connection - 1])
    devices.ping(2, 900.0)
    devices.pass_time(1200.0)
    connections.note_states("ada", devices)
    swept = PingState(900.0, is_swept=True)
    assert connections.live("ada") == [
        LiveConnection(1, "phone", State.IDLE, swept),
        LiveConnection(2, "phone", State.IDLE, swept),
    ]


def test_events_handled_before_an_end_are_kept():
    one = Ending(1)
    connections = directory_of(one)
    connections.welcome(one)
    devices = Devices(Rules())
    devices.connect(Connected(1, "phone", State.IDLE))
    connections.remove(one)
    devices.ping(1, 900.0)
    connections.note_states("ada", devices)
    assert connections.live("ada") == [LiveConnection(1, "phone", State.IDLE, PingState(900.0))]
    connections.note_end_handled("ada", 1)
    assert connections.live("ada") == []
