"""Random lives of one user, checked step by step against a naive model of the page."""

import attrs
from core_life import ALICE, START, WALL, Life, later, run_of
from core_model import NaiveUser, Said, Seen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from presence.core.events import (
    REST_DEVICE,
    Claimed,
    Commanded,
    Connected,
    Ended,
    Ending,
    Expelled,
    Introduced,
    NotAttached,
    OverRate,
    Pinged,
    Save,
    ShowSelf,
)
from presence.core.public_changes import PresenceChanged
from presence.core.restore import new_user
from presence.core.types import ConnectionId, DeviceId, State, Status, Text
from presence.core.user.patch import UNSET, PresencePatch

DEVICES = st.sampled_from(["phone", "laptop", "tablet"])
STATES = st.none() | st.sampled_from(State)
INTENTS = st.none() | st.sampled_from(Status)
PICKS = st.integers(0, 5)
PAUSES = st.sampled_from([0.0, 1.0, 3.0, 7.0, 10.0, 19.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0])
ENDS = st.none() | st.sampled_from([1.0, 10.0, 25.0, 60.0, 400.0])
TEXTS = st.none() | st.sampled_from([Text("a"), Text("b"), Text("c")])
UNNAMED = st.just(UNSET)

CHANGES = st.builds(
    PresencePatch,
    intent=UNNAMED | st.sampled_from(Status),
    until=ENDS,
    state=UNNAMED | st.sampled_from(State),
    custom_status=UNNAMED | TEXTS,
    custom_status_until=UNNAMED | ENDS,
    activity=UNNAMED | TEXTS,
    appear_offline=UNNAMED | UNNAMED | st.booleans(),
)


