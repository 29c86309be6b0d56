"""The numbers by which thousands of connections are written to."""

import attrs
import pytest

from presence.transport.sockets.fd_table import BLOCK, FdTable
from presence.transport.sockets.frame_batch import FrameBatch


@attrs.define(eq=False)
class FdOwner:
    """A connection whose socket takes nothing."""

    slot: int | None = None
    kept: list = attrs.field(factory=list)

    def join_fd_table(self, fd_table, slot):
        self.slot = slot

    def leave_fd_table(self):
        self.slot = None

    def keep(self, packet, sent):
        self.kept.append((packet.joined, sent))


def test_each_stream_has_a_slot_of_its_own():
    fd_table = FdTable()
    sitters = [FdOwner() for _ in range(2 * BLOCK + 1)]
    numbers = [fd_table.take(owner) for owner in sitters]
    assert numbers == [owner.slot for owner in sitters] == list(range(len(sitters)))
    assert [fd_table.owner(number) for number in numbers] == sitters


def test_slots_are_reused():
    fd_table = FdTable()
    for _ in range(3 * BLOCK):
        fd_table.unregister(fd_table.take(FdOwner()))
    assert fd_table.take(FdOwner()) < BLOCK


def test_a_stream_without_a_descriptor_keeps_what_it_is_offered():
    fd_table, owner = FdTable(), FdOwner()
    fd_table.write_to_all(FrameBatch({"a": b"<a>", "b": b"<b>"}), [fd_table.take(owner)])
    assert owner.kept == [(b"<a><b>", 0)]


def test_a_reused_slot_does_not_inherit_the_descriptor():
    fd_table, former, heir = FdTable(), FdOwner(), FdOwner()
    slot = fd_table.take(former)
    fd_table.set_fd(slot, 2**30)
    fd_table.unregister(slot)
    assert former.slot is None
    assert fd_table.take(heir) == slot
    fd_table.write_to_all(FrameBatch({"a": b"<a>"}), [slot])
    assert (former.kept, heir.kept) == ([], [(b"<a>", 0)])


def test_an_unused_slot_is_a_bug():
    fd_table = FdTable()
    fd_table.unregister(fd_table.take(FdOwner()))
    with pytest.raises(LookupError):
        fd_table.write_to_all(FrameBatch({"a": b"<a>"}), [0])
