"""A reader of changes that may be as slow as it likes."""

from collections.abc import Collection, Iterable

import attrs
import trio

from presence.client.model import Change


@attrs.define(eq=False)
class Watcher:
    """The newest change of each user that a reader has not taken yet."""

    users: Collection[str] | None
    _pending: dict[str, Change] = attrs.field(factory=dict)
    _wakeup: trio.Event = attrs.field(factory=trio.Event)
    _is_closed: bool = False

    def offer(self, changes: Iterable[Change]) -> None:
        for change in changes:
            user_id = change.user.id
            if self.users is not None and user_id not in self.users:
                continue
            older = self._pending.pop(user_id, None)
            if older is not None:
                change = attrs.evolve(change, previous=older.previous)
            self._pending[user_id] = change
        self._wakeup.set()

    def close(self) -> None:
        self._is_closed = True
        self._wakeup.set()

    def __aiter__(self) -> "Watcher":
        return self

    async def __anext__(self) -> Change:
        await trio.lowlevel.checkpoint()
        while not self._pending:
            if self._is_closed:
                raise StopAsyncIteration
            self._wakeup = trio.Event()
            await self._wakeup.wait()
        return self._pending.pop(next(iter(self._pending)))
