"""Behaviours for tests of code that talks to actors."""

from typing import Generic, TypeVar

import trio

from actors.actor import Behaviour

M = TypeVar("M")


class Probe(Behaviour[M], Generic[M]):
    """Records what it gets; `received` is in order of handling."""

    def __init__(self) -> None:
        self.received: list[M] = []
        self._arrived = trio.Event()

    async def receive(self, message: M) -> None:
        self.received.append(message)
        self._arrived.set()
        self._arrived = trio.Event()

    async def wait_received(self, count: int) -> list[M]:
        """Wait until *count* messages have come; all that came."""
        while len(self.received) < count:
            await self._arrived.wait()
        return self.received


class FailsOnNth(Behaviour[M], Generic[M]):
    """Records like a probe, but raises *error* on its *nth* message (the first is 1)."""

    def __init__(self, nth: int, received: list[M], error: Exception | None = None) -> None:
        self._left = nth
        self._received = received
        self._error = error or RuntimeError("told to fail")

    async def receive(self, message: M) -> None:
        self._left -= 1
        if self._left == 0:
            raise self._error
        self._received.append(message)
