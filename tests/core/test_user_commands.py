"""The rate of change: five in twenty seconds, what waits, and what never waits."""

import pytest
from core_life import START, Life, run_of

from presence.core.events import Commanded, Ending, NotAttached, OverRate
from presence.core.types import ConnectionId, State, Status, Text
from presence.core.user.patch import PresencePatch

ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE
ALTERNATING = [DND, ONLINE, DND, ONLINE, DND]


@pytest.fixture
def life() -> Life:
    """A user with a phone (connection 1) and a laptop (2), both online."""
    life = Life()
    life.connect("phone")
    life.connect("laptop")
    life.take_told()
    return life


def spend_budget(life: Life, every: float = 0.0) -> None:
    """Five changes of the status, ending in dnd."""
    for status in ALTERNATING:
        life.say(1, intent=status)
        life.wait(every)
    assert life.take_statuses() == ALTERNATING


# -- over a connection -----------------------------------------------------------------------


def test_five_changes_apply_at_once_and_the_sixth_when_the_window_opens(life):
    for status in [*ALTERNATING, ONLINE]:
        life.say(1, intent=status)
        life.wait(1.0)
    life.wait(100.0)
    times = [(float(second), status) for second, status in enumerate(ALTERNATING)]
    assert life.take_timed_statuses() == [*times, (20.0, ONLINE)]


def test_pending_changes_merge_field_by_field(life):
    spend_budget(life)
    life.say(1, intent=AWAY, activity=Text("chess"))
    life.say(1, custom_status=Text("hi"))
    life.say(1, intent=ONLINE, until=life.now.wall + 60.0)
    life.say(2, custom_status=Text("ho"), custom_status_until=life.now.wall + 50.0)
    assert life.take_told() == []
    life.wait(20.0)
    [told] = life.take_told()
    view = told.view
    assert (view.status, view.custom_status, view.activity) == (ONLINE, "ho", "chess")
    assert view.custom_status_until == life.now.wall + 30.0
    assert life.user.self_view.until == life.now.wall + 40.0
    life.wait(100.0)
    assert [(told.at - START, told.change.view.status) for told in life.told] == [
        (50.0, ONLINE),
        (60.0, AWAY),
    ]


def test_all_pending_changes_count_as_one(life):
    spend_budget(life)
    for number in range(10):
        life.say(1, custom_status=Text(f"{number}"))
    life.wait(20.0)
    for number in range(4):
        life.say(1, custom_status=Text(f"more {number}"))
    assert [told.view.custom_status for told in life.take_told()] == [
        "9",
        "more 0",
        "more 1",
        "more 2",
        "more 3",
    ]


def test_states_of_several_connections_wait_side_by_side(life):
    spend_budget(life)
    life.say(1, intent=ONLINE)
    life.say(1, state=State.IDLE)
    life.say(2, state=State.IDLE)
    life.wait(20.0)
    assert life.take_statuses() == [AWAY]


def test_pending_changes_are_no_part_of_the_union(life):
    spend_budget(life)
    life.say(1, intent=AWAY)
    assert (life.user.status, life.user.self_view.intent) == (DND, DND)


def test_repeats_are_not_counted(life):
    for _ in range(20):
        life.say(1, intent=DND)
    for status in [ONLINE, DND, ONLINE, DND]:
        life.say(1, intent=status)
    assert life.take_statuses() == ALTERNATING


@pytest.mark.parametrize(
    "fields",
    [
        {"intent": DND},
        {"custom_status": Text("hi")},
        {"activity": Text("chess")},
        {"state": State.IDLE},
        {"custom_status_until": None},
    ],
)
def test_a_change_of_any_field_is_counted(life, fields):
    back = {
        "intent": ONLINE,
        "custom_status": None,
        "activity": None,
        "state": State.ONLINE,
        "custom_status_until": life.now.wall + 900.0,
    }
    life.say(1, custom_status=Text("first"), custom_status_until=life.now.wall + 900.0)
    for number in range(4):
        life.say(1, **(fields if number % 2 == 0 else {key: back[key] for key in fields}))
    assert life.patch(intent=AWAY) == [OverRate(20.0)]


def test_arrivals_ends_pings_renewals_and_timers_are_not_counted(life):
    life.say(1, custom_status=Text("hi"), custom_status_until=life.now.wall + 2.0)
    for _ in range(10):
        life.end(life.connect("tablet", state=State.IDLE), Ending.POLL)
        life.ping(ConnectionId(1))
        life.patch()
    life.wait(3.0)
    life.take_told()
    for status in ALTERNATING[:4]:
        life.say(1, intent=status)
    assert life.take_statuses() == ALTERNATING[:4]


