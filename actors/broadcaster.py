"""Many readers, one pending value per key, and a writer that never waits."""

from collections.abc import Callable, Collection, Hashable, Iterable, KeysView
from typing import Any, Generic, Protocol, TypeVar

import attrs
import trio

from actors.errors import ActorStopped

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")
V_contra = TypeVar("V_contra", contravariant=True)

BATCH = 256
"""Offers made before other tasks run."""

MAX_CRASHES = 3
"""Crashed walks after which a publication is dropped."""


class Reader(Protocol[V_contra]):
    """Whoever gets values. Told apart by identity."""

    def offer(self, key: Hashable, value: V_contra) -> None:
        """Take note of the newest value of *key*; must not block.

        The same value may be offered twice, where a walk had to be repeated.
        """


@attrs.define(eq=False)
class _Publication(Generic[T, V]):
    key: Hashable
    value: V
    stamp: float
    topics: frozenset[T]
    except_topics: frozenset[T]
    except_readers: Collection[Reader[V]]
    walks: int = 0


@attrs.frozen
class BroadcasterStatistics:
    """A snapshot: distinct readers, publications waiting, offers made and dropped publications."""

    readers: int
    waiting: int
    offers: int
    dropped: int


class Broadcaster(Generic[T, V]):
    """Offers published values to the readers of topics, in the task that is in `run`.

    At most one value waits per key: a newer one, or `merge(older, newer)`,
    replaces it and goes to the end, so values go out in the order of their
    stamps as long as stamps grow. *merge* must not raise.
    Who shall get a value is looked up when it goes out: give values with
    different audiences different keys.

    What waits belongs to this object and outlives a crash of `run`. The
    publication then under way is offered again from its first reader; one whose
    walk crashed three times is dropped and *on_dropped* is called with its key
    and value.
    """

    def __init__(
        self,
        on_dropped: Callable[[Hashable, V], None] | None = None,
        *,
        merge: Callable[[V, V], V] | None = None,
    ) -> None:
        self._on_dropped = on_dropped
        self._merge = merge
        self._topics: dict[T, dict[Reader[V], float]] = {}
        self._joined: dict[Reader[V], set[T]] = {}
        self._pending: dict[Hashable, _Publication[T, V]] = {}
        self._under_way: _Publication[T, V] | None = None
        self._wakeup: trio.Event | None = None
        self._is_closed = False
        self._offers = 0
        self._dropped = 0

    def subscribe(self, reader: Reader[V], topics: Iterable[T], *, since: float = 0) -> None:
        """Offer *reader* what is published to *topics* with a stamp greater than *since*.

        Give as *since* the stamp of the snapshot that the reader was shown.
        """
        self._joined.setdefault(reader, set())
        for topic in topics:
            self.join(reader, topic, since=since)

    def unsubscribe(self, reader: Reader[V]) -> None:
        """Offer *reader* nothing more; does nothing if it is not subscribed."""
        for topic in tuple(self._joined.pop(reader, ())):
            self._remove(reader, topic)

    def join(self, reader: Reader[V], topic: T, *, since: float = 0) -> None:
        """Add one topic to those of a subscribed reader; does nothing for any other reader."""
        topics = self._joined.get(reader)
        if topics is None:
            return
        topics.add(topic)
        self._topics.setdefault(topic, {})[reader] = since
        # The walk under way has listed its readers already and would miss this one.
        missed = self._under_way
        if missed is not None and topic in missed.topics and self._is_for(reader, missed):
            self._offer(reader, missed)

    def leave(self, reader: Reader[V], topic: T) -> None:
        """Take one topic from a reader; the reader stays subscribed."""
        topics = self._joined.get(reader)
        if topics is not None and topic in topics:
            topics.remove(topic)
            self._remove(reader, topic)

    def readers_of(self, topic: T) -> KeysView[Reader[V]]:
        """The readers of *topic*: a live view, to be copied before awaiting."""
        return self._topics.get(topic, {}).keys()

    def topics_of(self, reader: Reader[V]) -> frozenset[T]:
        """The topics that *reader* is subscribed to; none if it is not subscribed."""
        return frozenset(self._joined.get(reader, ()))

    def publish(
        self,
        key: Hashable,
        value: V,
        *,
        topics: Iterable[T],
        stamp: float,
        except_topics: Iterable[T] = (),
        except_readers: Iterable[Reader[V]] = (),
    ) -> None:
        """Have *value* offered once to each reader of any of *topics*; never waits.

        Left out are *except_readers*, readers of any of *except_topics*, and
        readers who joined with a `since` of *stamp* or later. Raises only
        `ActorStopped`, once closed.
        """
        if self._is_closed:
            raise ActorStopped("the broadcaster is closed")
        older = self._pending.pop(key, None)
        if older is not None and self._merge is not None:
            value = self._merge(older.value, value)
        self._pending[key] = _Publication(
            key,
            value,
            stamp,
            frozenset(topics),
            frozenset(except_topics),
            tuple(except_readers),
        )
        self._wake()

    def close(self) -> None:
        """Take no more values; `run` offers what waits and ends."""
        self._is_closed = True
        self._wake()

    def statistics(self) -> BroadcasterStatistics:
        waiting = len(self._pending) + (self._under_way is not None)
        return BroadcasterStatistics(len(self._joined), waiting, self._offers, self._dropped)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Offer what is published, until closed and nothing waits."""
        task_status.started()
        while True:
            if self._under_way is None:
                if not self._pending:
                    if self._is_closed:
                        return
                    await self._wait()
                    continue
                self._under_way = self._pending.pop(next(iter(self._pending)))
            await self._carry_out(self._under_way)
            self._under_way = None

    async def _carry_out(self, publication: _Publication[T, V]) -> None:
        if publication.walks >= MAX_CRASHES:
            self._dropped += 1
            self._under_way = None  # first: a callback that raises must not be repeated
            if self._on_dropped is not None:
                self._on_dropped(publication.key, publication.value)
            return
        publication.walks += 1
        await self._walk(publication)

    async def _walk(self, publication: _Publication[T, V]) -> None:
        """Offer to each reader there is now; those who join meanwhile are served by `join`."""
        for count, reader in enumerate(self._list_readers(publication.topics), start=1):
            if self._is_for(reader, publication):
                self._offer(reader, publication)
            if count % BATCH == 0:
                await trio.lowlevel.checkpoint()

    def _list_readers(self, topics: frozenset[T]) -> list[Reader[V]]:
        """Each distinct reader once, copied because a walk lets others change the topics."""
        audience: dict[Reader[V], None] = {}
        for topic in topics:
            audience.update(dict.fromkeys(self._topics.get(topic, ())))
        return list(audience)

    def _is_for(self, reader: Reader[V], publication: _Publication[T, V]) -> bool:
        """Look now, not when the walk began: the reader may have left since."""
        joined = self._joined.get(reader)
        if joined is None or reader in publication.except_readers:
            return False
        if publication.except_topics and not joined.isdisjoint(publication.except_topics):
            return False
        for topic in publication.topics:
            since = self._topics[topic][reader] if topic in joined else publication.stamp
            if since < publication.stamp:
                return True
        return False

    def _offer(self, reader: Reader[V], publication: _Publication[T, V]) -> None:
        self._offers += 1
        reader.offer(publication.key, publication.value)

    def _remove(self, reader: Reader[V], topic: T) -> None:
        readers = self._topics[topic]
        del readers[reader]
        if not readers:
            del self._topics[topic]

    async def _wait(self) -> None:
        self._wakeup = trio.Event()
        await self._wakeup.wait()

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup.set()
            self._wakeup = None


class PendingReader(Generic[V]):
    """A reader that keeps the newest value of each key until somebody takes them all.

    However slow the taker: memory is bounded by the number of keys.
    """

    __slots__ = ("_pending", "_wakeup")

    def __init__(self) -> None:
        self._pending: dict[Hashable, V] = {}
        self._wakeup: trio.Event | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def offer(self, key: Hashable, value: V) -> None:
        """Keep *value* in place of an older one of *key*, as the newest of all."""
        self._pending.pop(key, None)
        self._pending[key] = value
        if self._wakeup is not None:
            self._wakeup.set()
            self._wakeup = None

    async def take_all(self) -> dict[Any, V]:
        """Wait for at least one value, then take everything, oldest first.

        If cancelled, nothing has been taken.
        """
        await trio.lowlevel.checkpoint()
        while not self._pending:
            if self._wakeup is None:
                self._wakeup = trio.Event()
            await self._wakeup.wait()
        taken, self._pending = self._pending, {}
        return taken
