"""An attempt to perform a command: what it would do, when it may, and doing it."""

import math

import attrs

from presence.core.status_union import union
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
    others see the user before it. `after`: its choices afterwards. `status_after`:
    the union then; `is_visible_after`: others see the user then. `alters`: the
    attempt makes any difference, beside that of the time that passed.
    """

    pending: PendingChange
    now: Moment
    preferences: Preferences
    devices: Devices
    rate_limit: ChangeRateLimit
    is_visible: bool
    after: Preferences = attrs.field(init=False)
    status_after: Status = attrs.field(init=False)
    is_visible_after: bool = attrs.field(init=False)
    alters: bool = attrs.field(init=False)

    @after.default
    def _choose(self) -> Preferences:
        return self.preferences.after(self.pending.change, self.now)

    @status_after.default
    def _preview_status(self) -> Status:
        after = self.after
        pending = self.pending
        counted = self.devices.counted_after(
            pending.states, pending.returning, pending.device_states
        )
        if self._makes_lease():
            counted.append(self._lease_state)
        return union(counted, after.intent, is_hiding=after.is_hiding)

    @is_visible_after.default
    def _preview_visibility(self) -> bool:
        return self.status_after is not Status.OFFLINE

    @alters.default
    def _compare(self) -> bool:
        return (
            self.after != self.preferences.after_time(self.now.mono)
            or self._makes_lease()
            or self.devices.would_alter(
                self.pending.states, self.pending.returning, self.pending.device_states
            )
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
            pending = self.pending
            return State.OFFLINE in (*pending.states.values(), *pending.device_states.values())
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
            made_in = self._lease_state if self._makes_lease() else None
            self.devices.lease(pending.device, asked, change.until, now, made_in=made_in)
        self.devices.set_states(pending.states)
        self.devices.set_device_states(pending.device_states)  # the newest of these
        self.devices.bring_back(pending.returning)
        return self.after

    # -- details -----------------------------------------------------------------------------

    def _repeats(self) -> bool:
        """Others are told again what they know: that counts like a change."""
        return self.pending.change.is_forwarded and self.is_visible and self.is_visible_after

    def _makes_lease(self) -> bool:
        """Say whether the command attaches its device by a lease.

        A state of a device does, and a status over REST where nothing else of
        the user is attached.
        """
        pending = self.pending
        if pending.sender is not None or self.devices.has_lease(pending.device):
            return False
        if pending.device_states:
            return True
        return pending.change.intent is not UNSET and not self.devices.by_id

    @property
    def _lease_state(self) -> State:
        return self.pending.device_states.get(self.pending.device, State.ONLINE)
