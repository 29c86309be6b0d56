"""One user's presence: `apply(event, now) -> effects`, or its two halves one after the other.

Rule: all that decides about one user happens here or in what this file calls;
time is a value, and nothing here waits, stores or sends. Only `TimePassed`
lets a deadline be over: what arrives late but before it still finds the user
as it was, so the timer may let sockets be read first after a stall.
"""

import attrs

from presence.core.attempt import Attempt
from presence.core.attendance import Attendance
from presence.core.changes import UNSET, Unset
from presence.core.choices import Choices
from presence.core.events import (
    REST_DEVICE,
    Claimed,
    Commanded,
    Connected,
    Effect,
    Ended,
    Ending,
    Event,
    Expelled,
    Introduced,
    NotAttached,
    OverRate,
    Pinged,
    Publish,
    Released,
    Save,
    ShowSelf,
    Stalled,
    TimePassed,
    TooManyDevices,
    WakeAt,
)
from presence.core.pace import NOTHING_WAITS, Pace, Waiting
from presence.core.record import Record
from presence.core.rules import Rules
from presence.core.types import Deadline, Moment, PublicView, SelfView, Status, Text, wall_of
from presence.core.union import union
from presence.core.versions import Versions
from presence.core.visibility import advance, end_text, self_view_of, truth_of


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
    attendance: Attendance
    pace: Pace
    choices: Choices = attrs.field(factory=Choices)
    public_text_end: Deadline | None = None
    is_created: bool = False
    is_shown: bool = False
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
        counted = self.attendance.counted()
        return union(counted, self.choices.intent, is_hiding=self.choices.is_hiding)

    @property
    def self_view(self) -> SelfView:
        """What the user's own devices get."""
        return self_view_of(self.public.user_id, self.name, self.status, self.choices)

    @property
    def lease_until(self) -> float | None:
        """Until when (Unix time) the lease of commands over REST holds; None where there is none.

        No part of the self view: a renewal alone wakes nobody.
        """
        return self.attendance.lease_ends.get(REST_DEVICE)

    @property
    def record(self) -> Record:
        """What is to be stored of the user."""
        chosen, attendance = self.choices, self.attendance
        return Record(
            view=self.public,
            name=self.name,
            is_shown=self.is_shown,
            custom_status=chosen.custom_status,
            custom_status_until=wall_of(chosen.custom_status_until),
            activity=chosen.activity,
            intent=chosen.intent,
            intent_until=wall_of(chosen.until),
            former_intent=chosen.former_intent,
            appear_offline=chosen.appear_offline,
            is_sealed=chosen.is_sealed,
            attached_in=attendance.attached_in(self.versions.start_number),
            device_states=attendance.states,
            awaited_states=attendance.awaited_states,
            lease_ends=attendance.lease_ends,
            claims_at=self.claims_at,
            named_at=self.named_at,
        )

    def is_forgettable(self, now: float) -> bool:
        """True when a `User` restored from the record would be no different from this one."""
        return self.attendance.is_over and self.pace.is_empty(now)

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
                self.attendance.end(event.connection, self._damped(event.ending, now), now.mono)
            case Pinged():
                self.attendance.ping(event.connection, now.mono, may_begin=event.may_begin)
            case TimePassed():
                self._wake_at = None  # the wake that brought it is used up
                return self._pass_time(now)
            case Stalled():
                self._wake_at = None
                self.attendance.outlast_stall(now.mono)
            case Claimed():
                self._claim(event)
            case Introduced():
                return self._introduce(event, now)
            case Released():
                self.is_quarantined = False
            case Expelled():
                self.attendance.expel()
        return self._settle(now)

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
        if (wake_at := self._next_wake(now)) != self._wake_at:
            self._wake_at = wake_at
            effects.append(WakeAt(wake_at))
        return effects

    def _connect(self, event: Connected, now: Moment) -> list[Effect]:
        if self.attendance.has(event.connection):
            return []
        chosen = self.choices
        if event.intent is not None and self._heeds(event.intent):
            chosen = chosen.with_intent(event.intent)
        if not self.attendance.connect(event):
            return [TooManyDevices(event.connection)]
        self.choices, self.is_created = chosen, True
        if self.status is not Status.OFFLINE:  # coming in secret delays no end in the open
            self.pace.arrivals.count(now.mono)
        return self._settle(now)

    def _heeds(self, wish: Status) -> bool:
        """A connect's wish holds for who was gone; over what is kept only if it hides [ours]."""
        if self.attendance.devices or self.choices.is_sealed:
            return False
        is_kept = self.attendance.kept is not None and self.choices.intent is not Status.ONLINE
        return not is_kept or wish is Status.OFFLINE

    def _damped(self, ending: Ending, now: Moment) -> Ending:
        """Who comes and goes too often is treated as one whose connection is bad [ours]."""
        is_flapping = ending is Ending.CLEAN and self.pace.arrivals.is_full(now.mono)
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
        # What a token claimed while the user is hidden stays unseen.
        username = self.public.username if event.name is None else event.name
        if self.is_shown and self.public.username == username:
            return self._settle(now)
        told = self._publish(attrs.evolve(self.public, username=username))
        return [told, *self._settle(now)]

    def _pass_time(self, now: Moment) -> list[Effect]:
        ended: list[Effect] = []
        end = self.public_text_end
        if end is not None and end.mono <= now.mono and not self.public.is_visible:
            ended = [self._publish(end_text(self.public))]
        self.choices = self.choices.after_time(now.mono)
        self.attendance.pass_time(now.mono)
        return [*ended, *self._settle(now), *self._release(now)]

    # -- commands ----------------------------------------------------------------------------

    def would_lose(self, event: Commanded) -> bool:
        """True for an activity over REST that no attached device, nor a lease, would keep."""
        change = event.change
        names_activity = change.activity is not UNSET and change.activity is not None
        is_kept = bool(self.attendance.devices) or change.intent is not UNSET
        return event.connection is None and names_activity and not is_kept

    def _command(self, event: Commanded, now: Moment) -> list[Effect]:
        """Perform the command, together with what waits; or let it wait; or refuse it.

        One that alters nothing by itself, a renewal say, is performed at once,
        and what waits goes on waiting. But for the fields that it names: they
        are as the newest word wants them, so what waited for them lapses.
        """
        if self.would_lose(event):
            return [NotAttached()]
        alone = self._attempt(NOTHING_WAITS.with_command(event.change, event.connection), now)
        waiting = self.pace.waiting
        if alone.hides:  # never delayed, and takes back a waiting status
            if waiting is not None:
                self._let_waiting_lapse(now)
                alone = self._attempt(alone.waiting, now)
            return self._perform(alone)
        merged = alone
        if waiting is not None:
            if not alone.alters:
                self.pace.waiting = waiting.superseded_by(event.change, event.connection)
                return self._perform(alone)
            merged = self._attempt(waiting.with_command(event.change, event.connection), now)
        if merged.opens_at <= now.mono:
            self.pace.waiting = None
            return self._perform(merged)
        if not event.may_wait:
            return [OverRate(merged.opens_at - now.mono)]
        self.pace.waiting = merged.waiting
        return self._settle(now)

    def _release(self, now: Moment) -> list[Effect]:
        """Perform what waited, if its time has come."""
        if self.pace.waiting is None:
            return []
        attempt = self._attempt(self.pace.waiting, now)
        if attempt.opens_at > now.mono:
            return []
        self.pace.waiting = None
        return self._perform(attempt)

    def _perform(self, attempt: Attempt) -> list[Effect]:
        change = attempt.waiting.change
        self.choices = attempt.perform()
        self.is_created = True
        if change.intent is not UNSET:
            self.is_unreadable = False
        effects = self._settle(attempt.now, named=change.activity)
        if change.is_forwarded and self.public.is_visible:
            return self._forwarded(effects)
        return effects

    def _attempt(self, waiting: Waiting, now: Moment) -> Attempt:
        is_visible = self.public.is_visible
        return Attempt(waiting, now, self.choices, self.attendance, self.pace, is_visible)

    def _forwarded(self, effects: list[Effect]) -> list[Effect]:
        """*effects* with the publication that says the status, which may be what it was [000]."""
        for index, effect in enumerate(effects):
            if isinstance(effect, Publish) and effect.view is self.public:
                effects[index] = attrs.evolve(effect, is_forwarded=True)
                return effects
        return [Publish(self.public, self.public, is_forwarded=True), *effects]

    def _let_waiting_lapse(self, now: Moment) -> None:
        """Waiting status and activity are over; the text is kept for the next visible status."""
        waiting, self.pace.waiting = self.pace.waiting, None
        if waiting is not None:
            self.choices = self.choices.after(waiting.change.only_text(), now)

    # -- what follows ------------------------------------------------------------------------

    def _settle(self, now: Moment, named: Text | Unset | None = UNSET) -> list[Effect]:
        """Bring all that follows from the truth up to date, and say what changed.

        *named* is the activity of the command that is being performed: the
        only one that survives going hidden or becoming visible.
        """
        if not self.attendance.devices:
            self._let_waiting_lapse(now)
            self.choices = self.choices.with_activity(None)
        if self.attendance.is_over:
            self.choices = self.choices.without_devices()
        was_visible = self.public.is_visible
        status = Status.OFFLINE if self.is_quarantined else self.status
        if was_visible != (status is not Status.OFFLINE):
            self._turn(named, now)
        truth = truth_of(self.name, status, self.choices)
        views = advance(self.public, truth, now.wall)
        effects: list[Effect] = [self._publish(view) for view in views]
        if self.public.is_visible:
            self._follow_text_end(truth.custom_status_until)
        if self.public.is_visible and not was_visible:
            self.pace.hidden.clear()
        return effects

    def _follow_text_end(self, until: float | None) -> None:
        """When a text ends is not seen, so it changes without a publication."""
        if self.public.custom_status_until != until:
            self.public = attrs.evolve(self.public, custom_status_until=until)
        self.public_text_end = self.choices.custom_status_until

    def _turn(self, named: Text | Unset | None, now: Moment) -> None:
        """Going hidden or becoming visible: a text that waits becomes true, activities end."""
        waiting = self.pace.waiting
        if waiting is not None:
            self.choices = self.choices.after(waiting.change.only_text(), now)
            self.pace.waiting = waiting.without_texts()
        activity = None if named is UNSET else named
        self.choices = self.choices.with_activity(activity)

    def _publish(self, view: PublicView) -> Publish:
        before, is_first = self.public, not self.is_shown
        self.public = view.numbered(self.versions.next())
        self.is_shown = True
        if view.custom_status is None:
            self.public_text_end = None
        return Publish(before, self.public, is_first)

    def _next_wake(self, now: Moment) -> float | None:
        wakes = [*self.attendance.deadlines(), *self.choices.deadlines()]
        if self.public_text_end:
            wakes.append(self.public_text_end.mono)
        if self.pace.waiting is not None:
            wakes.append(max(now.mono, self._attempt(self.pace.waiting, now).opens_at))
        if self.attendance.is_over and (empties_at := self.pace.empties_at(now.mono)) is not None:
            wakes.append(empties_at)
        # Never in the past: the timer would take that for a stall of its own.
        return max(now.mono, min(wakes)) if wakes else None
