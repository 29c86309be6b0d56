"""Many readers, one pending value per key, and a writer that never waits."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import attrs
import trio

from actors.broadcast.audience import Address, Audience, Lane, Reader
from actors.broadcast.delivery_plan import Delivery, Publication, plan_round
from actors.broadcast.round_pacer import RoundPacer
from actors.errors import ActorStopped
from actors.supervisor import InlineWork

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")

BATCH = 512
"""Offers made before other tasks run."""

MAX_CRASHES = 3
"""Crashed attempts after which a publication is dropped."""


@attrs.frozen
class BroadcasterStatistics:
    """A snapshot: distinct readers, publications waiting, values offered and dropped."""

    readers: int
    waiting: int
    offers: int
    dropped: int


class Broadcaster(Generic[T, V]):
    """Offers published values to the readers of topics, in the task that runs `run`.

    Values go out in rounds: those published during a round go out in the next one.
    A reader gets all values of a round in one packet, rendered once for all readers
    of its lane that get the same values. A lone value is never delayed for that.

    At most one value waits per key. A newer one, or `merge(older, newer)`, replaces
    it and goes to the end, so values go out in the order of their sequence numbers
    as long as these grow. *merge* must not raise. The readers of a value are looked
    up when it goes out: give values with different audiences different keys.

    Waiting publications belong to this object and outlive a crash of `run`. The
    publications of the crashed round are offered again, one at a time; one that
    crashed three times is dropped, and *on_dropped* is called with its key and
    value.
    """

    def __init__(
        self,
        on_dropped: Callable[[Hashable, V], None] | None = None,
        *,
        merge: Callable[[V, V], V] | None = None,
    ) -> None:
        self._on_dropped = on_dropped
        self._merge = merge
        self._audience: Audience[T] = Audience()
        self._pending: dict[Hashable, Publication[T, V]] = {}
        self._under_way: list[Publication[T, V]] = []
        self._suspects: list[Publication[T, V]] = []
        self._has_departures = False
        self._wakeup: trio.Event | None = None
        self._pacer = RoundPacer()
        self._inline = InlineWork()
        self._is_closed = False
        self._offers = 0
        self._dropped = 0

    # -- readers -----------------------------------------------------------------------------

    def subscribe(self, reader: Reader[V], topics: Iterable[T], *, since: float = 0) -> None:
        """Offer *reader* what is published to *topics* with a sequence greater than *since*.

        Give as *since* the sequence of the snapshot that the reader was shown.
        """
        self._audience.enter(reader)
        for topic in topics:
            self.join(reader, topic, since=since)

    def unsubscribe(self, reader: Reader[V]) -> None:
        """Offer *reader* nothing more; does nothing if it is not subscribed."""
        self._audience.depart(reader)
        self._has_departures = True

    def join(self, reader: Reader[V], topic: T, *, since: float = 0) -> None:
        """Add one topic to those of a subscribed reader; does nothing for any other reader."""
        address = self._audience.address_of(reader)
        if address is None:
            return
        self._audience.join(address, topic, since)
        # The round under way has listed its readers already and would miss this one.
        missed = [
            each
            for each in self._under_way
            if topic in each.topics and each.is_for(address, self._audience)
        ]
        self._offer_apart(address, missed)

    def leave(self, reader: Reader[V], topic: T) -> None:
        """Take one topic from a reader; the reader stays subscribed.

        Values published before, which it would now miss, are offered at once.
        """
        address = self._audience.address_of(reader)
        if address is None:
            return
        waiting = [*self._under_way, *self._pending.values()]
        meant = [each for each in waiting if each.is_for(address, self._audience)]
        self._audience.leave(address, topic)
        missed = [each for each in meant if not each.is_for(address, self._audience)]
        self._offer_apart(address, missed)
        self._has_departures = True

    def change_lane(self, reader: Reader[V], change: Callable[[], None]) -> None:
        """Call *change*, after which `reader.lane` is another one; topics stay as they are.

        A value under way may be offered to the reader again, in the new lane.
        """
        is_subscribed = self._audience.address_of(reader) is not None
        topics = self.topics_of(reader)
        self.unsubscribe(reader)
        change()
        if is_subscribed:
            self.subscribe(reader, topics)

    def topics_of(self, reader: Reader[V]) -> frozenset[T]:
        """The topics that *reader* has joined; of one that is not subscribed none."""
        return self._audience.topics_of(self._audience.address_of(reader))

    def readers_of(self, topic: T) -> list[Address]:
        """The readers of *topic* at this moment, by the names that their lanes have for them."""
        return self._audience.readers_of(topic)

    # -- values ------------------------------------------------------------------------------

    def publish(
        self,
        key: Hashable,
        value: V,
        *,
        topics: Iterable[T],
        sequence: float,
        except_topics: Iterable[T] = (),
        except_readers: Iterable[Reader[V]] = (),
    ) -> None:
        """Have *value* offered once to each reader of any of *topics*; never waits.

        While few values come one after another, and a value has `BATCH` readers
        at most, they have it when this returns. Left out are *except_readers*,
        readers of any of *except_topics*, and readers who joined with a `since`
        of *sequence* or later. Raises only `ActorStopped`, once closed.
        """
        if self._is_closed:
            raise ActorStopped("the broadcaster is closed")
        older = self._pending.pop(key, None)
        if older is not None and self._merge is not None:
            value = self._merge(older.value, value)
        publication = Publication(
            key,
            value,
            sequence,
            frozenset(topics),
            frozenset(except_topics),
            tuple(except_readers),
        )
        if self._may_go_at_once(publication):
            self._go_at_once(publication)
        else:
            self._pending[key] = publication
        self._wake()

    def close(self) -> None:
        """Take no more values; `run` offers what waits and ends."""
        self._is_closed = True
        self._wake()

    def statistics(self) -> BroadcasterStatistics:
        waiting = len(self._pending) + len(self._under_way) + len(self._suspects)
        return BroadcasterStatistics(len(self._audience), waiting, self._offers, self._dropped)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Offer what is published, until closed and nothing waits."""
        task_status.started()
        # Publications that a crash left behind: one of them may be to blame.
        self._suspects, self._under_way = self._under_way + self._suspects, []
        while True:
            self._inline.raise_pending()
            await self._pacer.pause()
            self._under_way = self._next_round()
            if self._under_way:
                count, began_at = len(self._under_way), trio.current_time()
                await self._carry_out(self._under_way)
                self._under_way = []
                self._pacer.note_end(began_at)
                self._pacer.note_round(count, has_more=bool(self._pending))
            elif self._is_closed:
                return
            else:
                await self._wait()

    def _may_go_at_once(self, publication: Publication[T, V]) -> bool:
        """Whether a round of its own in the publisher's task is quick and delays nobody.

        `run` has to be at rest, and is woken afterwards: so there is one such
        round in a turn of the event loop at most.
        """
        is_at_rest = self._wakeup is not None and not self._pending
        is_calm = is_at_rest and self._pacer.is_calm
        return is_calm and self._audience.size_of(publication.topics) <= BATCH

    def _go_at_once(self, publication: Publication[T, V]) -> None:
        """That saves a switch of tasks, and a look at the sockets, where it counts most."""
        self._under_way = [publication]
        began_at = trio.current_time()
        if self._inline.attempt(partial(self._offer_alone, publication)):
            self._under_way = []
        self._pacer.note_end(began_at)

    def _offer_alone(self, publication: Publication[T, V]) -> None:
        publication.attempts += 1
        for delivery in plan_round([publication], self._audience):
            self._offer(delivery.lane, delivery.readers, delivery.render(), 1)

    def _next_round(self) -> list[Publication[T, V]]:
        """All that waits; after a crash what was going out, one by one."""
        if self._suspects:
            return [self._suspects.pop(0)]
        waiting, self._pending = list(self._pending.values()), {}
        return waiting

    async def _carry_out(self, publications: Sequence[Publication[T, V]]) -> None:
        first = publications[0]
        if first.attempts >= MAX_CRASHES:
            self._dropped += 1
            self._under_way = []  # first: a callback that raises must not be repeated
            if self._on_dropped is not None:
                self._on_dropped(first.key, first.value)
            return
        for each in publications:
            each.attempts += 1
        self._has_departures = False
        turn = 0
        for delivery in list(plan_round(publications, self._audience)):
            turn = await self._deliver(delivery, turn)

    async def _deliver(self, delivery: Delivery[T, V], turn: int) -> int:
        """Offer to each reader there is now; readers that join meanwhile are served by `join`.

        *turn*: offers made since other tasks ran; returns how many it is then.
        Small shares are many: it is counted over all of a round.
        """
        packet = delivery.render()
        start = 0
        while start < len(delivery.readers):
            if turn >= BATCH:
                await trio.lowlevel.checkpoint()
                turn = 0
            batch = delivery.readers[start : start + BATCH - turn]
            start, turn = start + len(batch), turn + len(batch)
            if self._has_departures:
                batch = [each for each in batch if self._still_gets_all(each, delivery)]
            self._offer(delivery.lane, batch, packet, len(delivery.publications))
        return turn

    def _still_gets_all(self, address: Address, delivery: Delivery[T, V]) -> bool:
        """Look again: the reader may have left since the round was planned.

        A reader that left some topics only is offered the rest here; one that
        came back in another lane got it there.
        """
        if self._audience.lane_of(address) is not delivery.lane:
            return False
        left = [each for each in delivery.publications if each.is_for(address, self._audience)]
        if len(left) < len(delivery.publications):
            self._offer_apart(address, left)
        return len(left) == len(delivery.publications)

    def _offer(self, lane: Lane[V], addresses: Sequence[Address], packet: Any, count: int) -> None:
        if packet is not None:
            self._offers += len(addresses) * count
            lane.offer_all(packet, addresses)

    def _offer_apart(self, address: Address, publications: list[Publication[T, V]]) -> None:
        """Offer them to one reader, beside their round."""
        lane = self._audience.lane_of(address)
        if publications and lane is not None:
            delivery = Delivery(lane, publications, [address])
            self._offer(lane, delivery.readers, delivery.render(), len(publications))

    async def _wait(self) -> None:
        self._wakeup = trio.Event()
        await self._wakeup.wait()
        self._pacer.note_turn()

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._pacer.note_wake()
            self._wakeup.set()
            self._wakeup = None
