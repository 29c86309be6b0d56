"""The life of one user, row by row of the model: who is shown as what, and from when on."""

import attrs
import pytest
from core_life import START, WALL, Life, run_of

from presence.core.events import (
    Claimed,
    Connected,
    Ended,
    Ending,
    Expelled,
    Introduced,
    ShowSelf,
    TooManyDevices,
)
from presence.core.public_changes import PresenceChanged
from presence.core.types import ConnectionId, DeviceId, PublicView, State, Status, Text, UserId

ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE
HI = Text("hi")


@pytest.fixture
def life() -> Life:
    return Life()


# -- connecting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "intent", "told"),
    [
        pytest.param(None, None, [ONLINE], id="online unless it asks otherwise"),
        pytest.param(State.IDLE, None, [AWAY], id="idle"),
        pytest.param(State.OFFLINE, None, [], id="a state of offline never flashes"),
        pytest.param(None, DND, [DND], id="an intent holds from the first"),
        pytest.param(None, OFF, [], id="an invisible one never flashes"),
        pytest.param(State.IDLE, DND, [DND], id="both"),
    ],
)
def test_the_first_connection_brings_its_wishes_along(life, state, intent, told):
    life.connect(state=state, intent=intent)
    assert life.take_statuses() == told


def test_the_first_view_is_numbered_and_published_as_the_first(life):
    [before] = [life.view]
    life.connect()
    view = PublicView(UserId("alice"), "alice", ONLINE, version=2**32 + 1)
    assert life.take_told() == [PresenceChanged(before, view, is_first=True)]
    assert life.record.view == view


def test_an_intent_of_a_connect_holds_only_where_nobody_is_attached(life):
    life.connect("phone")
    life.connect("laptop", intent=DND)
    assert life.take_statuses() == [ONLINE]
    assert life.user.self_view.intent is ONLINE


def test_one_device_closing_does_not_mark_the_user_offline(life):
    phone = life.connect("phone")
    life.connect("laptop", state=State.IDLE)
    life.end(phone)
    assert life.take_statuses() == [ONLINE, AWAY]


def test_the_same_connection_announced_twice_is_one(life):
    phone = life.connect()
    assert life.do(Connected(phone, DeviceId("phone"), State.IDLE)) == []
    life.end(phone)
    assert life.take_statuses() == [ONLINE, OFF]


def test_one_device_too_many_is_refused_and_changes_nothing():
    life = Life(run=run_of(max_devices_per_user=2))
    life.connect("phone", state=State.IDLE)
    life.connect("laptop", state=State.IDLE)
    life.take_told()
    third = life.new_connection("tablet")
    assert life.do(Connected(third, DeviceId("tablet"), intent=DND)) == [TooManyDevices(third)]
    assert life.take_told() == []


# -- ends ------------------------------------------------------------------------------------


def test_a_clean_goodbye_counts_at_once(life):
    phone = life.connect()
    life.wait(30.0)
    life.end(phone)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (30.0, OFF)]
    assert life.view.last_seen == START + WALL + 30.0


def test_a_lost_connection_counts_after_the_grace_from_its_end(life):
    phone = life.connect()
    life.wait(30.0)
    life.lose(phone)
    life.wait(60.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (40.0, OFF)]


def test_a_reconnect_within_the_grace_shows_nothing_to_anybody(life):
    phone = life.connect()
    life.lose(phone)
    life.wait(9.9)
    life.connect()
    life.wait(60.0)
    assert life.take_statuses() == [ONLINE]


def test_a_grace_of_0_is_none():
    life = Life(run=run_of(grace_after=0.0))
    life.lose(life.connect())
    assert life.take_timed_statuses() == [(0.0, ONLINE), (0.0, OFF)]


def test_polls_with_pauses_never_show_offline(life):
    for _ in range(10):
        poll = life.connect(state=State.ONLINE)
        life.wait(30.0)
        life.end(poll, Ending.POLL)
        life.wait(4.0)
    assert life.take_statuses() == [ONLINE]


def test_a_poller_is_gone_30_seconds_after_the_end_of_the_poll(life):
    poll = life.connect()
    life.wait(30.0)
    life.end(poll, Ending.POLL)
    life.wait(60.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (60.0, OFF)]


