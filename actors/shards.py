"""A dict for very many keys that never pauses to grow."""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PARTS = 256


class Shards(Generic[K, V]):
    """A table in many small dicts, in no order.

    One dict of a million keys takes a tenth of a second whenever it makes
    room, also where keys only come and go; here that is time of one part.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: tuple[dict[K, V], ...] = tuple({} for _ in range(PARTS))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __bool__(self) -> bool:
        return any(self._parts)

    def __contains__(self, key: K) -> bool:
        return key in self._parts[hash(key) % PARTS]

    def __getitem__(self, key: K) -> V:
        return self._parts[hash(key) % PARTS][key]

    def __setitem__(self, key: K, value: V) -> None:
        self._parts[hash(key) % PARTS][key] = value

    def get(self, key: K) -> V | None:
        return self._parts[hash(key) % PARTS].get(key)

    def pop(self, key: K, default: None = None) -> V | None:
        """Remove the key; its value, None where it was not there."""
        return self._parts[hash(key) % PARTS].pop(key, default)

    def values(self) -> Iterator[V]:
        """Every value; the table must not change meanwhile."""
        for part in self._parts:
            yield from part.values()

    def clear(self) -> None:
        for part in self._parts:
            part.clear()
