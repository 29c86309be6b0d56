"""The actors that are measured, of three kinds that do the same."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import attrs
import trio

from actors import (
    Actor,
    Behaviour,
    ChildSpec,
    DynamicSupervisor,
    Reply,
    Restart,
    RestartBudget,
    Supervisor,
    open_dynamic_supervisor,
    open_supervisor,
)

CAPACITY: Final = 100
STOP_WITHIN: Final = 300.0
"""Seconds that a stop may take: longer than any does that works."""
FEW = RestartBudget(max_restarts=3, within=60.0)


class Hold:
    """Wait until all are let go."""


class Retire:
    """Be of no more use."""


HOLD, RETIRE = Hold(), Retire()
Message = int | Reply[int] | Hold | Retire


@attrs.define(eq=False)
class Board:
    """What all actors note together."""

    handled: int = 0
    out_of_order: int = 0
    holding: int = 0
    let_go: trio.Event = attrs.field(factory=trio.Event)


class Counting(Behaviour[Message]):
    """Expects the numbers from 1 on, without a gap."""

    __slots__ = ("_board", "_is_retired", "_last")

    def __init__(self, board: Board) -> None:
        self._board = board
        self._last = 0
        self._is_retired = False

    async def receive(self, message: Message) -> None:
        board = self._board
        if isinstance(message, int):
            board.handled += 1
            board.out_of_order += message != self._last + 1
            self._last = message
        elif isinstance(message, Reply):
            message.answer(self._last)
        elif message is HOLD:
            board.holding += 1
            await board.let_go.wait()
            board.holding -= 1
        else:
            self._is_retired = True

    @property
    def is_idle(self) -> bool:
        return self._is_retired


class Crew(Protocol):
    """Actors by number, of one kind."""

    async def spawn(self, numbers: Sequence[int]) -> None:
        """Start these; may return before they are there."""

    def tell(self, number: int, message: Message) -> None: ...

    async def ask(self, number: int) -> int: ...

    def retire(self, number: int) -> None: ...

    def count(self) -> int:
        """How many there are."""


class KeyedCrew:
    """Children of a dynamic supervisor. They start with their first message, here an ask."""

    def __init__(self, supervisor: DynamicSupervisor[int, Message]) -> None:
        self._supervisor = supervisor
        self.tell = supervisor.tell_nowait

    async def spawn(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.tell(number, Reply[int]())

    async def ask(self, number: int) -> int:
        return await self._supervisor.ask(number, _itself, timeout=STOP_WITHIN)

    def retire(self, number: int) -> None:
        self.tell(number, RETIRE)

    def count(self) -> int:
        return len(self._supervisor)


class SupervisedCrew:
    """Named children, each with a task of its own."""

    def __init__(self, supervisor: Supervisor, board: Board) -> None:
        self._supervisor = supervisor
        self._board = board
        self._actors: dict[int, Actor[Message]] = {}

    async def spawn(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            actor: Actor[Message] = Actor(lambda: Counting(self._board), capacity=CAPACITY)
            self._actors[number] = actor
            await self._supervisor.start(
                ChildSpec(
                    str(number),
                    actor.run,
                    actor.close,
                    restart=Restart.TRANSIENT,
                    stop_after=STOP_WITHIN,
                )
            )

    def tell(self, number: int, message: Message) -> None:
        self._actors[number].ref.tell_nowait(message)

    async def ask(self, number: int) -> int:
        return await self._actors[number].ref.ask(_itself, timeout=STOP_WITHIN)

    def retire(self, number: int) -> None:
        self._actors.pop(number).close()

    def count(self) -> int:
        return len(self._supervisor.child_names)


class PlainCrew:
    """No library: a task and a memory channel each, in one nursery."""

    def __init__(self, nursery: trio.Nursery, board: Board) -> None:
        self._nursery = nursery
        self._board = board
        self._channels: dict[int, trio.MemorySendChannel[Message]] = {}
        self._count = 0

    async def spawn(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            sending, receiving = trio.open_memory_channel[Message](CAPACITY)
            self._channels[number] = sending
            self._nursery.start_soon(self._run, receiving)
            self._count += 1

    async def _run(self, channel: trio.MemoryReceiveChannel[Message]) -> None:
        behaviour = Counting(self._board)
        async for message in channel:
            await behaviour.receive(message)
        self._count -= 1

    def tell(self, number: int, message: Message) -> None:
        self._channels[number].send_nowait(message)

    async def ask(self, number: int) -> int:
        reply: Reply[int] = Reply()
        self._channels[number].send_nowait(reply)
        return await reply.wait(STOP_WITHIN)

    def retire(self, number: int) -> None:
        self._channels.pop(number).close()

    def count(self) -> int:
        return self._count

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()


def _itself(reply: Reply[int]) -> Message:
    return reply


@asynccontextmanager
async def open_keyed(board: Board) -> AsyncIterator[Crew]:
    def make(number: int) -> Counting:
        return Counting(board)

    async with open_dynamic_supervisor(
        "crew",
        make,
        mailbox_capacity=CAPACITY,
        child_budget=FEW,
        budget=FEW,
        stop_after=STOP_WITHIN,
    ) as supervisor:
        yield KeyedCrew(supervisor)


@asynccontextmanager
async def open_supervised(board: Board) -> AsyncIterator[Crew]:
    async with open_supervisor("crew") as supervisor:
        yield SupervisedCrew(supervisor, board)


@asynccontextmanager
async def open_plain(board: Board) -> AsyncIterator[Crew]:
    async with trio.open_nursery() as nursery:
        crew = PlainCrew(nursery, board)
        yield crew
        crew.close()


KINDS: Final[dict[str, Callable[[Board], AbstractAsyncContextManager[Crew]]]] = {
    "plain": open_plain,
    "supervised": open_supervised,
    "keyed": open_keyed,
}