def test_short_polls_one_after_another_are_no_flapping(life):
    for _ in range(20):
        life.end(life.connect(), Ending.POLL)
        life.wait(1.0)
    life.wait(60.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (49.0, OFF)]


@pytest.mark.parametrize("ending", list(Ending))
def test_the_end_of_an_unknown_connection_has_no_effects(life, ending):
    life.connect()
    assert life.do(Ended(ConnectionId(99), ending)) == []


def test_a_user_that_flaps_is_shown_for_the_grace(life):
    for _ in range(4):
        life.end(life.connect())
        life.wait(1.0)
    life.take_told()
    life.end(life.connect())
    life.wait(30.0)
    assert life.take_timed_statuses() == [(4.0, ONLINE), (14.0, OFF)]


def test_flapping_is_forgiven_after_the_window(life):
    for _ in range(5):
        life.end(life.connect())
    life.wait(20.0)
    life.take_told()
    life.end(life.connect())
    assert life.take_timed_statuses() == [(20.0, ONLINE), (20.0, OFF)]


IN_SECRET = [
    pytest.param({"state": State.OFFLINE}, {}, id="state"),
    pytest.param({}, {"intent": OFF}, id="intent"),
    pytest.param({}, {"appear_offline": True}, id="flag"),
]


@pytest.mark.parametrize(("wish", "hide"), IN_SECRET)
def test_arrivals_while_hidden_do_not_count_as_flapping(life, wish, hide):
    """Else the grace of its next end in the open would tell that it was there."""
    keeper = life.connect("keeper", state=State.OFFLINE)
    life.say(keeper, **hide)
    for _ in range(10):
        life.end(life.connect("phone", **wish))
    life.say(keeper, intent=ONLINE, appear_offline=False)
    life.say(keeper, state=State.OFFLINE)
    life.take_told()
    life.end(life.connect("phone", state=State.ONLINE))
    life.wait(30.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (0.0, OFF)]


def test_no_limit_of_changes_is_no_damping_either():
    life = Life(run=run_of(max_presence_changes=0))
    for _ in range(50):
        life.end(life.connect())
    assert len(life.take_told()) == 100


def test_an_expelled_user_is_gone_at_once_and_so_are_its_choices(life):
    phone = life.connect("phone", intent=DND)
    life.lose(life.connect("laptop"))
    life.patch(activity=Text("chess"), custom_status=HI)
    life.take_told()
    life.do(Expelled())
    [gone] = life.take_told()
    assert (gone.view.status, gone.view.activity, gone.view.custom_status) == (OFF, None, HI)
    assert life.do(Ended(phone, Ending.LOST)) == []
    life.connect()
    assert life.take_statuses() == [ONLINE]


# -- what lives with the devices -------------------------------------------------------------


def test_intent_and_activity_go_with_the_last_device_and_the_text_stays(life):
    phone, laptop = life.connect("phone"), life.connect("laptop")
    life.say(phone, intent=DND, activity=Text("chess"), custom_status=HI)
    life.end(phone)
    assert life.view.status is DND
    life.end(laptop)
    assert (life.view.status, life.view.activity, life.view.custom_status) == (OFF, None, HI)
    life.take_told()
    life.connect()
    [back] = life.take_told()
    assert (back.view.status, back.view.activity, back.view.custom_status) == (ONLINE, None, HI)
    assert back.view.last_seen is None


def test_an_intent_lives_while_a_device_is_attached_that_does_not_count(life):
    phone = life.connect("phone")
    life.connect("laptop", state=State.OFFLINE)
    life.say(phone, intent=DND)
    life.end(phone)
    life.connect("phone")
    assert life.take_statuses() == [ONLINE, DND, OFF, DND]


def test_explicit_offline_is_not_undone_by_pings_or_more_devices(life):
    phone = life.connect("phone")
    life.say(phone, intent=OFF)
    life.ping(phone)
    laptop = life.connect("laptop", intent=ONLINE)
    life.ping(laptop)
    life.end(phone)
    assert life.take_statuses() == [ONLINE, OFF]


