"""Hidden and gone users look the same: two runs, one secret, equal transcripts.

In both runs the user is public for a while, and then stops being seen at the
same moment: in the one it really goes, in the other it hides and lives on in
secret. What is done in public (by administrators, by bots, by time) is the
same in both. Others must be told exactly the same, at the same moments, down
to the version numbers and the times in the views.
"""

import attrs
import pytest
from core_life import Life, later
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.core.events import (
    Claimed,
    Commanded,
    Connected,
    Ended,
    Ending,
    Expelled,
    Introduced,
)
from presence.core.types import ConnectionId, DeviceId, State, Status, Text
from presence.core.user.patch import UNSET, PresencePatch

ANCHOR = ConnectionId(1)
"""The connection that stays open in secret, so that what was chosen lives on."""
HIDDEN_BY = ["flag", "intent", "state"]

SECONDS = st.sampled_from([0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0])
ENDS = st.none() | st.sampled_from([1.0, 30.0, 100.0, 500.0])
TEXTS = st.none() | st.sampled_from([Text("a"), Text("b")])
UNNAMED = st.just(UNSET)


# -- what is done ----------------------------------------------------------------------------


@attrs.frozen
class Wait:
    seconds: float


@attrs.frozen
class Stall:
    seconds: float


@attrs.frozen
class Patch:
    """A bot of the user's sets a text or an activity over REST; ends are seconds from now."""

    change: PresencePatch


@attrs.frozen
class Restart:
    """The server dies and starts again."""

    after: float


@attrs.frozen
class Arrive:
    device: str
    state: State | None
    intent: Status | None


@attrs.frozen
class Leave:
    number: int
    ending: Ending


@attrs.frozen
class Ping:
    number: int


@attrs.frozen
class Say:
    """A command over a connection (or, where *number* is None, over REST), so many times."""

    number: int | None
    change: PresencePatch
    times: int = 1


@attrs.frozen
class Crash:
    """The actor of the user dies."""


def changes(**named):
    texts = {
        "until": ENDS,
        "custom_status": UNNAMED | TEXTS,
        "custom_status_until": UNNAMED | ENDS,
        "activity": UNNAMED | TEXTS,
    }
    return st.builds(PresencePatch, **texts | named)


PUBLIC_TEXTS = st.builds(Patch, changes(until=st.none()))
PUBLIC = st.one_of(
    st.builds(Wait, SECONDS),
    st.builds(Wait, SECONDS),
    st.builds(Stall, st.sampled_from([6.0, 100.0])),
    st.builds(Introduced, st.sampled_from([None, "Alice", "Ally"])),
    st.builds(Claimed, st.just(0.0), st.sampled_from([None, "Al"])),
    PUBLIC_TEXTS,
)
OPENING = st.one_of(
    st.builds(Wait, SECONDS),
    st.builds(Introduced, st.sampled_from([None, "Alice"])),
    st.builds(Say, st.just(1), changes(intent=UNNAMED | st.sampled_from(Status)), st.just(1)),
    st.builds(Say, st.just(1), changes(), st.just(6)),
    PUBLIC_TEXTS,
)


def secrets(hidden_by):
    """All that may be done in secret without becoming visible by it."""
    state, intent, flag = UNNAMED | st.sampled_from(State), st.sampled_from(Status), UNNAMED
    arriving, wish = st.none() | st.sampled_from(State), st.none() | intent
    if hidden_by == "intent":
        flag = UNNAMED | st.booleans()
        # The end of an invisible spell would show the user.
        said = changes(until=st.none(), intent=UNNAMED | st.just(Status.OFFLINE), state=state)
    elif hidden_by == "state":
        arriving = st.just(State.OFFLINE)
        flag = UNNAMED | st.booleans()
        said = changes(intent=UNNAMED | intent, state=UNNAMED | arriving)
    else:
        flag = UNNAMED | st.just(True)
        said = changes(intent=UNNAMED | intent, state=state)
    said = st.builds(lambda change, value: attrs.evolve(change, appear_offline=value), said, flag)
    return st.one_of(
        st.builds(Arrive, st.sampled_from(["phone", "laptop", "tablet"]), arriving, wish),
        st.builds(Leave, st.integers(0, 5), st.sampled_from(Ending)),
        st.builds(Ping, st.integers(0, 5)),
        st.builds(Say, st.none() | st.integers(0, 5), said, st.sampled_from([1, 1, 7])),
        st.builds(Crash),
    )


# -- doing it --------------------------------------------------------------------------------


def command(life, change, connection):
    wall = later(change, life.now.wall)
    if connection is None:
        wall = attrs.evolve(wall, state=UNSET)
    life.do(Commanded(wall, connection, may_wait=connection is not None))