class UserMachine(RuleBasedStateMachine):
    """Tells the same to the rules and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.model = NaiveUser(START, Seen(Status.OFFLINE, "alice", None, None, None))
        self.compared = 0
        self.last_version = 0
        self.last_view = self.life.view

    @initialize(forced_hidden=st.sampled_from([False, False, False, True]))
    def begin(self, forced_hidden):
        run = run_of()
        self.life = Life(new_user(ALICE, run, forced_hidden=forced_hidden), run=run)
        self.model.forced_hidden = forced_hidden

    def pick(self, number: int) -> ConnectionId:
        connections = list(self.life.devices)
        return connections[number % len(connections)]

    @property
    def is_connected(self) -> bool:
        return bool(self.life.devices)

    # -- what happens ------------------------------------------------------------------------

    @rule(device=DEVICES, state=STATES, intent=INTENTS)
    def connect(self, device, state, intent):
        connection = self.life.connect(device, state, intent)
        self.model.connect(connection, device, state, intent)

    @precondition(lambda self: self.is_connected)
    @rule(number=PICKS, ending=st.sampled_from(Ending))
    def end(self, number, ending):
        connection = self.pick(number)
        self.life.end(connection, ending)
        self.model.end(connection, ending.value)

    @rule(number=st.integers(0, 50), ending=st.sampled_from(Ending))
    def end_again(self, number, ending):
        if ConnectionId(number) not in self.life.devices:
            effects = self.life.do(Ended(ConnectionId(number), ending))
            assert not any(isinstance(effect, PresenceChanged | Save) for effect in effects)

    @precondition(lambda self: self.is_connected)
    @rule(number=PICKS)
    def ping(self, number):
        connection = self.pick(number)
        self.life.ping(connection)
        self.model.ping(connection)

    @precondition(lambda self: self.is_connected)
    @rule(number=PICKS)
    def fall_silent(self, number):
        """Long enough to be swept, unless another connection of the device pings."""
        self.ping(number)
        self.life.wait(420.0)

    @precondition(lambda self: self.is_connected)
    @rule(number=PICKS, change=CHANGES, times=st.sampled_from([1, 1, 1, 6]))
    def say(self, number, change, times):
        connection = self.pick(number)
        for count in range(times):
            # A flood alternates, so that each command alters something.
            each = change if count % 2 == 0 else attrs.evolve(change, activity=Text(f"{count}"))
            self.command(connection, each, may_wait=True)

    @rule(change=CHANGES, lease=UNNAMED | st.sampled_from([10.0, 60.0, 1000.0, 14400.0]))
    def patch(self, change, lease):
        change = attrs.evolve(change, state=UNSET, lease=lease)
        self.command(None, change, may_wait=False)

    @rule(
        device=DEVICES,
        change=CHANGES,
        state=st.sampled_from(State),
        lease=UNNAMED | st.sampled_from([10.0, 1000.0]),
        names_more=st.booleans(),
    )
    def set_device(self, device, change, state, lease, names_more):
        change = change if names_more else PresencePatch()
        change = attrs.evolve(change, state=state, lease=lease)
        self.command(None, change, may_wait=False, device=DeviceId(device))

    @rule(device=DEVICES)
    def remove_device(self, device):
        self.life.remove_device(device)
        self.model.remove(device)

    def command(self, connection, change, *, may_wait, device=REST_DEVICE):
        wall = later(change, self.life.now.wall)
        effects = self.life.do(Commanded(wall, connection, may_wait, device))
        said = Said(connection, later(change, self.model.now), device)
        is_accepted = self.model.command(said, may_wait)
        refusals = [effect for effect in effects if isinstance(effect, OverRate | NotAttached)]
        assert len(refusals) == (not is_accepted)
        for refusal in refusals:
            is_over = isinstance(refusal, OverRate)
            assert is_over is not self.model.has_no_device_for(said)
            assert not is_over or 0 < refusal.retry_after <= 20
            others = [effect for effect in effects if not isinstance(effect, ShowSelf)]
            assert others == [refusal], "nothing of it applies"

    @rule(seconds=PAUSES)
    def wait(self, seconds):
        self.life.wait(seconds)

    @rule(name=st.sampled_from(["Alice", "Ally"]), age=st.sampled_from([0.0, 0.0, 20.0]))
    def claim(self, name, age):
        self.life.do(Claimed(self.life.now.wall - age, name))
        self.model.claim(name, self.life.mono - age)

    @rule(name=st.sampled_from([None, "Alice", "Allie"]))
    def introduce(self, name):
        self.life.do(Introduced(name))
        self.model.introduce(name)

    @rule()
    def expel(self):
        self.life.devices.clear()
        self.life.do(Expelled())
        self.model.expel()

    # -- failures ----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([6.0, 40.0, 500.0]), is_heard=st.booleans(), back=st.booleans())
    def stall(self, seconds, is_heard, back):
        """The process stands still; pings and a reconnect may wait in the sockets."""
        late = [Pinged(key) for key in self.life.devices] if is_heard else []
        if back:
            connection = self.life.new_connection("phone")
            late.append(Connected(connection, DeviceId("phone")))
        self.life.stall(seconds, *late)
        self.model.now += seconds
        is_stalled = self.model.next_deadline() <= self.model.now
        for event in late:
            if isinstance(event, Pinged):
                self.model.ping(event.connection)
            else:
                self.model.connect(event.connection, "phone", None, None)
        if is_stalled:
            self.model.outlast_stall()

    @precondition(lambda self: self.life.records)
    @rule()
    def crash(self):
        self.life.crash()
        self.model.crash()

    @precondition(lambda self: len({entry.device for entry in self.model.entries}) > 1)
    @rule(device=DEVICES, ending=st.sampled_from(Ending))
    def crash_amid_a_return(self, device, ending):
        """One device has returned from a restart, others are awaited, and it leaves again."""
        self.restart(2.0)
        self.connect(device, None, None)
        self.crash()
        self.end(0, ending)

    @precondition(lambda self: self.life.records)
    @rule(after=st.sampled_from([0.0, 2.0, 30.0]))
    def restart(self, after):
        self.last_view = self.life.restart(after).view
        self.model.restart(after)

    # -- what must hold ----------------------------------------------------------------------

    @invariant()
    def others_were_told_what_the_page_says(self):
        self.model.advance(self.life.mono)
        told = [(each.at, seen_of(each.change.view)) for each in self.life.told]
        assert told == self.model.told
        assert seen_of(self.life.view) == self.model.view

    @invariant()
    def each_change_follows_the_last_and_is_a_change(self):
        for each in self.life.told[self.compared :]:
            before, view = each.change.before, each.change.view
            assert without_end(before) == without_end(self.last_view)
            assert view.version > self.last_version
            assert seen_of(view) != seen_of(before) or each.change.is_first
            self.last_version, self.last_view = view.version, view
        self.compared = len(self.life.told)
        assert without_end(self.life.view) == without_end(self.last_view)

    @invariant()
    def the_users_own_devices_see_the_truth(self):
        view, model = self.life.user.self_view, self.model
        assert (view.status, view.intent, view.appear_offline) == (
            model.status,
            model.intent,
            model.flag,
        )
        assert (view.custom_status, view.activity) == (model.text, model.activity)
        assert (view.until, view.custom_status_until) == (wall(model.until), wall(model.text_until))
        if self.life.self_views:
            assert self.life.self_views[-1] == view

    @invariant()
    def what_is_stored_is_what_is_so(self):
        if self.life.records:
            assert self.life.record == self.life.user.record
        else:
            assert not self.life.told, "nobody is told of who is not stored"

    @invariant()
    def it_never_wants_to_have_been_woken(self):
        assert self.life.wake_at is None or self.life.wake_at > self.life.mono

    @invariant()
    def nobody_is_shown_who_is_not_attached(self):
        assert bool(self.model.entries) or not self.life.view.is_visible


def without_end(view):
    return attrs.evolve(view, custom_status_until=None)


def seen_of(view):
    last_seen = None if view.last_seen is None else view.last_seen - WALL
    return Seen(view.status, view.username, view.custom_status, view.activity, last_seen)


def wall(mono):
    return None if mono is None else mono + WALL


TestUser = UserMachine.TestCase
TestUser.settings = settings(settings.get_profile("core"), max_examples=250, stateful_step_count=40)
