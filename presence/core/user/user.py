"""One user's presence: `apply(event, now) -> effects`, or its two halves one after the other.

Rule: all that decides about one user happens here or in what this file calls;
time is a value, and nothing here waits, stores or sends. Only `TimePassed`
lets a deadline be over: what arrives late but before it still finds the user
as it was, so the timer may let sockets be read first after a stall.
"""

import attrs

from presence.core.events import (
    REST_DEVICE,
    Claimed,
    Commanded,
    Connected,
    DeviceRemoved,
    Effect,
    Ended,
    Ending,
    Event,
    Expelled,
    Introduced,
    NotAttached,
    OverRate,
    Pinged,
    Released,
    Save,
    ShowSelf,
    Stalled,
    TimePassed,
    TooManyDevices,
    WakeAt,
)
from presence.core.public_changes import PresenceChanged
from presence.core.record import Record
from presence.core.rule_settings import Rules
from presence.core.status_union import union
from presence.core.types import (
    Deadline,
    DeviceId,
    Moment,
    PublicView,
    SelfView,
    Status,
    Text,
    wall_of,
)
from presence.core.user.change_rate import NOTHING_PENDING, ChangeRateLimit, PendingChange
from presence.core.user.command_preview import CommandPreview
from presence.core.user.devices import Devices
from presence.core.user.patch import UNSET, Unset
from presence.core.user.preferences import Preferences
from presence.core.versions import Versions
from presence.core.visibility import actual_state_of, advance, end_text, self_view_of


