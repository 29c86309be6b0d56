"""The fields of a command: each set, cleared (None) or left as it is (UNSET)."""

import enum
from typing import Final, TypeVar

import attrs

from presence.core.types import State, Status, Text
from presence.core.value import value

T = TypeVar("T")


class Unset(enum.Enum):
    """The type of UNSET: a field that the command does not name."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


@value
class PresencePatch:
    """One command about the sender's own presence, the same for every dialect.

    `intent` is the user's choice by hand and `until` (Unix time) its end;
    `state` is that of the sending connection or device. `custom_status_until`
    (Unix time) without a `custom_status` moves the end of the present text.
    `former_intent` comes of merging: the one without an end that was chosen
    before `intent`, and that comes back at `until`. `is_forwarded`: others are
    to be told of the status even where it stays the same, if their dialect
    repeats itself. `lease`: for how many seconds a lease is to hold from
    now on; it is no wish that waits. `ends_dnd`: the intent dnd becomes online,
    and any other stays: the word of a device that knows no other choices.
    """

    intent: Status | Unset = UNSET
    until: float | None = None
    state: State | Unset = UNSET
    custom_status: Text | Unset | None = UNSET
    custom_status_until: float | Unset | None = UNSET
    activity: Text | Unset | None = UNSET
    appear_offline: bool | Unset = UNSET
    former_intent: Status | Unset = UNSET
    is_forwarded: bool = False
    lease: float | Unset = UNSET
    ends_dnd: bool = False

    @property
    def has_no_texts(self) -> bool:
        """True where it leaves custom status, its end and activity as they are."""
        return (
            self.custom_status is UNSET
            and self.custom_status_until is UNSET
            and self.activity is UNSET
        )

    def merged_with(self, newer: "PresencePatch") -> "PresencePatch":
        """The one change that does what this one and then *newer* would do."""
        if self is EMPTY_PATCH:
            return newer
        return PresencePatch(
            intent=_newest(self.intent, newer.intent),
            until=self.until if newer.intent is UNSET else newer.until,
            state=_newest(self.state, newer.state),
            custom_status=_newest(self.custom_status, newer.custom_status),
            custom_status_until=self._text_end(newer),
            activity=_newest(self.activity, newer.activity),
            appear_offline=_newest(self.appear_offline, newer.appear_offline),
            former_intent=self._former(newer),
            is_forwarded=self.is_forwarded or newer.is_forwarded,
            lease=_newest(self.lease, newer.lease),
            ends_dnd=newer.ends_dnd or (self.ends_dnd and newer.intent is UNSET),
        )

    def superseded_by(self, newer: "PresencePatch") -> "PresencePatch":
        """The part of this that remains after the later *newer* was performed.

        The newest word on each field holds. The end of a custom status alone
        is that of the text that this one sets, where it sets one.
        """
        if newer is EMPTY_PATCH:
            return self
        left = self
        if newer.intent is not UNSET:
            left = attrs.evolve(
                left,
                intent=UNSET,
                until=None,
                former_intent=UNSET,
                is_forwarded=False,
                ends_dnd=False,
            )
        if newer.custom_status is not UNSET:
            left = attrs.evolve(left, custom_status=UNSET, custom_status_until=UNSET)
        elif newer.custom_status_until is not UNSET:
            sets_text = left.custom_status is not UNSET
            text_end = newer.custom_status_until if sets_text else UNSET
            left = attrs.evolve(left, custom_status_until=text_end)
        return attrs.evolve(
            left,
            state=left.state if newer.state is UNSET else UNSET,
            activity=left.activity if newer.activity is UNSET else UNSET,
            appear_offline=left.appear_offline if newer.appear_offline is UNSET else UNSET,
        )

    def only_text(self) -> "PresencePatch":
        """The part that outlives its sender: the custom status and its end."""
        return PresencePatch(
            custom_status=self.custom_status, custom_status_until=self.custom_status_until
        )

    def _former(self, newer: "PresencePatch") -> Status | Unset:
        if newer.intent is UNSET:
            return self.former_intent
        if newer.until is None or newer.former_intent is not UNSET:
            return newer.former_intent
        return self.intent if self.until is None else self.former_intent

    def _text_end(self, newer: "PresencePatch") -> float | Unset | None:
        if newer.custom_status is not UNSET or newer.custom_status_until is not UNSET:
            return newer.custom_status_until
        return self.custom_status_until


def _newest(older: T | Unset, newer: T | Unset) -> T | Unset:
    return older if newer is UNSET else newer


EMPTY_PATCH: Final = PresencePatch()