def do_public(life, step):
    match step:
        case Wait(seconds):
            life.wait(seconds)
        case Stall(seconds):
            life.stall(seconds)
        case Patch(change):
            command(life, change, None)
        case Restart(after):
            life.restart(after)
        case _:
            life.do(step)


def do_secret(life, step):
    connections = list(life.devices)
    match step:
        case Arrive(device, state, intent):
            life.connect(device, state, intent)
        case Leave(number, ending) if len(connections) > 1:
            # Never the anchor, which is the first.
            life.end(connections[1 + number % (len(connections) - 1)], ending)
        case Ping(number) if connections:
            life.ping(connections[number % len(connections)])
        case Say(number, change, times):
            sender = None
            if number is not None and connections:
                sender = connections[number % len(connections)]
            for count in range(times):
                text = change.activity if count % 2 == 0 else Text(f"{count}")
                command(life, attrs.evolve(change, activity=text), sender)
        case Crash():
            life.crash()


def open_life(startup):
    """The part that both runs share: one connection, seen by all."""
    life = Life()
    life.connect("phone")
    for step in startup:
        if isinstance(step, Say):
            for count in range(step.times):
                activity = step.change.activity if count % 2 == 0 else Text(f"{count}")
                command(life, attrs.evolve(step.change, activity=activity), ANCHOR)
        else:
            do_public(life, step)
    return life


def hide(life, hidden_by, along):
    """Hide by hand; *along* are texts of the same command."""
    how = {
        "flag": {"appear_offline": True},
        "intent": {"intent": Status.OFFLINE},
        "state": {"state": State.OFFLINE},
    }
    command(life, attrs.evolve(along, until=None, **how[hidden_by]), ANCHOR)


def return_to_sight(life):
    """Let all be gone, say the same, and come back."""
    life.do(Expelled())
    life.devices.clear()
    life.wait(20.0)
    life.patch(appear_offline=False, custom_status=Text("back"), custom_status_until=None)
    life.do(Claimed(life.now.wall, "Back"))
    life.do(Connected(ConnectionId(1000), DeviceId("phone")))
    life.say(ConnectionId(1000), intent=Status.DND, activity=Text("chess"))
    life.wait(20.0)
    life.do(Ended(ConnectionId(1000), Ending.LOST))
    life.wait(100.0)


def run_gone(startup, steps, goes_by_hand):
    life = open_life(startup)
    if goes_by_hand:
        life.end(ANCHOR)
        life.do(Expelled())  # a lease that the opening may have made
    else:
        life.do(Expelled())
        life.devices.clear()
    for is_secret, step in steps:
        if not is_secret:
            do_public(life, step)
    life.wait(1000.0)
    return_to_sight(life)
    return life.told


def run_hidden(startup, steps, hidden_by, along):
    life = open_life(startup)
    hide(life, hidden_by, along)
    for is_secret, step in steps:
        (do_secret if is_secret else do_public)(life, step)
    life.wait(1000.0)
    return_to_sight(life)
    return life.told


@st.composite
def histories(draw, hidden_by):
    startup = draw(st.lists(OPENING, max_size=4))
    public = PUBLIC
    if hidden_by == "flag":
        # Alone the flag outlasts these; with it the anchor may go as well.
        public = PUBLIC | st.builds(Restart, SECONDS) | st.builds(Expelled)
    step = st.tuples(st.just(False), public) | st.tuples(st.just(True), secrets(hidden_by))
    return startup, draw(st.lists(step, max_size=12))


@pytest.mark.parametrize("hidden_by", HIDDEN_BY)
@settings(settings.get_profile("core"), max_examples=150)
@given(data=st.data(), along=changes(), goes_by_hand=st.booleans())
def test_others_cannot_tell_a_hidden_user_from_one_who_is_gone(
    hidden_by, data, along, goes_by_hand
):
    startup, steps = data.draw(histories(hidden_by))
    gone = run_gone(startup, steps, goes_by_hand)
    assert run_hidden(startup, steps, hidden_by, along) == gone


# -- the law can fail ------------------------------------------------------------------------


def told_of(*steps, startup=(), hidden_by="intent", along=PresencePatch()):  # noqa: B008  # a value
    return run_hidden(startup, [(True, step) for step in steps], hidden_by, along)


def test_the_transcripts_hold_what_was_public():
    startup = [Say(1, PresencePatch(custom_status=Text("a"), custom_status_until=100.0))]
    transcript = run_gone(startup, [], goes_by_hand=True)
    assert [
        (each.change.view.status.value, each.change.view.custom_status) for each in transcript
    ] == [
        ("online", None),
        ("online", "a"),
        ("offline", "a"),
        ("offline", None),
        ("online", "back"),
        ("dnd", "back"),
        ("offline", "back"),
    ]


def test_a_user_that_shows_itself_is_told_apart():
    assert told_of(Say(0, PresencePatch(intent=Status.ONLINE))) != run_gone(
        [], [], goes_by_hand=True
    )