@pytest.mark.parametrize("intent", [ONLINE, DND])
def test_explicit_offline_is_undone_by_a_status(life, intent):
    phone = life.connect()
    life.say(phone, intent=OFF)
    life.say(phone, intent=intent)
    assert life.take_statuses() == [ONLINE, OFF, intent]


def test_explicit_offline_is_undone_by_a_first_connection_after_all_were_gone(life):
    phone = life.connect()
    life.say(phone, intent=OFF)
    life.end(phone)
    life.connect()
    assert life.take_statuses() == [ONLINE, OFF, ONLINE]


def test_the_flag_outlives_the_devices_and_every_status(life):
    phone = life.connect()
    life.say(phone, appear_offline=True)
    life.say(phone, intent=ONLINE)
    life.end(phone)
    laptop = life.connect("laptop")
    assert life.take_statuses() == [ONLINE, OFF]
    life.say(laptop, appear_offline=False)
    assert life.take_statuses() == [ONLINE]


# -- states ----------------------------------------------------------------------------------


def test_a_device_that_is_idle_does_not_make_the_user_away_while_another_is_in_use(life):
    phone, laptop = life.connect("phone"), life.connect("laptop")
    life.say(phone, state=State.IDLE)
    assert life.take_statuses() == [ONLINE]
    life.say(laptop, state=State.IDLE)
    assert life.take_statuses() == [AWAY]
    life.say(phone, state=State.ONLINE)
    assert life.take_statuses() == [ONLINE]


def test_a_state_of_offline_does_not_count_and_the_device_stays(life):
    phone = life.connect()
    life.say(phone, state=State.OFFLINE)
    assert life.take_statuses() == [ONLINE, OFF]
    life.say(phone, state=State.ONLINE)
    assert life.take_statuses() == [ONLINE]


def test_repeats_wake_nobody(life):
    phone = life.connect()
    life.say(phone, intent=DND, custom_status=HI)
    life.take_told()
    assert life.say(phone, intent=DND, custom_status=HI) == []
    assert life.say(phone, state=State.ONLINE) == []
    assert life.take_told() == []


# -- the lease of REST -----------------------------------------------------------------------


def test_a_status_over_rest_attaches_a_user_without_devices_for_the_lease(life):
    life.patch(intent=DND)
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, DND), (300.0, OFF)]


def test_text_alone_attaches_nobody(life):
    life.patch(custom_status=HI)
    assert (life.take_told(), life.user.self_view.status) == ([], OFF)


def test_any_patch_renews_the_lease(life):
    life.patch(intent=ONLINE)
    life.wait(200.0)
    life.patch()
    life.wait(200.0)
    life.patch(custom_status=HI)
    life.wait(1000.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (400.0, ONLINE), (700.0, OFF)]


def test_a_status_over_rest_makes_no_lease_where_a_device_is_attached(life):
    phone = life.connect()
    life.patch(intent=DND)
    life.end(phone)
    assert life.take_statuses() == [ONLINE, DND, OFF]


def test_a_lease_set_to_invisible_hides_later_connections(life):
    life.patch(intent=OFF)
    life.connect()
    assert life.take_told() == []


def test_a_renewed_lease_wakes_nobody(life):
    life.patch(intent=ONLINE)
    life.take_told()
    before = len(life.self_views)
    life.wait(20.0)
    life.patch(intent=ONLINE)
    assert (life.take_told(), len(life.self_views)) == ([], before)


# -- what ends by itself ---------------------------------------------------------------------


def test_the_former_intent_comes_back_with_one_event(life):
    phone = life.connect()
    life.say(phone, intent=AWAY)
    life.say(phone, intent=DND, until=life.now.wall + 60.0)
    life.take_told()
    life.wait(100.0)
    assert life.take_timed_statuses() == [(60.0, AWAY)]
    assert life.user.self_view.until is None


def test_invisibility_with_an_end_ends_at_its_time(life):
    phone = life.connect()
    life.say(phone, intent=OFF, until=life.now.wall + 60.0)
    life.wait(100.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (0.0, OFF), (60.0, ONLINE)]


def test_a_text_ends_with_one_event(life):
    phone = life.connect()
    life.say(phone, custom_status=HI, custom_status_until=life.now.wall + 60.0)
    life.take_told()
    life.wait(60.0)
    [ended] = life.take_told()
    assert ended.view == attrs.evolve(
        ended.before,
        custom_status=None,
        custom_status_until=None,
        version=ended.before.version + 1,
    )
    assert life.user.self_view.custom_status is None


