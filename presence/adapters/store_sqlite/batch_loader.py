"""Reads of single rows, gathered: those who come during a read share the next one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import trio

K = TypeVar("K")
V = TypeVar("V")


class _Answer(Generic[V]):
    """A result that several may wait for; `value` is an exception for a senseless row."""

    __slots__ = ("error", "is_known", "value")

    def __init__(self) -> None:
        self.is_known = False
        self.value: V | Exception | None = None
        self.error: Exception | None = None


class BatchLoader(Generic[K, V]):
    """Asks *read_all* for what one wants, together with what others want then.

    A crowd of readers then costs a few trips to the thread and not one each.
    *read_all* leaves out what is not there, and puts an exception in the place
    of a value that makes no sense; what it raises, all raise who asked with it.
    """

    def __init__(
        self,
        read_all: Callable[[Sequence[K]], Awaitable[Mapping[K, V | Exception]]],
        failures: type[Exception],
    ) -> None:
        self._read_all = read_all
        self._failures = failures
        self._wanted: dict[K, _Answer[V]] = {}
        self._turn = trio.Lock()

    async def read(self, key: K) -> V | None:
        """Return the value of *key* as it is now or later; None if there is none."""
        answer = self._wanted.setdefault(key, _Answer())
        async with self._turn:
            if not answer.is_known:
                await self._answer_all()
        if answer.error is not None:
            raise answer.error
        if isinstance(answer.value, Exception):
            raise answer.value
        return answer.value

    async def _answer_all(self) -> None:
        """Read what is wanted now; if cancelled, it is wanted still."""
        asked, self._wanted = self._wanted, {}
        try:
            found = await self._read_all(list(asked))
        except self._failures as error:
            for answer in asked.values():
                answer.error, answer.is_known = error, True
        except BaseException:
            self._wanted = asked | self._wanted
            raise
        else:
            for key, answer in asked.items():
                answer.value, answer.is_known = found.get(key), True
