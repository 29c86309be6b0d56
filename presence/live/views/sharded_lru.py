"""A bounded table that evicts the least recently used values without long pauses."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PARTS: Final = 256
LEAST_PER_PART: Final = 64


class ShardedLru(Generic[K, V]):
    """Holds up to *capacity* values.

    It consists of parts, because one ordered table of 100,000 entries pauses for
    20 ms whenever it is resized. Each part evicts on its own, so a value may be
    evicted before another that is a little older.
    """

    def __init__(self, capacity: int) -> None:
        count = min(PARTS, max(1, capacity // LEAST_PER_PART))
        self._per_part = -(-capacity // count)
        self._parts: tuple[OrderedDict[K, V], ...] = tuple(OrderedDict() for _ in range(count))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __contains__(self, key: K) -> bool:
        return key in self._part(key)

    def __setitem__(self, key: K, value: V) -> None:
        part = self._part(key)
        part[key] = value
        part.move_to_end(key)
        if len(part) > self._per_part:
            part.popitem(last=False)

    def use(self, key: K) -> V | None:
        """The value, which counts as used now; None where there is none."""
        part = self._part(key)
        value = part.get(key)
        if value is not None:
            part.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """The value, without counting as a use."""
        return self._part(key).get(key)

    def forget(self, key: K) -> None:
        self._part(key).pop(key, None)

    def _part(self, key: K) -> OrderedDict[K, V]:
        return self._parts[hash(key) % len(self._parts)]