def test_moving_the_end_of_a_text_is_not_seen_but_holds(life):
    phone = life.connect()
    life.say(phone, custom_status=HI)
    life.take_told()
    life.say(phone, custom_status_until=life.now.wall + 60.0)
    assert life.take_told() == []
    assert life.record.view.custom_status_until == life.now.wall + 60.0
    life.end(phone)
    life.wait(60.0)
    assert [told.view.custom_status for told in life.take_told()] == [HI, None]


def test_a_text_that_ends_while_gone_is_cleared_at_its_time(life):
    phone = life.connect()
    life.say(phone, custom_status=HI, custom_status_until=life.now.wall + 60.0)
    life.wait(10.0)
    life.end(phone)
    life.take_told()
    life.wait(100.0)
    [told] = life.told
    assert (told.at, told.change.view.custom_status) == (START + 60.0, None)
    assert told.change.view.last_seen == START + WALL + 10.0


def test_a_jump_of_the_wall_clock_changes_no_status(life):
    phone = life.connect()
    life.say(phone, intent=DND, until=life.now.wall + 60.0, custom_status=HI)
    life.say(phone, custom_status_until=life.now.wall + 60.0)
    life.take_told()
    life.wall_ahead += 7200.0
    life.wait(59.0)
    assert life.take_told() == []
    life.wall_ahead -= 20_000.0
    life.wait(1.0)
    assert life.take_statuses() == [ONLINE]


# -- stalls ----------------------------------------------------------------------------------


def test_a_reconnect_after_a_stall_of_the_server_shows_nothing(life):
    phone = life.connect()
    life.lose(phone)
    life.stall(480.0)
    life.wait(9.0)
    life.connect()
    life.wait(100.0)
    assert life.take_statuses() == [ONLINE]


def test_a_reconnect_that_waited_in_the_socket_is_read_first(life):
    phone = life.connect()
    life.lose(phone)
    life.stall(480.0, Connected(life.new_connection("phone"), DeviceId("phone")))
    life.wait(100.0)
    assert life.take_statuses() == [ONLINE]


def test_a_stall_puts_off_what_is_due_once_and_not_for_ever(life):
    life.patch(intent=ONLINE)
    life.stall(480.0)
    life.wait(100.0)
    assert life.take_timed_statuses() == [(0.0, ONLINE), (525.0, OFF)]


def test_a_stall_does_not_put_off_the_end_of_a_status(life):
    phone = life.connect()
    life.say(phone, intent=DND, until=life.now.wall + 60.0)
    life.take_told()
    life.stall(480.0)
    assert life.take_timed_statuses() == [(480.0, ONLINE)]


# -- existence and names ---------------------------------------------------------------------


def test_looking_at_a_user_stores_nothing(life):
    life.do(Ended(ConnectionId(99), Ending.CLEAN))
    life.wait(1000.0)
    assert (life.records, life.told) == ([], [])


def test_a_hidden_newcomer_is_stored_but_not_shown(life):
    life.do(Claimed(100.0, "Alice"))
    life.connect(state=State.OFFLINE)
    assert life.take_told() == []
    assert (life.record.is_announced, life.record.name) == (False, "Alice")
    assert life.record.view.username == "alice"


def test_a_claimed_name_is_published_while_visible(life):
    life.connect()
    life.take_told()
    life.do(Claimed(100.0, "Alice"))
    [told] = life.take_told()
    assert (told.view.username, told.view.status) == ("Alice", ONLINE)


def test_a_claimed_name_is_shown_with_the_next_visible_status(life):
    life.end(life.connect())
    life.take_told()
    life.do(Claimed(100.0, "Alice"))
    assert life.take_told() == []
    life.connect()
    assert [told.view.username for told in life.take_told()] == ["Alice"]


