"""An attempt to perform a command: what it would do, when it may, and doing it."""

import math

import attrs

from presence.core.attendance import Attendance
from presence.core.changes import UNSET
from presence.core.choices import Choices
from presence.core.pace import Pace, Waiting
from presence.core.types import Moment, State, Status
from presence.core.union import union
from presence.core.value import value


@value(eq=False)
class Attempt:
    """What *waiting* would do to the parts of its user if it were performed *now*.

    Its answers hold until anything else happens to the user. `is_visible`:
    others see the user before it. `after`: its choices afterwards. `shows`:
    others see it then. `alters`: the attempt makes any difference, beside that
    of the time that passed.
    """

    waiting: Waiting
    now: Moment
    choices: Choices
    attendance: Attendance
    pace: Pace
    is_visible: bool
    after: Choices = attrs.field(init=False)
    shows: bool = attrs.field(init=False)
    alters: bool = attrs.field(init=False)

    @after.default
    def _choose(self) -> Choices:
        return self.choices.after(self.waiting.change, self.now)

    @shows.default
    def _unite(self) -> bool:
        after = self.after
        counted = self.attendance.counted_after(self.waiting.states, self.waiting.returning)
        if self._makes_lease():
            counted.append(State.ONLINE)
        return union(counted, after.intent, is_hiding=after.is_hiding) is not Status.OFFLINE

    @alters.default
    def _compare(self) -> bool:
        return (
            self.after != self.choices.after_time(self.now.mono)
            or self._makes_lease()
            or self.attendance.would_alter(self.waiting.states, self.waiting.returning)
            or self._repeats()
        )

    # -- questions ---------------------------------------------------------------------------

    @property
    def hides(self) -> bool:
        """True if it asks not to be seen, or if others do not see the user afterwards."""
        change = self.waiting.change
        if change.intent is Status.OFFLINE or change.appear_offline is True:
            return True
        if not self.is_visible:  # else time could show the user before it applies
            return State.OFFLINE in self.waiting.states.values()
        return not self.shows

    @property
    def opens_at(self) -> float:
        """From when on it may be performed; what alters nothing, or hides, always may."""
        if not self.alters or self.hides:
            return -math.inf
        return self.pace.opens_at(is_visible=self.is_visible, will_show=self.shows)

    # -- doing it ----------------------------------------------------------------------------

    def perform(self) -> Choices:
        """Do it to the devices, and count it; return the choices as they are afterwards."""
        waiting, change, now = self.waiting, self.waiting.change, self.now
        if self.alters:
            self.pace.count(is_visible=self.is_visible, will_show=self.shows, now=now.mono)
        if waiting.sender is None:
            asked = None if change.lease is UNSET else change.lease
            self.attendance.lease(asked, change.until, now, may_make=self._makes_lease())
        self.attendance.set_states(waiting.states)
        self.attendance.bring_back(waiting.returning)
        return self.after

    # -- details -----------------------------------------------------------------------------

    def _repeats(self) -> bool:
        """Others are told again what they know: that counts like a change [000]."""
        return self.waiting.change.is_forwarded and self.is_visible and self.shows

    def _makes_lease(self) -> bool:
        """A status over REST attaches a user of whom nothing else is attached [002]."""
        names_status = self.waiting.change.intent is not UNSET
        return self.waiting.sender is None and names_status and not self.attendance.devices
