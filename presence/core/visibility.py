"""Visibility: the user's own devices see the true state, others the public view.

The public view follows the truth, and stands still while the user is hidden.
Gone and hidden users must look the same. So the public view freezes at the
moment it becomes offline, whatever the cause, and the only thing that may
change it afterwards is the end of the text that was public, at the time that
was public.

Nobody decides for a user whose actor crashed again and again and is put aside
for a while: what it asks for waits, and it may have asked to hide. So others
see it offline, as if its last device had left, until its actor lives again and
has handled what waited. One that is not visible anyway stays exactly as it is:
its crashes are seen by nobody.
"""

from collections.abc import Sequence

import attrs

from presence.core.events import Effect, Save, ShowSelf
from presence.core.public_changes import PresenceChanged
from presence.core.record import Record
from presence.core.types import PublicView, SelfView, Status, UserId, wall_of
from presence.core.user.preferences import Preferences
from presence.core.user.texts import Texts
from presence.core.value import value
from presence.core.versions import Versions


@value
class ActualState:
    """The true state of a user, as far as others may come to see it."""

    status: Status
    username: str
    texts: Texts


def actual_state_of(name: str, status: Status, preferences: Preferences) -> ActualState:
    """The truth about the user *name* who is *status* and has *preferences*."""
    return ActualState(status, name, preferences.texts)


def self_view_of(user_id: UserId, name: str, status: Status, preferences: Preferences) -> SelfView:
    """The self view, for the user's own devices."""
    texts = preferences.texts
    return SelfView(
        id=user_id,
        username=name,
        status=status,
        intent=preferences.intent,
        until=wall_of(preferences.until),
        appear_offline=preferences.appear_offline,
        custom_status=texts.custom_status,
        custom_status_until=wall_of(texts.custom_status_until),
        activity=texts.activity,
    )


def advance(public: PublicView, actual: ActualState, now_wall: float) -> Sequence[PublicView]:
    """The views that others get one after another, so that *public* follows *actual*.

    Empty where nothing that others see has changed; when a text will end is not
    seen. The versions are those of *public*: the caller numbers what it
    publishes. On becoming visible the first view has no activity, since who was
    gone could bring none; one that was named in the same breath follows as the
    next change.
    """
    if actual.status is Status.OFFLINE:
        return [go_offline(public, now_wall)] if public.is_visible else []
    texts = actual.texts
    alike = PublicView(
        user_id=public.user_id,
        username=actual.username,
        status=actual.status,
        custom_status=texts.custom_status,
        custom_status_until=public.custom_status_until,
        activity=texts.activity,
        version=public.version,
    )
    if alike == public:
        return []
    until = wall_of(texts.custom_status_until)
    is_same = alike.custom_status_until == until
    shown = alike if is_same else attrs.evolve(alike, custom_status_until=until)
    if public.is_visible or texts.activity is None:
        return [shown]
    return [attrs.evolve(shown, activity=None), shown]


def end_text(public: PublicView) -> PublicView:
    """The view without the text whose time is over."""
    return attrs.evolve(public, custom_status=None, custom_status_until=None)


def go_offline(public: PublicView, now_wall: float) -> PublicView:
    """The view as it freezes when its user goes offline at Unix time *now_wall*."""
    return attrs.evolve(public, status=Status.OFFLINE, activity=None, last_seen=now_wall)


# A user that is put aside --------------------------------------------------------------------


def enter_quarantine(
    view: PublicView, record: Record | None, versions: Versions, now_wall: float
) -> list[Effect]:
    """Show the user offline from now on; nothing follows where *view* is offline.

    *view* is what others see, *record* the last that the user's actor saved,
    None where it saved none. As with anybody who goes, the activity is over.
    """
    if not view.is_visible:
        return []
    offline = go_offline(view, now_wall).numbered(versions.next())
    told = PresenceChanged(view, offline)
    if record is None:  # what is stored shows it offline already
        return [told]
    record = attrs.evolve(record, view=offline, activity=None)
    return [told, ShowSelf(_self_view_of(record)), Save(record)]


def end_public_text(view: PublicView, record: Record | None, versions: Versions) -> list[Effect]:
    """The public text comes to its end on time, though the user's actor cannot see to it."""
    if view.is_visible or view.custom_status is None:
        return []
    ended = end_text(view).numbered(versions.next())
    told = PresenceChanged(view, ended)
    return [told] if record is None else [told, Save(attrs.evolve(record, view=ended))]


def _self_view_of(record: Record) -> SelfView:
    """The self view: the user's preferences, and the status that others see."""
    return SelfView(
        id=record.view.user_id,
        username=record.name,
        status=record.view.status,
        intent=record.intent,
        until=record.intent_until,
        appear_offline=record.appear_offline,
        custom_status=record.custom_status,
        custom_status_until=record.custom_status_until,
        activity=record.activity,
    )
