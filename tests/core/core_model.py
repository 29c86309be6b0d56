"""One user as the page of the model describes it, in the most naive way.

Written from the words of the page: nothing is cached, merged or indexed. Every
question is answered by looking at everything, and what would be after a command
is found by trying it on a copy. Times are those of the monotonic clock.
"""

import copy

import attrs

from presence.core.events import REST_DEVICE
from presence.core.types import State, Status
from presence.core.user.patch import UNSET, PresencePatch

ONLINE, OFF = Status.ONLINE, Status.OFFLINE
FOREVER = float("inf")
REST = REST_DEVICE


@attrs.define
class MembershipEntry:
    """One reason why a device is attached: open, grace, poll or lease."""

    device: str
    kind: str
    state: State
    connection: int | None = None
    length: float = FOREVER
    ends_at: float = FOREVER


@attrs.frozen
class Said:
    """A command, over a connection or (None) over REST; ends are monotonic times."""

    connection: int | None
    change: PresencePatch
    device: str = REST
    is_sign_of_life: bool = attrs.field()

    @is_sign_of_life.default
    def _look_at_the_intent(self) -> bool:
        return self.change.intent not in (UNSET, OFF)

    def without(self, *names: str) -> "Said":
        unset = dict.fromkeys(names, UNSET)
        if "intent" in names:
            unset["until"] = None
        return attrs.evolve(self, change=attrs.evolve(self.change, **unset))


@attrs.frozen
class Seen:
    """The public view without its version."""

    status: Status
    username: str
    text: str | None
    activity: str | None
    last_seen: float | None


