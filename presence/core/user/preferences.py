"""The preferences of a user: intent, flag and texts. A value."""

from collections.abc import Iterator

import attrs

from presence.core.types import Deadline, Moment, Status, Text
from presence.core.user.patch import UNSET, PresencePatch
from presence.core.user.texts import NO_TEXTS, Texts
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
    texts: Texts = NO_TEXTS

    @property
    def is_hiding(self) -> bool:
        """True where the flag, or a lost intent, hides the user whatever the intent says."""
        return self.appear_offline or self.forced_hidden

    def after(self, change: PresencePatch, now: Moment) -> "Preferences":
        """The choices once *change* is made; equal to these where it alters nothing.

        Parts that ended while the change had to wait are over at once.
        """
        changed = self._after_status(change, now)
        return changed._with_texts(changed.texts.after(change, now)).after_time(now.mono)

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
            texts=self.texts,
        )

    def with_activity(self, activity: Text | None) -> "Preferences":
        """These choices and that activity."""
        return self._with_texts(self.texts.with_activity(activity))

    def after_time(self, now: float) -> "Preferences":
        """The choices once what ended by *now* (monotonic) is over."""
        left = self
        if self.until and self.until.mono <= now:
            left = attrs.evolve(
                left, intent=self.former_intent, until=None, former_intent=Status.ONLINE
            )
        return left._with_texts(left.texts.after_time(now))

    def without_devices(self) -> "Preferences":
        """The preferences after the last device went: the kept texts, and the flag."""
        kept = self.texts.with_activity(None)
        return attrs.evolve(
            self, intent=Status.ONLINE, until=None, former_intent=Status.ONLINE, texts=kept
        )

    def deadlines(self) -> Iterator[float]:
        """Every moment (monotonic) at which time alone changes the choices."""
        if self.until:
            yield self.until.mono
        if self.texts.custom_status_until:
            yield self.texts.custom_status_until.mono

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

    def _with_texts(self, texts: Texts) -> "Preferences":
        if texts is self.texts:
            return self
        return Preferences(  # on the way of every update, where attrs.evolve costs microseconds
            intent=self.intent,
            until=self.until,
            former_intent=self.former_intent,
            appear_offline=self.appear_offline,
            forced_hidden=self.forced_hidden,
            texts=texts,
        )
