"""An attempt to perform a command: what it would do, when it may, and doing it."""

import math

import attrs

from presence.core.status import union
from presence.core.types import Moment, State, Status
from presence.core.user.change_rate import ChangeRateLimit, PendingChange
from presence.core.user.devices import Devices
from presence.core.user.patch import UNSET
from presence.core.user.preferences import Preferences
from presence.core.value import value


@value(eq=False)
class CommandPreview:
    """The effect that *pending* would have on its user if it were performed *now*.

    Its answers hold until anything else happens to the user. `is_visible`:
    others see the user before it. `after`: its choices afterwards. `is_visible_after`:
    others see it then. `alters`: the attempt makes any difference, beside that
    of the time that passed.
    """

    pending: PendingChange
    now: Moment
    preferences: Preferences
    devices: Devices
    rate_limit: ChangeRateLimit
    is_visible: bool
    after: Preferences = attrs.field(init=False)
    is_visible_after: bool = attrs.field(init=False)
    alters: bool = attrs.field(init=False)

    @after.default
    def _choose(self) -> Preferences:
        return self.preferences.after(self.pending.change, self.now)

    @is_visible_after.default
    def _preview_visibility(self) -> bool:
        after = self.after
        counted = self.devices.counted_after(self.pending.states, self.pending.returning)
        if self._makes_lease():
            counted.append(State.ONLINE)
        return union(counted, after.intent, is_hiding=after.is_hiding) is not Status.OFFLINE

    @alters.default
    def _compare(self) -> bool:
        return (
            self.after != self.preferences.after_time(self.now.mono)
            or self._makes_lease()
            or self.devices.would_alter(self.pending.states, self.pending.returning)
            or self._repeats()
        )

    # -- questions ---------------------------------------------------------------------------

    @property
    def hides(self) -> bool:
        """True if it asks not to be seen, or if others do not see the user afterwards."""
        change = self.pending.change
        if change.intent is Status.OFFLINE or change.appear_offline is True:
            return True
        if not self.is_visible:  # else time could show the user before it applies
            return State.OFFLINE in self.pending.states.values()
        return not self.is_visible_after

    @property
    def opens_at(self) -> float:
        """From when on it may be performed; what alters nothing, or hides, always may."""
        if not self.alters or self.hides:
            return -math.inf
        return self.rate_limit.opens_at(
            is_visible=self.is_visible, visible_after=self.is_visible_after
        )

    # -- doing it ----------------------------------------------------------------------------

    def perform(self) -> Preferences:
        """Do it to the devices, and count it; return the choices as they are afterwards."""
        pending, change, now = self.pending, self.pending.change, self.now
        if self.alters:
            self.rate_limit.count(
                is_visible=self.is_visible, visible_after=self.is_visible_after, now=now.mono
            )
        if pending.sender is None:
            asked = None if change.lease is UNSET else change.lease
            self.devices.lease(asked, change.until, now, may_make=self._makes_lease())
        self.devices.set_states(pending.states)
        self.devices.bring_back(pending.returning)
        return self.after

    # -- details -----------------------------------------------------------------------------

    def _repeats(self) -> bool:
        """Others are told again what they know: that counts like a change."""
        return self.pending.change.is_forwarded and self.is_visible and self.is_visible_after

    def _makes_lease(self) -> bool:
        """A status over REST attaches a user of whom nothing else is attached."""
        names_status = self.pending.change.intent is not UNSET
        return self.pending.sender is None and names_status and not self.devices.by_id