@attrs.define
class NaiveUser:
    """The truth about one user, what others see, and all that they were told."""

    now: float
    view: Seen
    forced_hidden: bool = False
    is_announced: bool = False
    name: str = "alice"
    named_at: float = 0.0
    entries: list[MembershipEntry] = attrs.field(factory=list)
    swept_at: dict[str, float] = attrs.field(factory=dict)
    swept: set[str] = attrs.field(factory=set)
    awaited: dict[str, State] | None = None
    awaited_until: float = FOREVER
    restart_grace_ends_at: float = FOREVER
    intent: Status = ONLINE
    until: float | None = None
    former: Status = ONLINE
    flag: bool = False
    text: str | None = None
    text_until: float | None = None
    activity: str | None = None
    public_text_until: float | None = None
    pending: list[Said] = attrs.field(factory=list)
    visible_changes: list[float] = attrs.field(factory=list)
    hidden_changes: list[float] = attrs.field(factory=list)
    arrivals: list[float] = attrs.field(factory=list)
    told: list[tuple[float, Seen]] = attrs.field(factory=list)

    # -- section 2 ---------------------------------------------------------------------------

    def state_of(self, device: str) -> State:
        return max((entry.state for entry in self.entries if entry.device == device), key=strength)

    @property
    def status(self) -> Status:
        if self.flag or self.forced_hidden or self.intent is OFF:
            return OFF
        devices = {entry.device for entry in self.entries} - self.swept
        states = [self.state_of(device) for device in devices]
        counted = [state for state in states if state is not State.OFFLINE]
        if not counted:
            return OFF
        if self.intent is not ONLINE:
            return self.intent
        return ONLINE if State.ONLINE in counted else Status.AWAY

    @property
    def is_visible(self) -> bool:
        return self.view.status is not OFF

    # -- devices -----------------------------------------------------------------------------

    def connect(self, connection: int, device: str, state: State | None, intent: Status | None):
        if intent is not None and not self.entries and not self.forced_hidden:
            keeps = self.awaited is not None and self.intent is not ONLINE
            if not keeps or intent is OFF:
                self.intent, self.until, self.former = intent, None, ONLINE
        state = self.first_state(device, state)
        self.entries = [
            entry
            for entry in self.entries
            if not (entry.device == device and entry.kind == "grace")
        ]
        for entry in self.entries:
            if entry.device == device and entry.kind == "poll":
                entry.state = state
        self.bring_back(device)
        self.entries.append(MembershipEntry(device, "open", state, connection))
        if self.status is not OFF:
            self.arrivals.append(self.now)
        self.settle()

    def first_state(self, device: str, wish: State | None) -> State:
        if self.awaited is not None and device in self.awaited:
            kept = self.awaited.pop(device)
            return kept if wish is None else min(kept, wish, key=strength)
        if wish is not None:
            return wish
        return self.state_of(device) if self.is_attached(device) else State.ONLINE

    def is_attached(self, device: str) -> bool:
        return any(entry.device == device for entry in self.entries)

    def end(self, connection: int, ending: str) -> None:
        for entry in [entry for entry in self.entries if entry.connection == connection]:
            self.entries.remove(entry)
            recent = [time for time in self.arrivals if time > self.now - 20]
            if ending == "clean" and len(recent) >= 5:
                ending = "lost"
            if ending == "lost":
                self.hold(entry.device, "grace", entry.state, 10.0)
            elif ending == "poll":
                self.hold(entry.device, "poll", entry.state, 30.0)
            self.forget_detached()
        self.settle()

    def hold(self, device: str, kind: str, state: State, length: float) -> None:
        self.entries.append(MembershipEntry(device, kind, state, None, length, self.now + length))

    def forget_detached(self) -> None:
        attached = {entry.device for entry in self.entries}
        self.swept &= attached
        self.swept_at = {key: at for key, at in self.swept_at.items() if key in attached}
        if not self.entries and not self.awaited:
            self.awaited = None

    def ping(self, connection: int) -> None:
        for entry in self.entries:
            if entry.connection == connection:
                sweep = 0.0
                while sweep < self.now + 300.0:
                    sweep += 120.0
                self.swept_at[entry.device] = sweep
                self.swept.discard(entry.device)
        self.settle()

    def bring_back(self, device: str) -> None:
        if device in self.swept:
            self.swept.discard(device)
            self.swept_at.pop(device, None)

    def expel(self) -> None:
        self.entries, self.awaited = [], None
        self.forget_detached()
        self.settle()

    # -- names -------------------------------------------------------------------------------

    def claim(self, name: str, issued_at: float) -> None:
        if issued_at >= self.named_at:
            self.name, self.named_at = name, issued_at
        self.settle()

    def introduce(self, name: str | None) -> None:
        self.name = self.name if name is None else name
        username = self.view.username if name is None else name
        if not self.is_announced or self.view.username != username:
            self.tell(attrs.evolve(self.view, username=username))
        self.settle()

    # -- commands ----------------------------------------------------------------------------

    def remove(self, device: str) -> None:
        self.entries = [
            entry for entry in self.entries if entry.device != device or entry.kind == "open"
        ]
        self.forget_detached()
        self.settle()

    def command(self, said: Said, may_wait: bool) -> bool:
        """False where the command is over the rate and may not wait, or has no device."""
        if self.has_no_device_for(said):
            return False
        if self.hides([said]):
            self.let_waiting_lapse()
            self.perform([said])
            return True
        if not self.alters([said]):
            self.supersede(said)
            self.perform([said])
            return True
        together = [*self.pending, said]
        if self.may_apply(together):
            self.pending = []
            self.perform(together)
        elif may_wait:
            self.pending = together
            self.settle()
        else:
            return False
        return True

    def has_no_device_for(self, said: Said) -> bool:
        is_text = said.change.activity not in (UNSET, None)
        makes_lease = said.change.intent is not UNSET or said.change.state is not UNSET
        is_alone = said.connection is None and not makes_lease and not self.entries
        return is_text and is_alone

    def supersede(self, newest: Said) -> None:
        """Drop pending fields that the newest command names."""
        change = newest.change
        names = [
            name
            for name in ("intent", "custom_status", "activity", "appear_offline")
            if getattr(change, name) is not UNSET
        ]
        sets_text = any(said.change.custom_status is not UNSET for said in self.pending)
        if change.custom_status is not UNSET or change.custom_status_until is not UNSET:
            names.append("custom_status_until")
        pending = [said.without(*names) for said in self.pending]
        if change.state is not UNSET:
            pending = [
                said.without("state") if said.connection == newest.connection else said
                for said in pending
            ]
        if change.custom_status is UNSET and change.custom_status_until is not UNSET and sets_text:
            end = PresencePatch(custom_status_until=change.custom_status_until)
            pending.append(Said(self.pending[-1].connection, end))
        self.pending = [
            said for said in pending if said.change != PresencePatch() or said.is_sign_of_life
        ]

    def hides(self, commands: list[Said]) -> bool:
        changes = [said.change for said in commands]
        if any(each.intent is OFF or each.appear_offline is True for each in changes):
            return True
        if not self.is_visible:
            states = {
                said.connection: said.change.state
                for said in commands
                if said.change.state is not UNSET
            }
            return State.OFFLINE in states.values()
        return self.after(commands).status is OFF

    def may_apply(self, commands: list[Said]) -> bool:
        if not self.alters(commands) or self.hides(commands):
            return True
        return all(
            len([time for time in budget if time > self.now - 20]) < 5
            for budget in self.budgets(commands)
        )

    def alters(self, commands: list[Said]) -> bool:
        return self.after(commands).essence() != self.after([]).essence()

    def budgets(self, commands: list[Said]) -> list[list[float]]:
        if self.is_visible:
            return [self.visible_changes]
        if self.after(commands).status is OFF:
            return [self.hidden_changes]
        return [self.hidden_changes, self.visible_changes]

    def after(self, commands: list[Said]) -> "NaiveUser":
        tried = copy.copy(self)
        tried.entries = [copy.copy(entry) for entry in self.entries]
        tried.swept, tried.swept_at = set(self.swept), dict(self.swept_at)
        tried.apply(commands)
        return tried

    def essence(self) -> tuple:
        """The state that a command must alter in order to be counted, without the ends of holds."""
        entries = [
            (entry.device, entry.kind, entry.connection, entry.state) for entry in self.entries
        ]
        preferences = (self.intent, self.until, self.former, self.flag, self.forced_hidden)
        texts = (self.text, self.text_until, self.activity)
        return entries, self.swept, preferences, texts

    def perform(self, commands: list[Said]) -> None:
        if self.alters(commands):
            for budget in self.budgets(commands):
                budget.append(self.now)
        self.apply(commands)
        named = [said.change.activity for said in commands if said.change.activity is not UNSET]
        self.settle(named=named[-1] if named else None)

    def apply(self, commands: list[Said]) -> None:
        for said in commands:
            if said.connection is None:
                self.apply_lease(said.change, said.device)
            self.apply_status(said)
            self.apply_texts(said.change)
        self.pass_choices()

    def apply_lease(self, change: PresencePatch, device: str) -> None:
        asked = 300.0 if change.lease is UNSET else change.lease
        length = asked if change.until is None else max(asked, change.until - self.now)
        length = min(length, 4 * 3600.0)
        leases = [entry for entry in self.entries if entry.device == device]
        if not any(entry.kind == "lease" for entry in leases):
            if change.state is not UNSET:
                self.hold(device, "lease", change.state, length)
            elif change.intent is not UNSET and not self.entries:
                self.hold(device, "lease", State.ONLINE, length)
        for entry in self.entries:
            if entry.device == device and change.state is not UNSET:
                entry.state = change.state
                self.bring_back(device)
            if entry.device == device and entry.kind == "lease":
                is_shorter = entry.ends_at > self.now + length
                if not is_shorter or change.lease is not UNSET:
                    entry.ends_at, entry.length = self.now + length, length

    def apply_status(self, said: Said) -> None:
        change = said.change
        if change.appear_offline is not UNSET:
            self.flag = change.appear_offline
        for entry in self.entries:
            if said.connection is not None and entry.connection == said.connection:
                if change.state is not UNSET:
                    entry.state = change.state
                if said.is_sign_of_life:
                    self.bring_back(entry.device)
        if change.intent is not UNSET:
            if change.until is None:
                self.former = ONLINE
            elif self.until is None:
                self.former = self.intent
            self.intent, self.until, self.forced_hidden = change.intent, change.until, False

    def apply_texts(self, change: PresencePatch) -> None:
        if change.custom_status is not UNSET:
            self.text, self.text_until = change.custom_status, None
        if change.custom_status_until is not UNSET and self.text is not None:
            self.text_until = change.custom_status_until
        if change.activity is not UNSET:
            self.activity = change.activity

    def let_waiting_lapse(self) -> None:
        for said in self.pending:
            activity = self.activity
            self.apply_texts(said.change)
            self.activity = activity
            self.pass_choices()
        self.pending = []

    # -- what others see: section 3 ----------------------------------------------------------

    def settle(self, named: str | None = None) -> None:
        if not self.entries:
            self.let_waiting_lapse()
            self.activity = None
            if self.awaited is None:
                self.intent, self.until, self.former = ONLINE, None, ONLINE
        was_visible, is_visible = self.is_visible, self.status is not OFF
        if was_visible != is_visible:
            self.turn(named if self.entries else None)
        if is_visible:
            now = Seen(self.status, self.name, self.text, self.activity, None)
            if not was_visible and now.activity is not None:
                self.tell(attrs.evolve(now, activity=None))
            self.tell(now)
            self.public_text_until = self.text_until
        elif was_visible:
            self.tell(attrs.evolve(self.view, status=OFF, activity=None, last_seen=self.now))
        if is_visible and not was_visible:
            self.hidden_changes = []

    def turn(self, named: str | None) -> None:
        statuses = [
            attrs.evolve(
                said,
                change=attrs.evolve(
                    said.change, custom_status=UNSET, custom_status_until=UNSET, activity=UNSET
                ),
            )
            for said in self.pending
        ]
        self.let_waiting_lapse()
        self.pending, self.activity = statuses, named

    def tell(self, view: Seen) -> None:
        if view != self.view or not self.is_announced:
            self.told.append((self.now, view))
        self.view, self.is_announced = view, True

    # -- time --------------------------------------------------------------------------------

    def advance(self, to: float) -> None:
        """Meet every deadline up to *to*, each at its moment."""
        while (due := self.next_deadline()) <= to:
            self.now = max(self.now, due)
            self.pass_time()
        self.now = to

    def next_deadline(self) -> float:
        times = [entry.ends_at for entry in self.entries]
        times += [at for device, at in self.swept_at.items() if device not in self.swept]
        times += [at for at in (self.until, self.text_until) if at is not None]
        if self.public_text_until is not None and not self.is_visible:
            times.append(self.public_text_until)
        if self.awaited is not None:
            times.append(self.awaited_until)
        if self.pending:
            times.append(self.opens_at())
        return min(times, default=FOREVER)

    def opens_at(self) -> float:
        if self.may_apply(self.pending):
            return self.now
        tried = copy.copy(self)
        for tried.now in sorted(
            time + 20 for time in self.visible_changes + self.hidden_changes if time + 20 > self.now
        ):
            if tried.may_apply(self.pending):
                break
        return tried.now

    def pass_time(self) -> None:
        ended, now = self.public_text_until, self.now
        if ended is not None and ended <= now and not self.is_visible:
            self.public_text_until = None
            self.tell(attrs.evolve(self.view, text=None))
        self.pass_choices()
        self.entries = [entry for entry in self.entries if entry.ends_at > now]
        for device, at in self.swept_at.items():
            if at <= now:
                self.swept.add(device)
        if self.awaited is not None and self.awaited_until <= now:
            self.awaited = None
        self.forget_detached()
        self.settle()
        if self.pending and self.may_apply(self.pending):
            pending, self.pending = self.pending, []
            self.perform(pending)

    def pass_choices(self) -> None:
        if self.until is not None and self.until <= self.now:
            self.intent, self.until, self.former = self.former, None, ONLINE
        if self.text_until is not None and self.text_until <= self.now:
            self.text = self.text_until = None
        if self.text is None:
            self.text_until = None

    def outlast_stall(self) -> None:
        """Deadlines of liveness that came due get their length, at most 45 s, once more."""
        for entry in self.entries:
            if entry.ends_at <= self.now:
                entry.ends_at = self.now + min(entry.length, 45.0)
        for device, at in self.swept_at.items():
            if at <= self.now and device not in self.swept:
                self.swept_at[device] = self.now + 45.0
        if self.awaited is not None and self.awaited_until <= self.now:
            self.awaited_until = self.now + 45.0

    # -- failures ----------------------------------------------------------------------------

    def crash(self) -> None:
        """The actor's own memory is gone: the rate, and what waited.

        What is known of devices outlives it.
        """
        swept, swept_at = self.swept, self.swept_at
        self.forget_memory()
        self.swept, self.swept_at = swept, swept_at
        if self.awaited is not None:
            is_over = self.restart_grace_ends_at <= self.now
            self.awaited = None if is_over else self.awaited
            self.awaited_until = self.restart_grace_ends_at
        self.pass_time()

    def shorten_leases(self) -> None:
        """All that is known of a lease is its end."""
        for entry in self.entries:
            if entry.kind == "lease":
                entry.length = entry.ends_at - self.now

    def forget_memory(self) -> None:
        self.pending, self.swept, self.swept_at = [], set(), {}
        self.visible_changes, self.hidden_changes, self.arrivals = [], [], []

    def restart(self, after: float) -> None:
        """The server died, and starts again *after* seconds later."""
        leases = [
            entry
            for entry in self.entries
            if entry.kind == "lease" and entry.ends_at > self.now + after
        ]
        leased = {entry.device for entry in leases}
        states = {entry.device: self.state_of(entry.device) for entry in self.entries}
        awaited = (self.awaited or {}) | states
        awaited = {device: state for device, state in awaited.items() if device not in leased}
        is_kept = bool(self.entries) or self.awaited is not None
        if leases and not awaited:
            is_kept = False
        if self.is_visible and all(states[device] is State.OFFLINE for device in leased):
            self.view = attrs.evolve(self.view, status=OFF, activity=None, last_seen=self.now)
        self.now += after
        if self.public_text_until is not None and self.public_text_until <= self.now:
            self.public_text_until = None
            self.view = attrs.evolve(self.view, text=None)
        self.entries, self.activity = leases, self.activity if leases else None
        self.shorten_leases()
        self.forget_memory()
        if not is_kept:
            self.awaited = None
        else:
            self.awaited, self.awaited_until = awaited, self.now + 60.0
            self.restart_grace_ends_at = self.awaited_until
        self.pass_time()


def strength(state: State) -> int:
    return [State.OFFLINE, State.IDLE, State.ONLINE].index(state)