@pytest.mark.parametrize(
    ("claims", "name", "named_at", "claims_at"),
    [
        pytest.param([(200, "New", False), (100, "Old", False)], "New", 200, 0, id="older"),
        pytest.param([(100, "Old", False), (200, "New", False)], "New", 200, 0, id="newer"),
        pytest.param([(200, "A", False), (200, "B", False)], "B", 200, 0, id="the last of equals"),
        pytest.param([(0, "A", False), (0, "B", False)], "B", 0, 0, id="tokens without a time"),
        pytest.param([(200, "A", False), (300, "A", False), (250, "B", False)], "A", 300, 0),
        pytest.param([(200, "New", False), (100, None, True)], "New", 200, 100, id="servers"),
        pytest.param([(200, None, True), (100, "Old", False)], "Old", 100, 200, id="a first name"),
        pytest.param([(200, None, True), (100, "Old", True)], "Old", 100, 200, id="both"),
    ],
)
def test_the_newest_claimed_name_holds(life, claims, name, named_at, claims_at):
    life.do(*(Claimed(issued_at, name, servers) for issued_at, name, servers in claims))
    stored = life.record
    assert (stored.name, stored.named_at, stored.claims_at) == (name, named_at, claims_at)


@pytest.mark.parametrize("end", [Life.crash, Life.restart])
def test_the_order_of_names_outlives_a_crash_and_a_restart(life, end):
    life.do(Claimed(200.0, "New"))
    end(life)
    life.do(Claimed(199.0, "Old"))
    assert life.record.name == "New"


def test_a_token_without_claims_changes_nothing(life):
    life.do(Claimed(100.0, "Alice", has_servers=True))
    before = life.record
    life.do(Claimed(200.0))
    assert life.record == before


def test_an_administrator_creates_a_user_at_once(life):
    life.do(Introduced("Alice"))
    [told] = life.take_told()
    assert (told.is_first, told.view.username, told.view.status) == (True, "Alice", OFF)
    assert (life.record.is_announced, life.record.name) == (True, "Alice")


def test_an_introduction_that_changes_nothing_publishes_nothing(life):
    life.do(Introduced("Alice"))
    life.take_told()
    assert life.do(Introduced("Alice"), Introduced()) == []
    assert life.take_told() == []


def test_an_administrators_name_is_published_even_for_a_hidden_user(life):
    life.connect(intent=OFF)
    life.do(Introduced("Alice"))
    assert [told.view.username for told in life.take_told()] == ["Alice"]


def test_an_introduction_does_not_tell_what_a_hidden_user_claims(life):
    life.do(Introduced("Alice"))
    life.take_told()
    life.connect(intent=OFF)
    life.do(Claimed(100.0, "Mallory"))
    life.do(Introduced())
    assert life.take_told() == []
    assert life.user.self_view.username == "Mallory"


def test_an_introduction_shows_a_hidden_newcomer_as_if_it_had_claimed_nothing(life):
    life.connect(intent=OFF)
    life.do(Claimed(100.0, "Mallory"))
    life.do(Introduced())
    assert [(told.is_first, told.view.username) for told in life.take_told()] == [(True, "alice")]


# -- what the user's own devices see ---------------------------------------------------------


def test_the_self_view_is_the_real_thing(life):
    phone = life.connect()
    until = life.now.wall + 60.0
    life.say(phone, intent=OFF, until=until, custom_status=HI, activity=Text("chess"))
    view = life.self_views[-1]
    assert (view.status, view.intent, view.until) == (OFF, OFF, until)
    assert (view.custom_status, view.activity, view.appear_offline) == (HI, "chess", False)


def test_the_self_view_is_sent_only_when_it_changes(life):
    phone = life.connect()
    before = len(life.self_views)
    life.ping(phone)
    life.connect("laptop", state=State.IDLE)
    assert len(life.self_views) == before
    [shown] = [effect for effect in life.say(phone, intent=DND) if isinstance(effect, ShowSelf)]
    assert shown.view == life.user.self_view


# -- forgetting ------------------------------------------------------------------------------


def test_a_gone_user_is_forgettable_once_its_windows_are_empty(life):
    phone = life.connect()
    assert not life.user.is_forgettable(life.mono)
    life.wait(5.0)
    life.end(phone)
    assert not life.user.is_forgettable(life.mono)
    assert life.wake_at == START + 20.0, "it asks to be looked at then"
    life.wait(15.0)
    assert life.user.is_forgettable(life.mono)
    assert life.wake_at is None
