"""The readers of each topic, and the sequence number from which each reads."""

from collections.abc import Collection, Hashable, Iterable, Iterator, KeysView, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

T = TypeVar("T", bound=Hashable)
V_contra = TypeVar("V_contra", contravariant=True)

Address: TypeAlias = Hashable
"""The name that a lane gives to a reader, unique among the readers of a broadcaster."""


class Lane(Protocol[V_contra]):
    """How all readers of one kind get their values. Told apart by identity."""

    def admit(self, reader: Any, /) -> Address:
        """Return what to call *reader* from now on, until `dismiss`.

        Every value goes through a list of these. An object for each reader,
        somewhere in memory, makes that slower than small numbers do.
        """

    def dismiss(self, address: Any, /) -> None:
        """Nothing more is offered there; the address may be given to another."""

    def render(self, values: Sequence[tuple[Hashable, V_contra]], /) -> Any:
        """Make the one packet that these readers are offered; None: they are offered nothing.

        *values* are pairs of key and value, oldest first, each key once.
        Called once for all readers that get the same values, not once for each.
        """

    def offer_all(self, packet: Any, addresses: Sequence[Any], /) -> None:
        """Offer *packet*, which `render` made, to each of these readers; must not block.

        They take note of the newest value of each key. The same values may be
        offered twice, where an attempt had to be repeated. One call for many: here
        a server of thousands of readers spends its time.
        """


class Reader(Protocol[V_contra]):
    """Receives values. Readers are compared by identity."""

    @property
    def lane(self) -> Lane[V_contra]:
        """The same one from `enter` to `depart`."""


class EachValue:
    """A lane whose readers are asked one by one, and that renders nothing.

    Their `offer` gets the values themselves. It must not block.
    """

    def admit(self, reader: Any) -> Address:
        return cast("Address", reader)

    def dismiss(self, address: Address) -> None:
        """Nothing is kept of a reader."""

    def render(self, values: Sequence[tuple[Hashable, object]]) -> Any:
        return values

    def offer_all(self, packet: Any, addresses: "Sequence[Any]") -> None:
        for reader in addresses:
            reader.offer(packet)


EACH_VALUE = EachValue()

Sequences = dict[Address, float]


class Audience(Generic[T]):
    """The readers of each topic, by lane, with the sequence after which each of them reads.

    A reader comes and goes as itself; while it is here it is meant by its address.
    """

    def __init__(self) -> None:
        self._topics: dict[T, dict[Lane[Any], Sequences]] = {}
        self._addresses: dict[Reader[Any], Address] = {}
        self._joined: dict[Address, tuple[Lane[Any], set[T]]] = {}
        self._latest_since = float("-inf")

    def __len__(self) -> int:
        return len(self._joined)

    def enter(self, reader: Reader[Any]) -> Address:
        """Return the address of *reader*, which is here from now on."""
        if reader not in self._addresses:
            address = reader.lane.admit(reader)
            self._addresses[reader] = address
            self._joined[address] = (reader.lane, set())
        return self._addresses[reader]

    def depart(self, reader: Reader[Any]) -> None:
        address = self.address_of(reader)
        if address is None:
            return
        for topic in self.topics_of(address):
            self.leave(address, topic)
        lane, _ = self._joined.pop(address)
        del self._addresses[reader]
        lane.dismiss(address)

    def address_of(self, reader: Reader[Any]) -> Address | None:
        """None: it is not here."""
        return self._addresses.get(reader)

    def addresses_of(self, readers: Iterable[Reader[Any]]) -> set[Address]:
        """The addresses of those of *readers* that are here."""
        return {self._addresses[reader] for reader in readers if reader in self._addresses}

    def join(self, address: Address, topic: T, since: float) -> None:
        lane, topics = self._joined[address]
        topics.add(topic)
        lanes = self._topics.setdefault(topic, {})
        lanes.setdefault(lane, {})[address] = since
        self._latest_since = max(self._latest_since, since)

    def leave(self, address: Address, topic: T) -> None:
        lane, topics = self._joined[address]
        if topic not in topics:
            return
        topics.remove(topic)
        lanes = self._topics[topic]
        del lanes[lane][address]
        if not lanes[lane]:
            del lanes[lane]
        if not lanes:
            del self._topics[topic]

    def lane_of(self, address: Address) -> Lane[Any] | None:
        """None: nobody is called so."""
        found = self._joined.get(address)
        return None if found is None else found[0]

    def topics_of(self, address: Address) -> frozenset[T]:
        found = self._joined.get(address)
        return frozenset() if found is None else frozenset(found[1])

    def readers_of(self, topic: T) -> list[Address]:
        return [
            address for sequences in self._topics.get(topic, {}).values() for address in sequences
        ]

    def size_of(self, topics: Iterable[T]) -> int:
        """The number of readers of *topics*; a reader of several is counted for each."""
        size = 0
        for topic in topics:
            for sequences in self._topics.get(topic, {}).values():
                size += len(sequences)
        return size

    def by_lane(self, topic: T) -> Iterator[tuple[Lane[Any], KeysView[Address]]]:
        """The readers of *topic* lane by lane; a live view."""
        for lane, sequences in self._topics.get(topic, {}).items():
            yield lane, sequences.keys()

    def union_of(self, topics: Iterable[T]) -> dict[Lane[Any], Collection[Address]]:
        """The readers of any of *topics* by lane, each once; live where there is one topic."""
        present = [self._topics[topic] for topic in topics if topic in self._topics]
        if len(present) == 1:
            return dict(present[0])
        found: dict[Lane[Any], Sequences] = {}
        for lanes in present:
            for lane, sequences in lanes.items():
                found.setdefault(lane, {}).update(sequences)
        return dict(found)

    def newcomers(self, topics: Iterable[T], sequence: float) -> set[Address]:
        """Readers of *topics* that began at *sequence* or later on some topic."""
        if self._latest_since < sequence:
            return set()
        return {
            address
            for topic in topics
            for sequences in self._topics.get(topic, {}).values()
            for address, since in sequences.items()
            if since >= sequence
        }

    def reads(self, address: Address, topics: Iterable[T], sequence: float) -> bool:
        """True if the reader at *address* is to get a value of *topics* with this *sequence*."""
        found = self._joined.get(address)
        if found is None:
            return False
        lane, joined = found
        return any(
            self._topics[topic][lane][address] < sequence for topic in topics if topic in joined
        )
