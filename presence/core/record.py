"""The stored form of one user: the public view, and apart from it the true state."""

from collections.abc import Mapping

import attrs

from presence.core.types import DeviceId, PublicView, State, Status, Text
from presence.core.value import value


@value
class Record:
    """One user's row, a value that is never changed in place. Times are Unix times.

    `view` is what others may see and nothing else. `is_announced` is false until
    others were first told of the user: until then the answer about it is that
    of a user who does not exist. `name`, `custom_status` and `activity` are
    the true texts. `attached_in` is the start number of the run in which the
    user had an attached device when this was written, null for a user who is
    gone; `device_states` are the states of those devices, `awaited_states` of
    those that were attached before a restart and have not returned. `lease_ends`
    says until when a lease holds those of `device_states` that have one.
    `forced_hidden` means that the stored intent was lost, so the user is hidden until it sets a
    status. `claims_at` is the `iat` of the token whose membership claim holds,
    `named_at` that of the token whose username does.
    """

    view: PublicView
    name: str
    is_announced: bool = False
    custom_status: Text | None = None
    custom_status_until: float | None = None
    activity: Text | None = None
    intent: Status = Status.ONLINE
    intent_until: float | None = None
    former_intent: Status = Status.ONLINE
    appear_offline: bool = False
    forced_hidden: bool = False
    attached_in: int | None = None
    device_states: Mapping[DeviceId, State] = attrs.field(factory=dict)
    awaited_states: Mapping[DeviceId, State] = attrs.field(factory=dict)
    lease_ends: Mapping[DeviceId, float] = attrs.field(factory=dict)
    claims_at: float = 0.0
    named_at: float = 0.0

    def leased_at(self, now_wall: float) -> dict[DeviceId, State]:
        """The state of each device that a lease still holds at Unix time *now_wall*."""
        return {
            name: self.device_states[name]
            for name, ends_at in self.lease_ends.items()
            if ends_at > now_wall
        }

    def is_shown_by_lease(self, now_wall: float) -> bool:
        """True where others see the user, and a lease keeps it so through a start of the server."""
        leased = self.leased_at(now_wall).values()
        is_visible = self.is_announced and self.view.is_visible
        return is_visible and any(state is not State.OFFLINE for state in leased)

    @property
    def is_hiding(self) -> bool:
        """True where the user's choice keeps others from seeing it."""
        return self.intent is Status.OFFLINE or self.appear_offline or self.forced_hidden
