"""The rate of change: five in twenty seconds, and what waits for the window."""

from typing import Final

import attrs

from presence.core.changes import NO_CHANGE, UNSET, Change
from presence.core.rate import SlidingWindow
from presence.core.rules import Rules
from presence.core.types import ConnectionId, State, Status
from presence.core.value import value

_SIGNS_OF_LIFE = frozenset({Status.ONLINE, Status.AWAY, Status.DND})


@value
class Waiting:
    """One or more commands merged into one, with the state that each connection asks for.

    `sender` is the connection of the newest (None: REST); `returning` are those
    that gave a sign of life, which brings a swept device back.
    """

    change: Change = NO_CHANGE
    states: dict[ConnectionId, State] = attrs.field(factory=dict)
    sender: ConnectionId | None = None
    returning: frozenset[ConnectionId] = frozenset()

    def with_command(self, change: Change, sender: ConnectionId | None) -> "Waiting":
        """This and one more command."""
        states, returning = self.states, self.returning
        if sender is not None and isinstance(change.state, State):
            states = states | {sender: change.state}
        if sender is not None and change.intent in _SIGNS_OF_LIFE:
            returning = returning | {sender}
        return Waiting(self.change.merged_with(change), states, sender, returning)

    def superseded_by(self, change: Change, sender: ConnectionId | None) -> "Waiting | None":
        """What still waits once a newer command has been done; None where nothing is left."""
        states = self.states
        if isinstance(change.state, State):
            states = {key: state for key, state in states.items() if key != sender}
        # The state of the change is that of its sender, which is among the states.
        left = attrs.evolve(self.change.superseded_by(change), state=UNSET)
        if left == NO_CHANGE and not states and not self.returning:
            return None
        return attrs.evolve(self, change=left, states=states)

    def without_texts(self) -> "Waiting":
        """The part that is no text: status and states."""
        change = attrs.evolve(
            self.change, custom_status=UNSET, custom_status_until=UNSET, activity=UNSET
        )
        return attrs.evolve(self, change=change)


NOTHING_WAITS: Final = Waiting()


@attrs.define
class Pace:
    """How fast one user may change what others see.

    Commands given while hidden have a budget of their own, dropped on becoming
    visible, so that nothing done in secret delays what is done in the open.
    The one that makes the user visible has to fit both.
    """

    visible: SlidingWindow
    hidden: SlidingWindow
    arrivals: SlidingWindow
    waiting: Waiting | None = None

    @classmethod
    def of(cls, rules: Rules) -> "Pace":
        limit, span = rules.max_presence_changes, rules.presence_window
        visible, hidden, arrivals = (SlidingWindow(limit, span) for _ in range(3))
        return cls(visible, hidden, arrivals)

    def opens_at(self, *, is_visible: bool, will_show: bool) -> float:
        """From when on a command may apply. *will_show*: the user is visible after it."""
        return max(window.opens_at() for window in self._windows(is_visible, will_show))

    def count(self, *, is_visible: bool, will_show: bool, now: float) -> None:
        """Note a command that altered something."""
        for window in self._windows(is_visible, will_show):
            window.count(now)

    def is_empty(self, now: float) -> bool:
        """True when nothing waits and no window remembers anything."""
        return self.waiting is None and self.empties_at(now) is None

    def empties_at(self, now: float) -> float | None:
        """When no window will remember anything; None if that is so now."""
        windows = (self.visible, self.hidden, self.arrivals)
        ends = [end for window in windows if (end := window.empties_at()) and end > now]
        return max(ends, default=None)

    def _windows(self, is_visible: bool, will_show: bool) -> list[SlidingWindow]:
        if is_visible:
            return [self.visible]
        return [self.hidden, self.visible] if will_show else [self.hidden]