def test_an_end_that_passed_while_its_status_waited_shows_nothing(life):
    spend_budget(life)
    life.say(1, intent=AWAY, until=life.now.wall + 5.0)
    life.say(1, custom_status=Text("hi"), custom_status_until=life.now.wall + 5.0)
    life.wait(100.0)
    assert life.take_told() == []


# -- over REST -------------------------------------------------------------------------------


def test_over_the_rate_a_rest_command_is_refused_and_nothing_applies(life):
    spend_budget(life, every=1.0)
    before = life.user.record
    change = {"intent": AWAY, "custom_status": Text("hi"), "appear_offline": False}
    assert life.patch(**change) == [OverRate(15.0)]
    life.wait(100.0)
    assert (life.take_told(), life.user.record) == ([], before)


def test_a_rest_command_applies_after_its_retry_time(life):
    spend_budget(life)
    life.wait(7.0)
    [refused] = life.patch(intent=AWAY)
    assert refused == OverRate(13.0)
    life.wait(refused.retry_after)
    life.patch(intent=AWAY)
    assert life.take_statuses() == [AWAY]


def test_rest_and_connections_share_one_budget(life):
    for number in range(5):
        life.patch(custom_status=Text(f"{number}"))
    life.say(1, intent=DND)
    life.wait(20.0)
    assert [at for at, _ in life.take_timed_statuses()] == [0.0] * 5 + [20.0]


def test_a_refused_command_does_not_touch_what_waits(life):
    spend_budget(life)
    life.say(1, intent=ONLINE)
    assert life.patch(intent=AWAY, custom_status=Text("hi")) == [OverRate(20.0)]
    life.wait(20.0)
    [told] = life.take_told()
    assert (told.view.status, told.view.custom_status) == (ONLINE, None)


# -- what alters nothing by itself ----------------------------------------------------------


def fill_window(life: Life) -> float:
    """All five are spent, the user is dnd with a text that ends, and more waits.

    Returns the end of the text (Unix time).
    """
    text_end = life.now.wall + 1_000.0
    life.say(1, custom_status=Text("a"), custom_status_until=text_end, activity=Text("chess"))
    for status in (AWAY, DND, AWAY, DND):
        life.say(1, intent=status)
    life.say(1, intent=AWAY, until=life.now.wall + 500.0)
    life.say(1, custom_status=Text("b"), activity=None)
    life.take_told()
    return text_end


@pytest.mark.parametrize(
    ("fields", "comes"),
    [
        pytest.param({}, (AWAY, "b", None), id="a renewal"),
        pytest.param({"intent": DND}, (DND, "b", None), id="the status stays as it is"),
        pytest.param({"custom_status_until": None}, None, id="an end that is moved is a change"),
        pytest.param({"activity": Text("chess")}, (AWAY, "b", "chess"), id="the activity stays"),
        pytest.param({"appear_offline": False}, (AWAY, "b", None), id="still not appearing so"),
        pytest.param({"intent": DND, "activity": None}, None, id="one field of two is a change"),
    ],
)
def test_a_rest_command_that_alters_nothing_is_never_refused(life, fields, comes):
    fill_window(life)
    refused = [OverRate(20.0)] if comes is None else []
    assert life.patch(**fields) == refused
    assert life.take_told() == []
    life.wait(20.0)
    [told] = life.take_told()
    shown = told.view.status, told.view.custom_status, told.view.activity
    assert shown == (comes or (AWAY, "b", None))


def test_the_same_text_once_more_takes_back_the_one_that_waits(life):
    text_end = fill_window(life)
    assert life.patch(custom_status=Text("a"), custom_status_until=text_end) == []
    life.wait(20.0)
    [told] = life.take_told()
    assert (told.view.status, told.view.custom_status) == (AWAY, "a")


def test_an_end_alone_is_that_of_the_text_that_waits(life):
    text_end = fill_window(life)
    assert life.patch(custom_status_until=text_end) == []
    life.wait(20.0)
    assert life.take_told()[0].view.custom_status_until == text_end


def test_a_connection_that_stays_as_it_is_takes_back_its_state_and_no_other(life):
    spend_budget(life)
    life.say(1, intent=ONLINE)
    life.say(1, state=State.IDLE)
    life.say(2, state=State.IDLE)
    life.say(1, state=State.ONLINE)
    life.wait(20.0)
    assert life.user.devices.states == {"phone": State.ONLINE, "laptop": State.IDLE}
    assert life.take_statuses() == [ONLINE]


def test_a_fully_reverted_change_is_no_longer_pending(life):
    spend_budget(life)
    life.say(1, intent=ONLINE)
    life.patch(intent=DND)
    assert life.user.rate_limit.pending is None
    life.wait(100.0)
    assert life.take_told() == []


def test_a_renewal_is_not_counted(life):
    fill_window(life)
    life.wait(20.0)
    life.take_told()
    for _ in range(10):
        life.patch()
        life.patch(intent=AWAY, until=life.user.self_view.until)
    for status in (DND, AWAY, DND, AWAY):
        life.say(1, intent=status)
    assert life.take_statuses() == [DND, AWAY, DND, AWAY]