@attrs.define(eq=False)
class User:
    """The state of one user; `apply` alone changes it. See `core.restoration` for making one.

    `is_created` is false for one who was only looked at: nothing is stored of
    it. `is_unreadable` means that its stored row makes no sense: it is not
    overwritten before the user sets a status. `told` is the self view that the
    user's connections have. `claims_at` and `named_at`: see the record.
    `is_quarantined`: others see the user offline, and its own devices hear
    nothing, until `Released` comes.
    """

    name: str
    public: PublicView
    rules: Rules
    versions: Versions
    devices: Devices
    rate_limit: ChangeRateLimit
    preferences: Preferences = attrs.field(factory=Preferences)
    public_text_end: Deadline | None = None
    is_created: bool = False
    is_announced: bool = False
    is_unreadable: bool = False
    is_quarantined: bool = False
    claims_at: float = 0.0
    named_at: float = 0.0
    _saved: Record | None = None
    told: SelfView | None = None
    _wake_at: float | None = None

    @property
    def status(self) -> Status:
        """The union, true of this moment; the user's own devices see it."""
        counted = self.devices.counted()
        return union(counted, self.preferences.intent, is_hiding=self.preferences.is_hiding)

    @property
    def self_view(self) -> SelfView:
        """The self view, for the user's own devices."""
        return self_view_of(self.public.user_id, self.name, self.status, self.preferences)

    def lease_until(self, device: DeviceId = REST_DEVICE) -> float | None:
        """Until when (Unix time) the lease of *device* holds; None where there is none.

        No part of the self view: a renewal alone wakes nobody.
        """
        return self.devices.lease_ends.get(device)

    @property
    def record(self) -> Record:
        """The record to store of the user."""
        preferences, devices = self.preferences, self.devices
        texts = preferences.texts
        return Record(
            view=self.public,
            name=self.name,
            is_announced=self.is_announced,
            custom_status=texts.custom_status,
            custom_status_until=wall_of(texts.custom_status_until),
            activity=texts.activity,
            intent=preferences.intent,
            intent_until=wall_of(preferences.until),
            former_intent=preferences.former_intent,
            appear_offline=preferences.appear_offline,
            forced_hidden=preferences.forced_hidden,
            attached_in=devices.attached_in(self.versions.epoch),
            device_states=devices.states,
            awaited_states=devices.awaited_states,
            lease_ends=devices.lease_ends,
            claims_at=self.claims_at,
            named_at=self.named_at,
        )

    def is_forgettable(self, now: float) -> bool:
        """True when a `User` restored from the record would be no different from this one."""
        return self.devices.is_over and self.rate_limit.is_empty(now)

    # -- what happens ------------------------------------------------------------------------

    def apply(self, event: Event, now: Moment) -> list[Effect]:
        """Let *event* happen at *now*; say what follows, in the order in which to do it."""
        return [*self.react(event, now), *self.conclude(now)]

    def react(self, event: Event, now: Moment) -> list[Effect]:
        """The first half of `apply`: what others hear of it, and the answer to who asked.

        `conclude` has to follow before anything else happens to the user; what
        is urgent can be done in between.
        """
        match event:
            case Commanded():
                return self._command(event, now)
            case Connected():
                return self._connect(event, now)
            case Ended():
                self.devices.end(event.connection, self._damped(event.ending, now), now.mono)
            case Pinged():
                self.devices.ping(event.connection, now.mono, may_begin=event.may_begin)
            case TimePassed():
                self._wake_at = None  # the wake that brought it is used up
                return self._pass_time(now)
            case Stalled():
                self._wake_at = None
                self.devices.outlast_stall(now.mono)
            case Claimed():
                self._claim(event)
            case DeviceRemoved(name):
                self.devices.release(name)
            case Introduced():
                return self._introduce(event, now)
            case Released():
                self.is_quarantined = False
            case Expelled():
                self.devices.expel()
        return self._recompute(now)

    def conclude(self, now: Moment) -> list[Effect]:
        """The second half: what the user's own devices, the store and the timer are to know."""
        effects: list[Effect] = []
        view = self.self_view
        if view != self.told and not self.is_quarantined:
            self.told = view
            effects.append(ShowSelf(view))
        if self.is_created and not self.is_unreadable and (record := self.record) != self._saved:
            self._saved = record
            effects.append(Save(record))
        if (wake_at := self.next_wake(now)) != self._wake_at:
            self._wake_at = wake_at
            effects.append(WakeAt(wake_at))
        return effects

    def _connect(self, event: Connected, now: Moment) -> list[Effect]:
        if self.devices.has(event.connection):
            return []
        preferences = self.preferences
        if event.intent is not None and self._heeds(event.intent):
            preferences = preferences.with_intent(event.intent)
        if not self.devices.connect(event):
            return [TooManyDevices(event.connection)]
        self.preferences, self.is_created = preferences, True
        if self.status is not Status.OFFLINE:  # coming in secret delays no end in the open
            self.rate_limit.arrivals.count(now.mono)
        return self._recompute(now)

    def _heeds(self, wish: Status) -> bool:
        """A connect's wish holds for who was gone; over what is kept only if it hides."""
        if self.devices.by_id or self.preferences.forced_hidden:
            return False
        is_kept = self.devices.kept is not None and self.preferences.intent is not Status.ONLINE
        return not is_kept or wish is Status.OFFLINE

    def _damped(self, ending: Ending, now: Moment) -> Ending:
        """Treat a goodbye as a lost connection if the user comes and goes too often."""
        is_flapping = ending is Ending.CLEAN and self.rate_limit.arrivals.is_full(now.mono)
        return Ending.LOST if is_flapping else ending

    def _claim(self, event: Claimed) -> None:
        self.is_created = True
        if event.name is not None and event.issued_at >= self.named_at:
            self.name, self.named_at = event.name, event.issued_at
        if event.has_servers:
            self.claims_at = max(self.claims_at, event.issued_at)

    def _introduce(self, event: Introduced, now: Moment) -> list[Effect]:
        self.is_created = True
        self.name = self.name if event.name is None else event.name
        # A name that a token claimed while the user is hidden stays unseen.
        username = self.public.username if event.name is None else event.name
        if self.is_announced and self.public.username == username:
            return self._recompute(now)
        told = self._publish(attrs.evolve(self.public, username=username))
        return [told, *self._recompute(now)]

    def _pass_time(self, now: Moment) -> list[Effect]:
        ended: list[Effect] = []
        end = self.public_text_end
        if end is not None and end.mono <= now.mono and not self.public.is_visible:
            ended = [self._publish(end_text(self.public))]
        self.preferences = self.preferences.after_time(now.mono)
        self.devices.pass_time(now.mono)
        return [*ended, *self._recompute(now), *self._release(now)]

    # -- commands ----------------------------------------------------------------------------

    def _is_beyond_limit(self, event: Commanded) -> bool:
        sets_device = event.connection is None and event.change.state is not UNSET
        return sets_device and not self.devices.has_room(event.device)

    def would_lose(self, event: Commanded) -> bool:
        """True for an activity over REST that no attached device, nor a lease, would keep."""
        change = event.change
        names_activity = change.activity is not UNSET and change.activity is not None
        makes_lease = change.intent is not UNSET or change.state is not UNSET
        is_kept = bool(self.devices.by_id) or makes_lease
        return event.connection is None and names_activity and not is_kept

    def _command(self, event: Commanded, now: Moment) -> list[Effect]:
        """Perform the command, together with what waits; or let it wait; or refuse it.

        One that alters nothing by itself, a renewal say, is performed at once,
        and what waits goes on waiting. But for the fields that it names: they
        are as the newest word wants them, so what waited for them lapses.
        """
        if self.would_lose(event):
            return [NotAttached()]
        if self._is_beyond_limit(event):
            return [TooManyDevices(None)]
        alone = self._preview(NOTHING_PENDING.with_command(event), now)
        pending = self.rate_limit.pending
        if alone.hides:  # never delayed, and takes back a waiting status
            if pending is not None:
                self._drop_pending(now)
                alone = self._preview(alone.pending, now)
            return self._perform(alone)
        merged = alone
        if pending is not None:
            if not alone.alters:
                self.rate_limit.pending = pending.superseded_by(event)
                return self._perform(alone)
            merged = self._preview(pending.with_command(event), now)
        if merged.opens_at <= now.mono:
            self.rate_limit.pending = None
            return self._perform(merged)
        if not event.may_wait:
            return [OverRate(merged.opens_at - now.mono)]
        self.rate_limit.pending = merged.pending
        return self._recompute(now)

    def _release(self, now: Moment) -> list[Effect]:
        """Perform what waited, if its time has come."""
        if self.rate_limit.pending is None:
            return []
        preview = self._preview(self.rate_limit.pending, now)
        if preview.opens_at > now.mono:
            return []
        self.rate_limit.pending = None
        return self._perform(preview)

    def _perform(self, preview: CommandPreview) -> list[Effect]:
        change = preview.pending.change
        self.preferences = preview.perform()
        self.is_created = True
        if change.intent is not UNSET:
            self.is_unreadable = False
        # To make room for a lease may have cost another device, which the preview counted.
        status = None if preview.pending.device_states else preview.status_after
        effects = self._recompute(preview.now, change.activity, status)
        if change.is_forwarded and self.public.is_visible:
            return self._forwarded(effects)
        return effects

    def _preview(self, pending: PendingChange, now: Moment) -> CommandPreview:
        is_visible = self.public.is_visible
        return CommandPreview(
            pending, now, self.preferences, self.devices, self.rate_limit, is_visible
        )

    def _forwarded(self, effects: list[Effect]) -> list[Effect]:
        """*effects* with the publication that says the status, which may be what it was."""
        for index, effect in enumerate(effects):
            if isinstance(effect, PresenceChanged) and effect.view is self.public:
                effects[index] = attrs.evolve(effect, is_forwarded=True)
                return effects
        return [PresenceChanged(self.public, self.public, is_forwarded=True), *effects]

    def _drop_pending(self, now: Moment) -> None:
        """Waiting status and activity are over; the text is kept for the next visible status."""
        pending, self.rate_limit.pending = self.rate_limit.pending, None
        if pending is not None:
            self.preferences = self.preferences.after(pending.change.only_text(), now)

    # -- what follows ------------------------------------------------------------------------

    def _recompute(
        self, now: Moment, named: Text | Unset | None = UNSET, status: Status | None = None
    ) -> list[Effect]:
        """Bring all that follows from the truth up to date, and say what changed.

        *named* is the activity of the command that is being performed: the
        only one that survives going hidden or becoming visible. *status* is the
        union, where a preview has computed it already.
        """
        if not self.devices.by_id:
            self._drop_pending(now)
            self.preferences = self.preferences.with_activity(None)
        if self.devices.is_over:
            self.preferences = self.preferences.without_devices()
        was_visible = self.public.is_visible
        if self.is_quarantined:
            status = Status.OFFLINE
        elif status is None:
            status = self.status
        is_visible = status is not Status.OFFLINE
        if was_visible != is_visible:
            self._turn(named, now)
        actual = actual_state_of(self.name, status, self.preferences)
        views = advance(self.public, actual, now.wall)
        effects: list[Effect] = [self._publish(view) for view in views]
        if is_visible:
            self._follow_text_end(self.preferences.texts.custom_status_until)
            if not was_visible:
                self.rate_limit.hidden.clear()
        return effects

    def _follow_text_end(self, end: Deadline | None) -> None:
        """When a text ends is not seen, so it changes without a publication."""
        until = wall_of(end)
        if self.public.custom_status_until != until:
            self.public = attrs.evolve(self.public, custom_status_until=until)
        self.public_text_end = end

    def _turn(self, named: Text | Unset | None, now: Moment) -> None:
        """Going hidden or becoming visible: a text that waits becomes true, activities end."""
        pending = self.rate_limit.pending
        if pending is not None:
            self.preferences = self.preferences.after(pending.change.only_text(), now)
            self.rate_limit.pending = pending.without_texts()
        activity = None if named is UNSET else named
        self.preferences = self.preferences.with_activity(activity)

    def _publish(self, view: PublicView) -> PresenceChanged:
        before, is_first = self.public, not self.is_announced
        self.public = view.numbered(self.versions.next())
        self.is_announced = True
        if view.custom_status is None:
            self.public_text_end = None
        return PresenceChanged(before, self.public, is_first)

    def next_wake(self, now: Moment) -> float | None:
        """When time alone changes something next (monotonic), not before *now*; None: never."""
        wakes = [*self.devices.deadlines(), *self.preferences.deadlines()]
        if self.public_text_end:
            wakes.append(self.public_text_end.mono)
        if self.rate_limit.pending is not None:
            wakes.append(max(now.mono, self._preview(self.rate_limit.pending, now).opens_at))
        if (
            self.devices.is_over
            and (empties_at := self.rate_limit.empties_at(now.mono)) is not None
        ):
            wakes.append(empties_at)
        # Never in the past: the timer would take that for a stall of its own.
        return max(now.mono, min(wakes)) if wakes else None
