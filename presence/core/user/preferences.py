"""The preferences of a user: intent, flag and texts. A value."""

from collections.abc import Iterator

import attrs

from presence.core.types import Deadline, Moment, Status, Text
from presence.core.user.patch import UNSET, PresencePatch
from presence.core.value import value


@value
class Preferences:
    """The true wishes of one user; which of them others see is another question.

    `former_intent` comes back when `until` passes. `forced_hidden` means that the
    stored choices were lost: the user is hidden until it sets a status.
    """

    intent: Status = Status.ONLINE
    until: Deadline | None = None
    former_intent: Status = Status.ONLINE
    appear_offline: bool = False
    forced_hidden: bool = False
    custom_status: Text | None = None
    custom_status_until: Deadline | None = None
    activity: Text | None = None

    @property
    def is_hiding(self) -> bool:
        """True where the flag, or a lost intent, hides the user whatever the intent says."""
        return self.appear_offline or self.forced_hidden

    def after(self, change: PresencePatch, now: Moment) -> "Preferences":
        """The choices once *change* is made; equal to these where it alters nothing.

        Parts that ended while the change had to wait are over at once.
        """
        changed = self._after_status(change, now)._after_texts(change, now)
        return changed.after_time(now.mono)

    def with_intent(self, intent: Status, until: Deadline | None = None) -> "Preferences":
        """Choose *intent*; a second one with an end keeps the first former intent."""
        former = self.former_intent if self.until else self.intent
        if until is None:
            former = Status.ONLINE
        return Preferences(
            intent=intent,
            until=until,
            former_intent=former,
            appear_offline=self.appear_offline,
            custom_status=self.custom_status,
            custom_status_until=self.custom_status_until,
            activity=self.activity,
        )

    def with_activity(self, activity: Text | None) -> "Preferences":
        """These choices and that activity."""
        return self if activity == self.activity else attrs.evolve(self, activity=activity)

    def after_time(self, now: float) -> "Preferences":
        """The choices once what ended by *now* (monotonic) is over."""
        left = self
        if self.until and self.until.mono <= now:
            left = attrs.evolve(
                left, intent=self.former_intent, until=None, former_intent=Status.ONLINE
            )
        if self.custom_status_until and self.custom_status_until.mono <= now:
            left = attrs.evolve(left, custom_status=None, custom_status_until=None)
        return left

    def without_devices(self) -> "Preferences":
        """The preferences after the last device went: the kept texts, and the flag."""
        return attrs.evolve(
            self, intent=Status.ONLINE, until=None, former_intent=Status.ONLINE, activity=None
        )

    def deadlines(self) -> Iterator[float]:
        """Every moment (monotonic) at which time alone changes the choices."""
        if self.until:
            yield self.until.mono
        if self.custom_status_until:
            yield self.custom_status_until.mono

    def _after_status(self, change: PresencePatch, now: Moment) -> "Preferences":
        preferences = self
        if change.former_intent is not UNSET:
            preferences = preferences.with_intent(change.former_intent)
        if change.intent is not UNSET:
            preferences = preferences.with_intent(change.intent, Deadline.of(change.until, now))
        if change.ends_dnd and preferences.intent is Status.DND:
            preferences = preferences.with_intent(Status.ONLINE)
        if change.appear_offline is not UNSET:
            preferences = attrs.evolve(preferences, appear_offline=change.appear_offline)
        return preferences

    def _after_texts(self, change: PresencePatch, now: Moment) -> "Preferences":
        if change.has_no_texts:
            return self
        text, until = self.custom_status, self.custom_status_until
        if change.custom_status is not UNSET:
            text, until = change.custom_status, None
        if change.custom_status_until is not UNSET:
            until = Deadline.of(change.custom_status_until, now)
        activity = self.activity if change.activity is UNSET else change.activity
        return Preferences(
            intent=self.intent,
            until=self.until,
            former_intent=self.former_intent,
            appear_offline=self.appear_offline,
            forced_hidden=self.forced_hidden,
            custom_status=text,
            custom_status_until=until if text is not None else None,
            activity=activity,
        )
