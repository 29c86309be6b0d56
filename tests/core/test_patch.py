"""Two changes merged do what the one and then the other would have done."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.types import State, Status, Text
from presence.core.user.patch import EMPTY_PATCH, UNSET, PresencePatch


@attrs.frozen
class Settings:
    """A patch in the most naive model: an end belongs to the field that it ends."""

    intent: Status = Status.ONLINE
    until: float | None = None
    state: State = State.ONLINE
    custom_status: str | None = "as before"
    custom_status_until: float | None = 5.0
    activity: str | None = None
    appear_offline: bool = False


def apply(change: PresencePatch, to: Settings) -> Settings:
    new = to
    if change.intent is not UNSET:
        new = attrs.evolve(new, intent=change.intent, until=change.until)
    if change.custom_status is not UNSET:
        new = attrs.evolve(new, custom_status=change.custom_status, custom_status_until=None)
    if change.custom_status_until is not UNSET and new.custom_status is not None:
        new = attrs.evolve(new, custom_status_until=change.custom_status_until)
    for name in ("state", "activity", "appear_offline"):
        value = getattr(change, name)
        if value is not UNSET:
            new = attrs.evolve(new, **{name: value})
    return new


def maybe(values):
    return st.just(UNSET) | values


TEXTS = st.none() | st.sampled_from([Text("a"), Text("b")])
ENDS = st.none() | st.sampled_from([10.0, 20.0])


@st.composite
def changes(draw):
    intent = draw(maybe(st.sampled_from(Status)))
    return PresencePatch(
        intent=intent,
        until=None if intent is UNSET else draw(ENDS),
        state=draw(maybe(st.sampled_from(State))),
        custom_status=draw(maybe(TEXTS)),
        custom_status_until=draw(maybe(ENDS)),
        activity=draw(maybe(TEXTS)),
        appear_offline=draw(maybe(st.booleans())),
    )


@given(changes(), changes())
def test_a_merged_change_does_what_both_would_have_done(older, newer):
    both = apply(newer, apply(older, Settings()))
    assert apply(older.merged_with(newer), Settings()) == both


@given(changes(), changes())
def test_the_rest_of_a_superseded_change_does_not_undo_the_newer_one(older, newer):
    both = apply(newer, apply(older, Settings()))
    assert apply(older.superseded_by(newer), apply(newer, Settings())) == both


@given(changes(), changes(), changes())
def test_merging_may_start_at_either_end(first, second, third):
    from_the_left = first.merged_with(second).merged_with(third)
    assert from_the_left == first.merged_with(second.merged_with(third))


@given(changes())
def test_no_change_adds_nothing_to_a_change(change):
    assert EMPTY_PATCH.merged_with(change) == change
    assert change.merged_with(EMPTY_PATCH) == change


@pytest.mark.parametrize(
    ("older", "newer", "merged"),
    [
        pytest.param(
            PresencePatch(intent=Status.DND, until=50.0),
            PresencePatch(intent=Status.AWAY),
            PresencePatch(intent=Status.AWAY),
            id="a status without an end takes away the older end",
        ),
        pytest.param(
            PresencePatch(intent=Status.DND, until=50.0),
            PresencePatch(activity=Text("chess")),
            PresencePatch(intent=Status.DND, until=50.0, activity=Text("chess")),
            id="another field leaves status and end",
        ),
        pytest.param(
            PresencePatch(intent=Status.DND, state=State.ONLINE),
            PresencePatch(state=State.IDLE),
            PresencePatch(intent=Status.DND, state=State.IDLE),
            id="auto-away leaves the status set by hand",
        ),
        pytest.param(
            PresencePatch(custom_status=Text("lunch"), custom_status_until=50.0),
            PresencePatch(custom_status=Text("work")),
            PresencePatch(custom_status=Text("work")),
            id="a text without an end takes away the older end",
        ),
        pytest.param(
            PresencePatch(custom_status=Text("lunch"), custom_status_until=50.0),
            PresencePatch(custom_status_until=60.0),
            PresencePatch(custom_status=Text("lunch"), custom_status_until=60.0),
            id="an end alone moves that of the waiting text",
        ),
        pytest.param(
            PresencePatch(custom_status=Text("lunch")),
            PresencePatch(custom_status=None),
            PresencePatch(custom_status=None),
            id="clearing is a change too",
        ),
    ],
)
def test_the_newest_of_each_field_wins(older, newer, merged):
    assert older.merged_with(newer) == merged


FORWARDED = PresencePatch(
    intent=Status.DND, until=50.0, former_intent=Status.AWAY, is_forwarded=True, activity=None
)


@pytest.mark.parametrize(
    ("older", "newer", "left"),
    [
        pytest.param(FORWARDED, EMPTY_PATCH, FORWARDED, id="a renewal leaves all of it"),
        pytest.param(
            FORWARDED,
            PresencePatch(intent=Status.AWAY),
            PresencePatch(activity=None),
            id="a status takes back status, end and repeat, and leaves the activity",
        ),
        pytest.param(
            PresencePatch(custom_status=Text("lunch"), custom_status_until=50.0),
            PresencePatch(custom_status=None),
            EMPTY_PATCH,
            id="a text takes back text and end",
        ),
        pytest.param(
            PresencePatch(custom_status_until=50.0),
            PresencePatch(custom_status_until=60.0),
            EMPTY_PATCH,
            id="an end takes back an end",
        ),
    ],
)
def test_the_newest_word_on_a_field_takes_back_what_waits(older, newer, left):
    assert older.superseded_by(newer) == left


def test_unset_says_its_name():
    assert repr(PresencePatch().intent) == "UNSET"
