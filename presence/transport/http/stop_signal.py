"""The stop of the server, as the handlers of requests see it."""

import trio

ANSWER_WITHIN = 1.0
"""Seconds that a handler has, once the server stops, before it is cancelled."""


class StopSignal:
    """Wakes the handlers that wait, and gives each a deadline for its answer."""

    def __init__(self) -> None:
        self.event = trio.Event()
        """Set when the server stops. A handler that waits for long waits for this as well."""
        self._waits: set[trio.CancelScope] = set()

    @property
    def is_set(self) -> bool:
        return self.event.is_set()

    def begin(self) -> None:
        """Set the event; cancel what is not done after `ANSWER_WITHIN`. May be called again."""
        if not self.is_set:
            self.event.set()
            for scope in self._waits:
                _limit(scope)

    def add(self, scope: trio.CancelScope) -> None:
        """Cancel *scope* in case of a stop, until `discard`."""
        self._waits.add(scope)
        if self.is_set:
            _limit(scope)

    def discard(self, scope: trio.CancelScope) -> None:
        self._waits.discard(scope)


def _limit(scope: trio.CancelScope) -> None:
    scope.deadline = min(scope.deadline, trio.current_time() + ANSWER_WITHIN)
