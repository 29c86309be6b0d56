"""The open connections of each user, and what a fresh actor learns of them."""

import attrs

from presence.core.attendance import Attendance
from presence.core.device import Pulse
from presence.core.events import Connected
from presence.core.restoration import LiveConnection
from presence.core.rules import Rules
from presence.core.types import State
from presence.live.directory import Directory
from presence.live.listener import EndReason


@attrs.define(eq=False)
class Ending:
    """A listener that knows nothing but how it ended."""

    connection: int
    user_id: str = "ada"
    device: str = "phone"
    ends: list = attrs.field(factory=list)

    def end(self, reason):
        self.ends.append(reason)


def directory_of(*listeners):
    directory = Directory()
    for listener in listeners:
        directory.add(listener, State.IDLE)
    return directory


def test_connections_are_found_by_user_and_counted():
    one, two, other = Ending(1), Ending(2), Ending(3, "bob")
    directory = directory_of(one, two, other)
    everybody = sorted(directory, key=lambda listener: listener.connection)
    assert (len(directory), everybody) == (3, [one, two, other])
    assert directory.listeners_of("ada") == [one, two]
    assert [directory.count_of(each) for each in ("ada", "bob", "carl")] == [2, 1, 0]


def test_a_removed_connection_is_forgotten_once():
    one, two = Ending(1), Ending(2)
    directory = directory_of(one, two)
    for _ in range(2):
        directory.remove(one)
    assert (len(directory), directory.listeners_of("ada")) == (1, [two])
    directory.remove(two)
    assert (len(directory), directory.of("ada")) == (0, ())


def test_connection_ids_are_never_used_twice():
    directory = Directory()
    assert [directory.new_connection() for _ in range(3)] == [1, 2, 3]


def test_only_who_has_its_snapshot_is_told_more_and_survives_a_crash():
    one, two = Ending(1), Ending(2, device="laptop")
    directory = directory_of(one, two)
    assert directory.welcome(two)
    assert directory.welcomed("ada") == [two]
    assert directory.live("ada") == [LiveConnection(2, "laptop", State.IDLE)]


def test_who_is_over_before_its_snapshot_is_not_welcome():
    one = Ending(1)
    directory = directory_of(one)
    directory.remove(one)
    assert not directory.is_open(one)
    assert not directory.welcome(one)


def test_who_was_told_to_end_no_longer_belongs_to_the_life_of_its_user():
    one, two, other = Ending(1), Ending(2), Ending(3, "bob")
    directory = directory_of(one, two, other)
    directory.welcome(one)
    directory.end_all("ada", EndReason.DISCONNECTED)
    told = [EndReason.DISCONNECTED]
    assert (one.ends, two.ends, other.ends) == (told, told, [])
    assert (directory.welcomed("ada"), directory.live("ada")) == ([], [])
    assert [directory.is_open(each) for each in (one, two, other)] == [False, False, True]
    assert not directory.welcome(two)
    assert directory.listeners_of("ada") == [one, two]  # sockets that close, still counted


def test_the_states_of_connections_are_kept_for_a_fresh_actor():
    one, two = Ending(1), Ending(2, device="laptop")
    directory = directory_of(one, two)
    attendance = Attendance(Rules())
    attendance.connect(Connected(1, "phone", State.OFFLINE))
    directory.note_states("ada", attendance)
    for listener in (one, two):
        directory.welcome(listener)
    assert directory.live("ada") == [
        LiveConnection(1, "phone", State.OFFLINE),
        LiveConnection(2, "laptop", State.IDLE),
    ]


def test_the_pings_of_a_device_are_kept_with_each_of_its_connections():
    one, two = Ending(1), Ending(2)
    directory = directory_of(one, two)
    attendance = Attendance(Rules())
    for connection in (1, 2):
        attendance.connect(Connected(connection, "phone", State.IDLE))
        directory.welcome((one, two)[connection - 1])
    attendance.ping(2, 900.0)
    attendance.pass_time(1200.0)
    directory.note_states("ada", attendance)
    swept = Pulse(900.0, is_swept=True)
    assert directory.live("ada") == [
        LiveConnection(1, "phone", State.IDLE, swept),
        LiveConnection(2, "phone", State.IDLE, swept),
    ]


def test_what_is_handled_before_an_end_is_heard_is_kept_too():
    one = Ending(1)
    directory = directory_of(one)
    directory.welcome(one)
    attendance = Attendance(Rules())
    attendance.connect(Connected(1, "phone", State.IDLE))
    directory.remove(one)
    attendance.ping(1, 900.0)
    directory.note_states("ada", attendance)
    assert directory.live("ada") == [LiveConnection(1, "phone", State.IDLE, Pulse(900.0))]
    directory.note_end_heard("ada", 1)
    assert directory.live("ada") == []
