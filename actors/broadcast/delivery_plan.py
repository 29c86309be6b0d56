"""The plan of one round of the broadcaster: which readers get which values. Pure.

Readers that get the same values share one packet, however many there are; so
the cost of a round is one step per reader, and a little per publication.
"""

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import attrs

from actors.broadcast.audience import Address, Audience, Lane, Reader

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")


@attrs.define(eq=False)
class Publication(Generic[T, V]):
    """A value on its way to the readers of some topics. `attempts`: rounds it was part of."""

    key: Hashable
    value: V
    sequence: float
    topics: frozenset[T]
    except_topics: frozenset[T]
    except_readers: Collection[Reader[V]]
    attempts: int = 0

    def is_for(self, address: Address, audience: Audience[T]) -> bool:
        """Whether the reader at *address* is to get it, as the audience is now."""
        if address in audience.addresses_of(self.except_readers):
            return False
        if self.except_topics and not self.except_topics.isdisjoint(audience.topics_of(address)):
            return False
        return audience.reads(address, self.topics, self.sequence)


@attrs.define(eq=False)
class Delivery(Generic[T, V]):
    """The publications that some readers of one lane get together, oldest first."""

    lane: Lane[V]
    publications: Sequence[Publication[T, V]]
    readers: list[Address]

    def render(self) -> Any:
        """The packet for all of them; None where there is nothing to offer."""
        return self.lane.render([(each.key, each.value) for each in self.publications])


def plan_round(
    publications: Sequence[Publication[T, V]], audience: Audience[T]
) -> Iterator[Delivery[T, V]]:
    """Decide which readers get which of *publications*; each is in one delivery or none.

    Most readers get all that goes to their topics. Readers that are left out of
    something, or began later than its sequence, are looked at one by one.
    """
    if len(publications) == 1 and not publications[0].except_topics:
        yield from _plan_alone(publications[0], audience)
        return
    singled_out: set[Address] = set()
    groups: dict[tuple[frozenset[T], frozenset[T]], list[int]] = {}
    for index, each in enumerate(publications):
        groups.setdefault((each.topics, each.except_topics), []).append(index)
        singled_out |= audience.addresses_of(each.except_readers)
    for topics, _ in groups:
        singled_out |= audience.newcomers(topics, publications[0].sequence)
    indices = _Indices(list(groups.values()))
    for lane, readers_by_groups in _sort_readers(list(groups), audience, singled_out).items():
        for mask, readers in readers_by_groups.items():
            yield Delivery(lane, [publications[i] for i in indices.of(mask)], readers)
    yield from _single_deliveries(publications, singled_out, audience)


def _plan_alone(publication: Publication[T, V], audience: Audience[T]) -> Iterator[Delivery[T, V]]:
    """The round of one value, as most are: there is nothing to sort."""
    newcomers = audience.newcomers(publication.topics, publication.sequence)
    left_out = {reader for reader in newcomers if not publication.is_for(reader, audience)}
    left_out |= audience.addresses_of(publication.except_readers)
    for lane, present in audience.union_of(publication.topics).items():
        readers = [reader for reader in present if reader not in left_out]
        if readers:
            yield Delivery(lane, [publication], readers)


class _Indices:
    """The indices of the publications in a mask of groups; a round has a thousand masks.

    *members*: the indices of each group. The indices of each byte of a mask
    are looked up once.
    """

    def __init__(self, members: Sequence[Sequence[int]]) -> None:
        self._members = members
        self._known: dict[tuple[int, int], list[int]] = {}

    def of(self, mask: int) -> list[int]:
        """Those of the groups whose bits are set, in order."""
        found: list[int] = []
        first = 0
        while mask:
            found += self._of_byte(first, mask & 0xFF)
            first, mask = first + 8, mask >> 8
        found.sort()
        return found

    def _of_byte(self, first: int, byte: int) -> list[int]:
        known = self._known.get((first, byte))
        if known is None:
            members = self._members[first : first + 8]
            known = [i for bit, own in enumerate(members) if byte >> bit & 1 for i in own]
            self._known[first, byte] = known
        return known


def _sort_readers(
    groups: Sequence[tuple[frozenset[T], frozenset[T]]],
    audience: Audience[T],
    singled_out: set[Address],
) -> dict[Lane[Any], dict[int, list[Address]]]:
    """The readers of each lane by the groups they belong to, as a mask of bits."""
    if len(groups) == 1 and len(groups[0][0]) == 1 and not groups[0][1]:
        (topic,) = groups[0][0]
        return {
            lane: {1: [reader for reader in readers if reader not in singled_out]}
            for lane, readers in audience.by_lane(topic)
        }
    masks = _masks([topics for topics, _ in groups], audience)
    left_out = _masks([except_topics for _, except_topics in groups], audience)
    for lane, own in left_out.items():
        found = masks.get(lane, {})
        for reader, mask in own.items():
            if reader in found:
                found[reader] &= ~mask
    for own in masks.values():
        for reader in singled_out:
            own.pop(reader, None)
    return {lane: _by_mask(own) for lane, own in masks.items()}


def _masks(
    groups: Sequence[frozenset[T]], audience: Audience[T]
) -> dict[Lane[Any], dict[Address, int]]:
    """For each reader the groups of which it reads a topic, as a mask of bits.

    Every topic is gone through once, in however many groups it is.
    """
    bits: dict[T, int] = {}
    for bit, topics in enumerate(groups):
        for topic in topics:
            bits[topic] = bits.get(topic, 0) | 1 << bit
    masks: dict[Lane[Any], dict[Address, int]] = {}
    for topic, mask in bits.items():
        for lane, readers in audience.by_lane(topic):
            own = masks.setdefault(lane, {})
            if own:
                get = own.get
                for reader in readers:
                    own[reader] = get(reader, 0) | mask
            else:
                own.update(dict.fromkeys(readers, mask))
    return masks


def _by_mask(masks: dict[Address, int]) -> dict[int, list[Address]]:
    sorted_readers: dict[int, list[Address]] = {}
    for reader, mask in masks.items():
        if mask:
            sorted_readers.setdefault(mask, []).append(reader)
    return sorted_readers


def _single_deliveries(
    publications: Sequence[Publication[T, V]], readers: set[Address], audience: Audience[T]
) -> Iterator[Delivery[T, V]]:
    for reader in readers:
        own = [each for each in publications if each.is_for(reader, audience)]
        lane = audience.lane_of(reader)
        if own and lane is not None:
            yield Delivery(lane, own, [reader])