def test_a_renewal_is_not_refused_for_a_deadline_that_comes_at_that_moment():
    life = Life()
    phone = life.connect()
    life.say(phone, intent=DND, until=life.now.wall + 10.0)
    for number in range(5):
        life.say(phone, activity=Text(f"{number}"))
    life.mono += 10.0  # the timer has not yet told of it
    assert OverRate not in map(type, life.patch())


# -- an activity over REST ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "is_refused"),
    [
        pytest.param({"activity": Text("chess")}, True, id="alone"),
        pytest.param({"activity": Text("chess"), "custom_status": Text("a")}, True, id="a text"),
        pytest.param({"activity": Text("chess"), "appear_offline": False}, True, id="the flag"),
        pytest.param({"activity": Text("chess"), "intent": DND}, False, id="a status"),
        pytest.param({"activity": None, "custom_status": Text("a")}, False, id="clearing"),
        pytest.param({"custom_status": Text("a")}, False, id="none named"),
    ],
)
def test_an_activity_needs_a_device_or_a_status(fields, is_refused):
    life = Life()
    effects = life.patch(**fields)
    assert (NotAttached() in effects) is is_refused
    assert life.user.is_created is not is_refused
    assert life.user.preferences.texts.custom_status == (
        None if is_refused else fields.get("custom_status")
    )


@pytest.mark.parametrize("held_by", ["connection", "grace", "lease"])
def test_an_activity_is_taken_while_anything_is_attached(held_by):
    life = Life()
    if held_by == "lease":
        life.patch(intent=DND)
    else:
        phone = life.connect()
        if held_by == "grace":
            life.lose(phone)
    assert NotAttached() not in life.patch(activity=Text("chess"))
    assert life.view.activity == "chess"


# -- the lease -------------------------------------------------------------------------------


def test_a_lease_that_shows_the_user_is_a_change_like_any_other(life):
    spend_budget(life)
    life.end(1)
    life.end(2)
    assert life.patch(intent=ONLINE) == [OverRate(20.0)]
    life.wait(20.0)
    life.take_told()
    life.patch(intent=ONLINE)
    assert life.take_statuses() == [ONLINE]


# -- going offline by hand -------------------------------------------------------------------


@pytest.mark.parametrize(
    "hide",
    [
        pytest.param(lambda life: life.say(1, intent=OFF), id="status"),
        pytest.param(lambda life: life.patch(intent=OFF), id="status over REST"),
        pytest.param(lambda life: life.say(2, appear_offline=True), id="flag"),
        pytest.param(lambda life: life.patch(appear_offline=True), id="flag over REST"),
    ],
)
def test_hiding_is_never_delayed_and_takes_back_a_waiting_status(life, hide):
    spend_budget(life)
    life.say(1, intent=ONLINE, activity=Text("chess"))
    hide(life)
    assert life.take_statuses() == [OFF]
    life.wait(100.0)
    assert (life.take_told(), life.user.self_view.intent is not ONLINE) == ([], True)
    assert life.user.self_view.activity is None


def test_the_last_state_of_offline_is_never_delayed(life):
    spend_budget(life)
    life.end(2)
    life.say(1, state=State.OFFLINE)
    assert life.take_statuses() == [OFF]


def test_a_waiting_text_is_kept_unseen_when_its_user_hides(life):
    spend_budget(life)
    life.say(1, custom_status=Text("hi"))
    life.say(1, intent=OFF)
    [told] = life.take_told()
    assert (told.view.custom_status, life.user.self_view.custom_status) == (None, "hi")
    life.say(1, intent=ONLINE)
    life.wait(100.0)
    assert [told.view.custom_status for told in life.take_told()] == ["hi"]


def test_states_of_offline_that_wait_hide_as_soon_as_they_are_all_that_is_left(life):
    spend_budget(life)
    life.say(1, state=State.OFFLINE)
    assert life.take_told() == []
    life.say(2, state=State.OFFLINE)
    assert life.take_statuses() == [OFF]


def test_a_waiting_offline_hides_at_once_when_the_other_device_goes(life):
    spend_budget(life)
    life.say(1, state=State.OFFLINE)
    life.end(2)
    assert life.take_timed_statuses() == [(0.0, OFF)]


@pytest.mark.parametrize(
    "fields", [{"state": State.OFFLINE}, {"intent": OFF}, {"appear_offline": True}]
)
def test_hiding_once_more_is_not_delayed_either_so_that_no_timer_shows_the_user(life, fields):
    life.end(2)
    life.say(1, intent=OFF, until=life.now.wall + 5.0)
    for number in range(5):
        life.say(1, custom_status=Text(f"{number}"))
    life.say(1, **fields)
    life.wait(100.0)
    assert life.take_statuses() == [OFF]


