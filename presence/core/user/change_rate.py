"""The rate of change: five in twenty seconds, and what waits for the window."""

from collections.abc import Mapping
from typing import Final

import attrs

from presence.core.events import REST_DEVICE, Commanded
from presence.core.rule_settings import Rules
from presence.core.sliding_window import SlidingWindow
from presence.core.types import NO_STATES, ConnectionId, DeviceId, State, Status
from presence.core.user.patch import EMPTY_PATCH, UNSET, PresencePatch
from presence.core.value import value

_SIGNS_OF_LIFE = frozenset({Status.ONLINE, Status.AWAY, Status.DND})


@value
class PendingChange:
    """One or more commands merged into one, with the state that each connection asks for.

    `sender` is the connection of the newest (None: REST), `device` the device of
    the newest over REST and `device_states` the state that it asks for, if any.
    `returning` are the connections that gave a sign of life, which brings a
    swept device back.
    """

    change: PresencePatch = EMPTY_PATCH
    states: dict[ConnectionId, State] = attrs.field(factory=dict)
    sender: ConnectionId | None = None
    returning: frozenset[ConnectionId] = frozenset()
    device: DeviceId = REST_DEVICE
    device_states: Mapping[DeviceId, State] = NO_STATES

    def with_command(self, command: Commanded) -> "PendingChange":
        """This and one more command."""
        change, sender = command.change, command.connection
        states, returning, device_states = self.states, self.returning, NO_STATES
        if isinstance(change.state, State):
            if sender is None:
                device_states = {command.device: change.state}
            else:
                states = states | {sender: change.state}
        if sender is not None and change.intent in _SIGNS_OF_LIFE:
            returning = returning | {sender}
        merged = self.change.merged_with(change)
        return PendingChange(merged, states, sender, returning, command.device, device_states)

    def superseded_by(self, command: Commanded) -> "PendingChange | None":
        """The rest that still waits after a newer command was performed; None if nothing."""
        change, sender, states = command.change, command.connection, self.states
        if isinstance(change.state, State):
            states = {key: state for key, state in states.items() if key != sender}
        # The state of the change is that of its sender, which is among the states.
        left = attrs.evolve(self.change.superseded_by(change), state=UNSET)
        if left == EMPTY_PATCH and not states and not self.returning:
            return None
        return attrs.evolve(self, change=left, states=states)

    def without_texts(self) -> "PendingChange":
        """The part that is no text: status and states."""
        change = attrs.evolve(
            self.change, custom_status=UNSET, custom_status_until=UNSET, activity=UNSET
        )
        return attrs.evolve(self, change=change)


NOTHING_PENDING: Final = PendingChange()


@attrs.define
class ChangeRateLimit:
    """How fast one user may change what others see.

    Commands given while hidden have a budget of their own, dropped on becoming
    visible, so that nothing done in secret delays what is done in the open.
    The one that makes the user visible has to fit both.
    """

    visible: SlidingWindow
    hidden: SlidingWindow
    arrivals: SlidingWindow
    pending: PendingChange | None = None

    @classmethod
    def of(cls, rules: Rules) -> "ChangeRateLimit":
        limit, span = rules.max_presence_changes, rules.presence_window
        visible, hidden, arrivals = (SlidingWindow(limit, span) for _ in range(3))
        return cls(visible, hidden, arrivals)

    def opens_at(self, *, is_visible: bool, visible_after: bool) -> float:
        """From when on a command may apply. *visible_after*: the user is visible after it."""
        return max(window.opens_at() for window in self._windows(is_visible, visible_after))

    def count(self, *, is_visible: bool, visible_after: bool, now: float) -> None:
        """Note a command that altered something."""
        for window in self._windows(is_visible, visible_after):
            window.count(now)

    def is_empty(self, now: float) -> bool:
        """True when nothing waits and no window remembers anything."""
        return self.pending is None and self.empties_at(now) is None

    def empties_at(self, now: float) -> float | None:
        """When no window will remember anything; None if that is so now."""
        windows = (self.visible, self.hidden, self.arrivals)
        ends = [end for window in windows if (end := window.empties_at()) and end > now]
        return max(ends, default=None)

    def _windows(self, is_visible: bool, visible_after: bool) -> list[SlidingWindow]:
        if is_visible:
            return [self.visible]
        return [self.hidden, self.visible] if visible_after else [self.hidden]
