"""The texts of a user: the custom status, when it ends, and the activity. A value.

Views, records and messages name the three one by one, as their rows and objects do; the rules
about them are here.
"""

import attrs

from presence.core.types import Deadline, Moment, Text
from presence.core.user.patch import UNSET, PresencePatch
from presence.core.value import value


@value
class Texts:
    """The true texts; which of them others see is another question.

    A custom status that was cleared has no end.
    """

    custom_status: Text | None = None
    custom_status_until: Deadline | None = None
    activity: Text | None = None

    def after(self, change: PresencePatch, now: Moment) -> "Texts":
        """The texts once *change* is made, whether or not an end in it has passed."""
        if change.has_no_texts:
            return self
        text, until = self.custom_status, self.custom_status_until
        if change.custom_status is not UNSET:
            text, until = change.custom_status, None
        if change.custom_status_until is not UNSET:
            until = Deadline.of(change.custom_status_until, now)
        activity = self.activity if change.activity is UNSET else change.activity
        return Texts(text, until if text is not None else None, activity)

    def after_time(self, now: float) -> "Texts":
        """The texts once a custom status that ended by *now* (monotonic) is over."""
        if self.custom_status_until is None or self.custom_status_until.mono > now:
            return self
        return Texts(activity=self.activity)

    def with_activity(self, activity: Text | None) -> "Texts":
        """These texts and that activity."""
        return self if activity == self.activity else attrs.evolve(self, activity=activity)


NO_TEXTS = Texts()
