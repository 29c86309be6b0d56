"""What is stored of one user: the public view, and apart from it the truth."""

from collections.abc import Mapping

import attrs

from presence.core.types import DeviceId, PublicView, State, Status, Text
from presence.core.value import value


@value
class Record:
    """One user's row, a value that is never changed in place. Times are Unix times.

    `view` is what others may see and nothing else. `is_shown` is false until
    others were first told of the user: until then the answer about it is that
    of a user who does not exist. `name`, `custom_status` and `activity` are
    the true texts. `attached_in` is the start number of the run in which the
    user had an attached device when this was written, null for a user who is
    gone; `device_states` are the states of those devices, `awaited_states` of
    those that were attached before a restart and have not returned. `is_sealed`
    means that the stored intent was lost, so the user is hidden until it sets a
    status. `claims_at` is the `iat` of the token whose membership claim holds,
    `named_at` that of the token whose username does.
    """

    view: PublicView
    name: str
    is_shown: bool = False
    custom_status: Text | None = None
    custom_status_until: float | None = None
    activity: Text | None = None
    intent: Status = Status.ONLINE
    intent_until: float | None = None
    former_intent: Status = Status.ONLINE
    appear_offline: bool = False
    is_sealed: bool = False
    attached_in: int | None = None
    device_states: Mapping[DeviceId, State] = attrs.field(factory=dict)
    awaited_states: Mapping[DeviceId, State] = attrs.field(factory=dict)
    claims_at: float = 0.0
    named_at: float = 0.0

    @property
    def is_hiding(self) -> bool:
        """True where the user's choice keeps others from seeing it."""
        return self.intent is Status.OFFLINE or self.appear_offline or self.is_sealed