def test_hiding_is_counted_so_that_nobody_flashes(life):
    spend_budget(life)
    life.say(1, intent=OFF)
    life.say(1, intent=ONLINE)
    life.wait(100.0)
    assert life.take_timed_statuses() == [(0.0, OFF), (20.0, ONLINE)]


# -- when the last device goes ---------------------------------------------------------------


def test_if_the_last_device_goes_first_status_and_activity_lapse_and_the_text_is_kept(life):
    spend_budget(life)
    life.say(1, intent=AWAY, activity=Text("chess"), custom_status=Text("hi"))
    life.end(1)
    life.end(2)
    [gone] = life.take_told()
    assert (gone.view.status, gone.view.custom_status) == (OFF, None)
    life.wait(100.0)
    assert life.take_told() == []
    life.connect()
    [back] = life.take_told()
    view = back.view
    assert (view.status, view.custom_status, view.activity) == (ONLINE, "hi", None)


def test_a_pending_change_of_an_ended_connection_applies_without_its_state(life):
    spend_budget(life)
    life.say(1, intent=ONLINE, state=State.IDLE)
    life.end(1)
    life.wait(20.0)
    assert life.take_statuses() == [ONLINE]


def test_a_late_command_of_a_connection_that_ended_sets_no_status(life):
    life.end(1)
    life.end(2)
    life.take_told()
    change = PresencePatch(intent=DND, activity=Text("chess"), custom_status=Text("hi"))
    life.do(Commanded(change, ConnectionId(2), may_wait=True))
    assert life.take_told() == []
    life.connect()
    [told] = life.take_told()
    view = told.view
    assert (view.status, view.custom_status, view.activity) == (ONLINE, "hi", None)


# -- commands given while hidden -------------------------------------------------------------


def test_commands_given_while_hidden_have_a_budget_of_their_own(life):
    life.say(1, intent=OFF)
    for number in range(5):
        life.patch(custom_status=Text(f"{number}"))
    assert life.patch(custom_status=Text("more")) == [OverRate(20.0)]
    assert life.user.self_view.custom_status == "4"


def test_the_hidden_budget_is_dropped_on_becoming_visible(life):
    life.say(1, appear_offline=True)
    for number in range(4):
        life.patch(custom_status=Text(f"{number}"))
    life.patch(appear_offline=False)
    life.say(1, appear_offline=True)
    for number in range(5):
        life.patch(custom_status=Text(f"more {number}"))
    assert life.take_statuses() == [OFF, ONLINE, OFF]
    assert life.user.self_view.custom_status == "more 4"


def test_changes_while_hidden_do_not_use_the_visible_budget(life):
    life.say(1, appear_offline=True)
    for number in range(4):
        life.patch(custom_status=Text(f"{number}"))
    life.say(1, appear_offline=False)
    life.take_told()
    for status in ALTERNATING[:3]:
        life.say(1, intent=status)
    assert life.take_statuses() == ALTERNATING[:3]
    assert life.patch(intent=AWAY) == [OverRate(20.0)], "five in the open: hide, show and three"


def test_becoming_visible_has_to_fit_both_budgets(life):
    life.say(1, intent=OFF)
    for number in range(5):
        life.patch(custom_status=Text(f"{number}"))
    assert life.patch(intent=ONLINE) == [OverRate(20.0)]
    life.say(1, intent=ONLINE)
    life.wait(100.0)
    assert life.take_timed_statuses() == [(0.0, OFF), (20.0, ONLINE)]


def test_a_text_that_waits_while_hidden_is_among_the_first_that_is_shown(life):
    life.say(1, state=State.OFFLINE)
    life.say(2, state=State.OFFLINE)
    for number in range(5):
        life.say(1, custom_status=Text(f"{number}"))
    life.say(1, custom_status=Text("last"), activity=Text("secret"))
    life.take_told()
    life.connect("tablet")
    life.wait(100.0)
    [told] = life.take_told()
    view = told.view
    assert (view.status, view.custom_status, view.activity) == (ONLINE, "last", None)


def test_a_waiting_text_is_kept_unseen_when_the_sweep_hides_its_user():
    life = Life(run=run_of(sweep_every=1.0, ping_expires_after=5.0))
    phone = life.connect()
    life.ping(phone)
    for number in range(5):
        life.say(phone, custom_status=Text(f"{number}"))
    life.say(phone, custom_status=Text("last"), activity=Text("secret"))
    life.take_told()
    life.wait(6.0)
    [told] = life.take_told()
    assert (told.view.status, told.view.custom_status) == (OFF, "4")
    life.ping(phone)
    life.wait(100.0)
    [told, _] = life.take_told()
    assert (told.view.custom_status, told.view.activity) == ("last", None)
