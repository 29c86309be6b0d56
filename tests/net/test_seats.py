"""The numbers by which thousands of connections are written to."""

import attrs
import pytest

from presence.net.wire.packet import Packet
from presence.net.wire.seats import BLOCK, Seats


@attrs.define(eq=False)
class Sitter:
    """A connection whose socket takes nothing."""

    seat: int | None = None
    kept: list = attrs.field(factory=list)

    def sit_down(self, seats, seat):
        self.seat = seat

    def stand_up(self):
        self.seat = None

    def keep(self, packet, sent):
        self.kept.append((packet.joined, sent))


def test_each_has_a_number_of_its_own_that_leads_to_it():
    seats = Seats()
    sitters = [Sitter() for _ in range(2 * BLOCK + 1)]
    numbers = [seats.take(sitter) for sitter in sitters]
    assert numbers == [sitter.seat for sitter in sitters] == list(range(len(sitters)))
    assert [seats.sitter(number) for number in numbers] == sitters


def test_as_many_numbers_are_made_as_there_were_connections_at_once():
    seats = Seats()
    for _ in range(3 * BLOCK):
        seats.give_back(seats.take(Sitter()))
    assert seats.take(Sitter()) < BLOCK


def test_who_was_given_no_way_keeps_all_that_it_is_offered():
    seats, sitter = Seats(), Sitter()
    seats.write_to_all(Packet({"a": b"<a>", "b": b"<b>"}), [seats.take(sitter)])
    assert sitter.kept == [(b"<a><b>", 0)]


def test_the_next_owner_of_a_number_does_not_inherit_the_way():
    seats, former, heir = Seats(), Sitter(), Sitter()
    seat = seats.take(former)
    seats.set_way(seat, 2**30)
    seats.give_back(seat)
    assert former.seat is None
    assert seats.take(heir) == seat
    seats.write_to_all(Packet({"a": b"<a>"}), [seat])
    assert (former.kept, heir.kept) == ([], [(b"<a>", 0)])


def test_a_number_that_nobody_has_is_a_bug():
    seats = Seats()
    seats.give_back(seats.take(Sitter()))
    with pytest.raises(AssertionError):
        seats.write_to_all(Packet({"a": b"<a>"}), [0])
