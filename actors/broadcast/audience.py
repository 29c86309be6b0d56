"""Who reads which topics, and from which stamp on."""

from collections.abc import Collection, Hashable, Iterable, Iterator, KeysView, Sequence
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T", bound=Hashable)
V_contra = TypeVar("V_contra", contravariant=True)


class Lane(Protocol[V_contra]):
    """How all readers of one kind get their values. Told apart by identity."""

    def render(self, values: Sequence[tuple[Hashable, V_contra]]) -> Any:
        """Make the one packet that these readers are offered; None: they are offered nothing.

        *values* are pairs of key and value, oldest first, each key once.
        Called once for all readers that get the same values, not once for each.
        """

    def offer_all(self, packet: Any, readers: "Sequence[Any]") -> None:
        """Offer *packet*, which `render` made, to each of these `Reader`s; must not block.

        One call for many: here a server of thousands of readers spends its time.
        """


class Reader(Protocol[V_contra]):
    """Whoever gets values. Told apart by identity."""

    @property
    def lane(self) -> Lane[V_contra]:
        """The same one from `enter` to `depart`."""

    def offer(self, packet: Any) -> None:
        """Take note of what the lane rendered: the newest value of each of its keys.

        Must not block. The same values may be offered twice, where a walk had
        to be repeated.
        """


class EachValue:
    """A lane that renders nothing: the packet is the values themselves."""

    def render(self, values: Sequence[tuple[Hashable, object]]) -> Any:
        return values

    def offer_all(self, packet: Any, readers: "Sequence[Reader[Any]]") -> None:
        for reader in readers:
            reader.offer(packet)


EACH_VALUE = EachValue()

Seats = dict[Reader[Any], float]


class Audience(Generic[T]):
    """The readers of each topic, by lane, with the stamp after which each of them reads."""

    def __init__(self) -> None:
        self._topics: dict[T, dict[Lane[Any], Seats]] = {}
        self._joined: dict[Reader[Any], set[T]] = {}
        self._latest_since = float("-inf")

    def __len__(self) -> int:
        return len(self._joined)

    def __contains__(self, reader: Reader[Any]) -> bool:
        return reader in self._joined

    def enter(self, reader: Reader[Any]) -> None:
        self._joined.setdefault(reader, set())

    def depart(self, reader: Reader[Any]) -> None:
        for topic in tuple(self._joined.get(reader, ())):
            self.leave(reader, topic)
        self._joined.pop(reader, None)

    def join(self, reader: Reader[Any], topic: T, since: float) -> None:
        self._joined[reader].add(topic)
        lanes = self._topics.setdefault(topic, {})
        lanes.setdefault(reader.lane, {})[reader] = since
        self._latest_since = max(self._latest_since, since)

    def leave(self, reader: Reader[Any], topic: T) -> None:
        topics = self._joined.get(reader)
        if topics is None or topic not in topics:
            return
        topics.remove(topic)
        lanes = self._topics[topic]
        del lanes[reader.lane][reader]
        if not lanes[reader.lane]:
            del lanes[reader.lane]
        if not lanes:
            del self._topics[topic]

    def topics_of(self, reader: Reader[Any]) -> frozenset[T]:
        return frozenset(self._joined.get(reader, ()))

    def readers_of(self, topic: T) -> list[Reader[Any]]:
        return [reader for seats in self._topics.get(topic, {}).values() for reader in seats]

    def size_of(self, topics: Iterable[T]) -> int:
        """How many readers *topics* have; who reads several is counted for each."""
        lanes = (self._topics.get(topic, {}).values() for topic in topics)
        return sum(len(seats) for each in lanes for seats in each)

    def seats(self, topic: T) -> Iterator[tuple[Lane[Any], KeysView[Reader[Any]]]]:
        """The readers of *topic* lane by lane; a live view."""
        for lane, seats in self._topics.get(topic, {}).items():
            yield lane, seats.keys()

    def union_of(self, topics: Iterable[T]) -> dict[Lane[Any], Collection[Reader[Any]]]:
        """The readers of any of *topics* by lane, each once; live where there is one topic."""
        present = [self._topics[topic] for topic in topics if topic in self._topics]
        if len(present) == 1:
            return dict(present[0])
        found: dict[Lane[Any], Seats] = {}
        for lanes in present:
            for lane, seats in lanes.items():
                found.setdefault(lane, {}).update(seats)
        return dict(found)

    def newcomers(self, topics: Iterable[T], stamp: float) -> set[Reader[Any]]:
        """Readers of *topics* who began at *stamp* or later on some topic."""
        if self._latest_since < stamp:
            return set()
        return {
            reader
            for topic in topics
            for seats in self._topics.get(topic, {}).values()
            for reader, since in seats.items()
            if since >= stamp
        }

    def reads(self, reader: Reader[Any], topics: Iterable[T], stamp: float) -> bool:
        """True if *reader* is to get what was published to *topics* with *stamp*."""
        joined = self._joined.get(reader, ())
        lane = reader.lane
        return any(self._topics[topic][lane][reader] < stamp for topic in topics if topic in joined)
