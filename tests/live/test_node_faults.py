"""Crashes, stalls, stops and restarts: what others notice of them, which is nothing."""

import copy

import pytest
import trio
from living import WALL, open_living

from actors import Reply, RestartsExhausted
from presence.core.events import Ending, Pinged
from presence.core.types import Status
from presence.core.user.user import User
from presence.errors import UserCrashed
from presence.live.connections import ConnectionRegistry
from presence.live.messages import Remove
from presence.live.persistence.writer import GATHER_FOR, Writer
from presence.live.views.public_views import PublicViews
from presence.wiring.node import QUARANTINE_AFTER

ONLINE, AWAY, DND, OFFLINE = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE


class Fault:
    """Makes a method raise for the calls that *is_poison* picks, *times* times."""

    def __init__(self, monkeypatch, owner, name, is_poison, times=1):
        self.times = times
        method = getattr(owner, name)

        def faulty(this, *args, **named):
            if self.times and is_poison(this, *args):
                self.times -= 1
                raise RuntimeError("told to crash")
            return method(this, *args, **named)

        monkeypatch.setattr(owner, name, faulty)


def poison_pings(monkeypatch, user_id, times=1):
    """The rules have a bug: they crash on a ping of one user."""

    def is_poison(user, event, now):
        return user.public.user_id == user_id and isinstance(event, Pinged)

    return Fault(monkeypatch, User, "react", is_poison, times)


# One user's actor -------------------------------------------------------------------------


async def a_morning(living):
    """Bob has two devices and a lost one, hides and shows itself; ada and carl look on."""
    ada, carl = await living.connect("ada"), await living.connect("carl")
    phone, laptop = await living.connect("bob", "phone"), await living.connect("bob", "laptop")
    living.leave(await living.connect("bob", "tablet"), Ending.LOST)
    living.command(phone, intent=DND, custom_status="lunch", activity="chess")
    await living.wait(1)
    living.ping(phone)
    await living.wait(1)
    living.command(laptop, custom_status="dessert")
    await living.wait(1)
    living.command(laptop, intent=OFFLINE)
    await living.wait(30)
    living.ping(laptop)
    await living.wait(1)
    living.command(phone, intent=AWAY)
    await living.settle()  # between different users there is no order
    living.command(ada, intent=DND)
    await living.wait(1)
    living.leave(phone)
    living.leave(laptop)
    await living.wait(30)
    await living.check_beliefs()
    return [subscriber.told for subscriber in (ada, carl, phone, laptop)]


@pytest.mark.parametrize("crashes", [1, 2])
async def test_a_crash_of_one_user_is_noticed_by_nobody(autojump_clock, monkeypatch, crashes):
    async with open_living() as living:
        without_fault = await a_morning(living)
        assert living.crashes == []
    poison_pings(monkeypatch, "bob", crashes)
    second_began_at = trio.current_time()
    async with open_living() as living:
        with_fault = await a_morning(living)
        assert len(living.crashes) == crashes
    assert with_fault == [
        [(second_began_at + at, line) for at, line in told] for told in without_fault
    ]


async def test_a_crashed_user_is_rebuilt_within_a_second_though_nothing_else_happens(
    living, autojump_clock, monkeypatch
):
    ada, bob = await living.connect("ada"), await living.connect("bob", "phone")
    living.command(bob, intent=DND, custom_status="lunch")
    await living.settle()
    before = await living.look("bob")
    poison_pings(monkeypatch, "bob")
    living.ping(bob)
    await living.settle()
    assert not living.node.users.is_alive("bob")
    await living.wait(1)
    assert living.node.users.is_alive("bob")
    assert await living.look("bob") == before
    living.take_all()
    living.command(bob, intent=ONLINE)
    living.command(ada, intent=DND)
    await living.settle()
    # Its connection is subscribed as before, and is heard.
    assert bob.take() == ["SELF online (online) 'lunch'", "ada dnd"]
    assert ada.take() == ["bob online 'lunch'", "SELF dnd (dnd)"]


async def test_a_crash_after_a_published_change_leaves_all_in_agreement(
    living, autojump_clock, monkeypatch
):
    """Told, but not yet on record when it crashed: the change is taken back."""
    ada, bob = await living.connect("ada"), await living.connect("bob")
    living.take_all()
    Fault(monkeypatch, User, "conclude", lambda user, now: user.public.user_id == "bob")
    living.command(bob, intent=DND)
    await living.wait(1)
    assert ada.take() == ["bob dnd", "bob online"]
    assert await living.views("bob") == ["bob online"]
    living.command(bob, intent=DND)
    await living.wait(1)
    assert ada.take() == ["bob dnd"]
    await living.check_beliefs()


async def test_messages_behind_a_poison_message_are_handled_first(
    living, autojump_clock, monkeypatch
):
    await living.connect("ada")
    bob = await living.connect("bob", "phone")
    laptop = await living.connect("bob", "laptop")
    seen = []
    react = User.react

    def note(user, event, now):
        seen.append(type(event).__name__)
        return react(user, event, now)

    monkeypatch.setattr(User, "react", note)
    poison_pings(monkeypatch, "bob")
    living.ping(bob)
    living.command(bob, intent=DND)
    living.command(laptop, custom_status="lunch")
    await living.wait(1)
    # First the fresh actor looks whether time changed anything, last comes the supervisor's nudge.
    assert seen == ["TimePassed", "Commanded", "Commanded", "TimePassed"]
    assert await living.views("bob") == ["bob dnd 'lunch'"]


async def test_a_crash_amid_the_effects_of_an_event_leaves_versions_in_order(
    living, autojump_clock, monkeypatch
):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    Fault(monkeypatch, Writer, "save", lambda writer, record: record.view.user_id == "bob")
    living.command(bob, intent=DND)
    await living.wait(1)
    # The command is lost with its crash, but it had been told; nothing older is told after it.
    assert ada.take()[1:] == ["+everyone bob online", "bob dnd", "bob online"]
    assert await living.views("bob") == ["bob online"]


async def test_a_crash_before_the_snapshot_ends_only_that_connection(
    living, autojump_clock, monkeypatch
):
    ada = await living.connect("ada")
    phone = await living.connect("bob", "phone")
    Fault(monkeypatch, ConnectionRegistry, "welcome", lambda connections, subscriber: True)
    laptop = living.start_connecting("bob", "laptop")
    with pytest.raises(UserCrashed):
        await living.arrive(laptop)
    living.leave(laptop, Ending.LOST)
    await living.wait(20)
    assert laptop.lines == []
    assert ada.take()[1:] == ["+everyone bob online"]
    assert phone.take()[1:] == []
    living.leave(phone)
    await living.settle()
    assert ada.take() == ["bob offline"]


async def test_a_crash_after_a_deletion_does_not_bring_the_user_back(
    living, autojump_clock, monkeypatch
):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    poison_pings(monkeypatch, "bob")
    living.node.users.tell_nowait("bob", Remove(WALL, Reply()))
    living.ping(bob)
    await living.wait(30)
    assert len(living.crashes) == 1
    assert ada.lines[2:] == ["bob offline", "-everyone bob"]
    assert await living.views("bob") == []


async def test_a_membership_change_whose_delivery_crashed_is_sent_after_the_restart(
    living, autojump_clock, monkeypatch
):
    await living.admin.put_server("chess", None)
    await living.admin.put_server("go", None)
    bob = await living.connect("bob")
    await living.admin.put_member("go", "bob")
    await living.settle()
    Fault(monkeypatch, PublicViews, "snapshots", lambda public_views, servers, then: True)
    living.admin.delete_member("go", "bob")
    await living.admin.put_member("chess", "bob")
    await living.wait(1)
    assert bob.take()[1:] == ["JOIN go[bob online]", "LEAVE go", "JOIN chess[bob online]"]
    assert len(living.crashes) == 1


async def test_a_lease_and_a_grace_outlive_the_crash_of_their_user(
    living, autojump_clock, monkeypatch
):
    ada = await living.connect("ada")
    await living.patch("bob", intent=ONLINE)
    phone = await living.connect("bob", "phone")
    living.leave(await living.connect("carl", "tablet"), Ending.LOST)
    await living.settle()
    living.take_all()
    poison_pings(monkeypatch, "bob")
    living.ping(phone)
    living.leave(phone)
    await living.wait(290)
    assert ada.take_timed() == [(10.0, "carl offline")]
    await living.wait(40)
    (end_at, line), *_ = ada.take_timed()
    assert (line, end_at) == ("bob offline", pytest.approx(300.0))  # not a lease anew


async def test_a_crash_of_a_user_that_cannot_be_read_loses_none_of_its_connections(
    living, store, autojump_clock, monkeypatch
):
    ada = await living.connect("ada")
    store.unreadable_rows.add("bob")
    bob = await living.connect("bob")
    poison_pings(monkeypatch, "bob")
    living.ping(bob)
    await living.wait(1)
    living.command(bob, intent=ONLINE)
    await living.settle()
    assert ada.take()[1:] == ["+everyone bob online"]


async def put_aside(living, monkeypatch, subscriber):
    """Crash the actor of *subscriber*'s user until it is put into quarantine; takes 6 s."""
    fault = poison_pings(monkeypatch, subscriber.user_id, times=4)
    for _ in range(4):
        await living.wait(2)
        living.ping(subscriber)
    await living.settle()
    assert (fault.times, living.node.users.statistics().quarantined) == (0, 1)


async def test_a_poisonous_user_is_quarantined_while_others_go_on(
    living, autojump_clock, monkeypatch
):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    await put_aside(living, monkeypatch, bob)
    assert [name for _, name, _ in living.crashes] == ["user bob"] * 4
    assert living.crashes[-1][2] == RestartsExhausted.__name__
    living.command(bob, intent=DND)
    living.command(ada, intent=DND)
    await living.wait(10)
    assert (await living.views("bob"), await living.views("ada")) == (["bob offline"], ["ada dnd"])
    await living.wait(QUARANTINE_AFTER)
    assert await living.views("bob") == ["bob dnd"]
    assert bob.lines[-3:] == ["SELF offline (online)", "ada dnd", "SELF dnd (dnd)"]


async def test_a_quarantined_user_is_offline_at_once_and_returns_with_one_event(
    living, store, autojump_clock, monkeypatch
):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    laptop = await living.connect("bob", "laptop")
    living.command(bob, custom_status="lunch", activity="chess")
    await living.settle()
    living.take_all()
    await put_aside(living, monkeypatch, bob)
    went_at = trio.current_time()
    assert ada.take_timed() == [(went_at, "bob offline 'lunch'")]
    (view,) = await living.node.public_views.views(["bob"])
    assert view.last_seen == WALL + went_at
    await living.commit()
    stored = await store.inner.read_user("bob")
    assert (stored.view, stored.activity) == (view, None)
    living.command(bob, intent=AWAY)
    living.command(laptop, intent=DND, custom_status="dessert")
    await living.wait(QUARANTINE_AFTER)
    assert ada.take() == ["bob dnd 'dessert'"]


async def test_a_hidden_user_is_quarantined_unseen(living, autojump_clock, monkeypatch):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    living.command(bob, intent=OFFLINE)
    await living.settle()
    living.take_all()
    versions, views = living.node.incarnation.versions, await living.views("bob")
    latest = versions.latest
    await put_aside(living, monkeypatch, bob)
    await living.wait(QUARANTINE_AFTER + 1)
    assert living.take_all() == [[], []]
    assert (versions.latest, await living.views("bob")) == (latest, views)
    living.command(bob, intent=ONLINE)
    await living.settle()
    assert ada.take() == ["bob online"]


@pytest.mark.parametrize("ending", [Ending.CLEAN, Ending.LOST])
async def test_a_user_that_leaves_in_quarantine_is_not_shown_once_gone(
    living, autojump_clock, monkeypatch, ending
):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    await put_aside(living, monkeypatch, bob)
    living.take_all()
    living.leave(bob, ending)
    await living.wait(QUARANTINE_AFTER + 20)
    # A grace counts from the restart on: nobody is shown offline for our fault.
    assert ada.take() == ([] if ending is Ending.CLEAN else ["bob online", "bob offline"])
    assert not living.node.users.is_alive("bob")


async def test_a_user_that_crashes_again_after_quarantine_is_not_shown_between(
    living, autojump_clock, monkeypatch
):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    phone = await living.connect("bob", "phone")
    await put_aside(living, monkeypatch, bob)
    living.take_all()
    poison_pings(monkeypatch, "bob", times=2)
    living.ping(bob)
    living.ping(phone)
    living.command(bob, intent=OFFLINE)
    await living.wait(QUARANTINE_AFTER + 2)
    assert (len(living.crashes), ada.take()) == (6, [])
    living.command(bob, intent=ONLINE)
    await living.settle()
    assert ada.take() == ["bob online"]


async def test_a_drain_publishes_nothing_of_a_quarantined_user(store, autojump_clock, monkeypatch):
    async with open_living(store) as living:
        ada, bob = await living.connect("ada"), await living.connect("bob")
        living.command(bob, intent=DND)
        await living.settle()
        await put_aside(living, monkeypatch, bob)
        went_at = trio.current_time()
        living.take_all()
        await living.wait(5)
        living.stop()
        await living.wait(20)
        assert ada.take() == ["END STOPPING"]
    async with open_living(store) as living:
        (view,) = await living.node.public_views.views(["bob"])
        assert view.last_seen == WALL + went_at
        await living.connect("bob")
        assert await living.views("bob") == ["bob dnd"]


async def test_a_quarantine_during_a_drain_publishes_nothing(store, autojump_clock, monkeypatch):
    async with open_living(store) as living:
        ada, bob = await living.connect("ada"), await living.connect("bob")
        poison_pings(monkeypatch, "bob", times=4)
        for _ in range(3):
            living.ping(bob)
            await living.wait(2)
        living.take_all()
        living.port.goodbyes_take = 4.0
        living.stop()
        living.ping(bob)
        await living.wait(1)
        assert (len(living.crashes), ada.take()) == (4, ["END STOPPING"])
        assert await living.views("bob") == ["bob online"]


@pytest.mark.parametrize("intent", [ONLINE, OFFLINE])
async def test_a_public_text_of_a_quarantined_user_ends_on_time(
    living, autojump_clock, monkeypatch, intent
):
    ada, bob = await living.connect("ada"), await living.connect("bob")
    ends_at = trio.current_time() + 20.0
    living.command(bob, custom_status="lunch", custom_status_until=WALL + ends_at)
    living.command(bob, intent=intent)
    await living.settle()
    await put_aside(living, monkeypatch, bob)
    living.take_all()
    await living.wait(30)
    assert ada.take_timed() == [(ends_at, "bob offline")]
    await living.wait(QUARANTINE_AFTER)
    assert ada.take() == (["bob online"] if intent is ONLINE else [])


# Broadcaster, timer, writer ---------------------------------------------------------------


async def test_a_crash_of_the_broadcaster_loses_no_final_state(living, autojump_clock, monkeypatch):
    people = [await living.connect(name) for name in ("ada", "bob", "carl")]
    await living.settle()
    living.take_all()
    crashes = iter(["bob", "carl", "bob"])
    broken = [next(crashes)]
    for subscriber in people:
        offer = subscriber.offer

        def faulty(packet, subscriber=subscriber, offer=offer):
            if broken[0] == subscriber.user_id:
                broken[0] = next(crashes, None)
                raise RuntimeError("told to crash")
            offer(packet)

        monkeypatch.setattr(subscriber, "offer", faulty)
    living.command(people[0], intent=DND)
    await living.wait(1)
    living.command(people[0], intent=ONLINE)
    await living.wait(1)
    assert [name for _, name, _ in living.crashes] == ["broadcaster"] * 3
    assert [subscriber.lines[-1] for subscriber in people[1:]] == ["ada online", "ada online"]
    assert not any(line.startswith("END") for subscriber in people for line in subscriber.lines)
    for subscriber in people:
        subscriber.wrong.clear()  # a walk that crashed is begun again, so the same may come twice


async def test_a_crash_of_the_timer_loses_no_deadline_but_the_one_that_crashed_it(
    living, autojump_clock
):
    def crash(stalled):
        raise RuntimeError("told to crash")

    ada = await living.connect("ada")
    bob = await living.connect("bob")
    living.leave(bob, Ending.LOST)
    living.node.timer.set("poison", trio.current_time() + 9.99, crash)
    await living.wait(11)
    assert [name for _, name, _ in living.crashes] == ["timer"]
    (_, (told_at, line)) = ada.take_timed()[1:]
    assert (line, 10.0 <= told_at < 10.1) == ("bob offline", True)


async def test_a_crash_of_the_writer_loses_nothing(living, store, autojump_clock):
    store.write_crashes = 2
    answer = await living.patch("ada", intent=DND, custom_status="lunch")
    assert await living.node.writer.wait_committed(answer.ticket, within=1.0)
    assert (await store.inner.read_user("ada")).custom_status == "lunch"
    assert [name for _, name, _ in living.crashes] == ["writer", "writer"]


# Stalls -----------------------------------------------------------------------------------


async def pinging(living):
    ada = await living.connect("ada")
    bob = await living.connect("bob")
    living.ping(bob)
    await living.wait(1)
    ada.take()
    return ada, bob


async def test_a_crash_neither_brings_a_swept_device_back_nor_spares_one(
    living, autojump_clock, monkeypatch
):
    ada, bob = await pinging(living)
    for _ in range(2):  # first before the sweep, then after it
        poison_pings(monkeypatch, "bob")
        living.ping(bob)
        await living.wait(1000)
    assert (len(living.crashes), ada.take_timed()) == (2, [(360.0, "bob offline")])
    living.ping(bob)
    await living.wait(1)
    assert ada.take() == ["bob online"]


async def test_after_a_stall_devices_that_still_ping_are_not_swept(living, autojump_clock):
    ada, bob = await pinging(living)
    autojump_clock.jump(480)
    await living.wait(40)
    living.ping(bob)
    await living.wait(200)
    assert ada.take_timed() == []


async def test_after_a_stall_a_lost_device_can_still_return(living, autojump_clock):
    ada = await living.connect("ada")
    living.leave(await living.connect("bob", "phone"), Ending.LOST)
    await living.wait(1)
    ada.take()
    autojump_clock.jump(60)
    await living.wait(5)
    await living.connect("bob", "phone")
    await living.wait(60)
    assert ada.take() == []


# Stop and restart -------------------------------------------------------------------------


async def test_a_drain_publishes_nothing_and_a_restart_shows_nobody_online(store, autojump_clock):
    async with open_living(store) as living:
        ada = await living.connect("ada")
        bob = await living.connect("bob")
        living.command(bob, custom_status="lunch", activity="chess")
        living.leave(await living.connect("carl"), Ending.LOST)
        await living.wait(5)
        living.take_all()
        living.stop()
        await living.wait(60)
        assert living.take_all() == [["END STOPPING"], ["END STOPPING"], []]
        stopped_at = 5.0
    began_at = trio.current_time()
    async with open_living(store) as living:
        ada = await living.connect("ada")
        await living.wait(300)
        assert ada.lines == [
            "READY online: everyone[ada online, bob offline 'lunch', carl offline]"
        ]
        bob, carl = await living.node.public_views.views(["bob", "carl"])
        assert bob.last_seen == carl.last_seen
        assert WALL + stopped_at <= bob.last_seen < WALL + began_at
        assert living.node.incarnation.versions.epoch == 2
        assert min(bob.version, carl.version) > 2 * 2**32


async def test_a_deadline_that_comes_during_the_drain_publishes_nothing(store, autojump_clock):
    async with open_living(store) as living:
        await living.connect("ada")
        living.leave(await living.connect("bob"), Ending.LOST)
        await living.wait(8)
        versions, before = living.node.incarnation.versions, living.node.incarnation.versions.latest
        living.port.goodbyes_take = 5.0
        living.stop()
        await living.wait(4)
        assert (versions.latest, await living.views("bob")) == (before, ["bob online"])


async def test_after_a_kill_nobody_is_online_and_the_texts_are_as_stored(store, autojump_clock):
    async with open_living(store) as living:
        bob = await living.connect("bob")
        living.command(bob, custom_status="lunch", intent=DND)
        await living.wait(15)
        left_by_kill = copy.deepcopy(store)
    async with open_living(left_by_kill) as living:
        assert await living.views("bob") == ["bob offline 'lunch'"]
        (view,) = await living.node.public_views.views(["bob"])
        newest_commit = WALL + GATHER_FOR + 10.0
        assert view.last_seen == pytest.approx(newest_commit)


@pytest.mark.parametrize("wish", [None, ONLINE, AWAY])
@pytest.mark.parametrize("intent", [DND, AWAY, OFFLINE])
async def test_a_user_that_returns_within_the_restart_grace_keeps_its_intent(
    store, autojump_clock, intent, wish
):
    async with open_living(store) as living:
        living.command(await living.connect("bob", "phone"), intent=intent)
        await living.wait(1)
    async with open_living(store) as living:
        ada = await living.connect("ada")
        await living.wait(50)
        bob = await living.connect("bob", "phone", intent=wish)
        await living.wait(100)
        assert bob.self_view.intent is intent
        wanted = [] if intent is OFFLINE else [f"bob {intent.value}"]
        assert ada.take()[1:] == wanted


@pytest.mark.parametrize("runs_between", [0, 1])
async def test_after_the_restart_grace_a_choice_is_over(store, autojump_clock, runs_between):
    async with open_living(store) as living:
        living.command(await living.connect("bob", "phone"), intent=OFFLINE, custom_status="hi")
        await living.wait(1)
    for _ in range(runs_between):
        async with open_living(store) as living:
            await living.wait(70)  # settled: who did not return by now starts afresh
    async with open_living(store) as living:
        ada = await living.connect("ada")
        await living.wait(0 if runs_between else 61)
        await living.connect("bob", "phone")
        await living.settle()
        assert ada.lines[1:] == ["bob online 'hi'"]


async def test_a_text_that_ends_after_a_restart_ends_though_nobody_is_there(store, autojump_clock):
    async with open_living(store) as living:
        bob = await living.connect("bob")
        living.command(bob, custom_status="lunch", custom_status_until=WALL + 100.0)
        await living.settle()
    async with open_living(store) as living:
        ada = await living.connect("ada")
        await living.wait(200)
        assert ada.take_timed()[1:] == [(100.0, "bob offline")]
        await living.check_beliefs()


# Leases over a restart --------------------------------------------------------------------


@pytest.fixture(params=["stop", "kill"])
def die(request):
    """Lets what a living node has stored be all that is left; returns the store."""

    def left_by(living):
        return copy.deepcopy(living.store) if request.param == "kill" else living.store

    return left_by


async def test_a_lease_shows_its_user_after_a_restart_until_its_end(store, autojump_clock, die):
    async with open_living(store) as living:
        await living.connect("carl")
        await living.patch("bob", intent=DND, lease=600.0, custom_status="bot", activity="chess")
        await living.commit()
        left = die(living)
    async with open_living(left) as living:
        ada = await living.connect("ada")
        assert ada.lines == [
            "READY online: everyone[ada online, bob dnd 'bot' (chess), carl offline]"
        ]
        (view,) = await living.node.public_views.views(["bob"])
        assert (view.last_seen, view.version % 2**32 > 0) == (None, left is store)
        assert await living.lease_until("bob") == pytest.approx(600.0)
        await living.wait(700)
        assert ada.take_timed()[1:] == [(pytest.approx(600.0), "bob offline 'bot'")]
        await living.check_beliefs()


async def test_a_status_with_an_end_ends_on_time_after_a_restart_though_nobody_is_there(
    store, autojump_clock
):
    async with open_living(store) as living:
        await living.patch("bob", intent=DND, until=WALL + 100.0, lease=600.0)
        await living.commit()
    async with open_living(store) as living:
        ada = await living.connect("ada")
        await living.wait(700)
        assert ada.take_timed()[1:] == [
            (pytest.approx(100.0), "bob online"),
            (pytest.approx(600.0), "bob offline"),
        ]


async def test_a_member_held_by_a_lease_is_counted_after_a_restart(store, autojump_clock):
    async with open_living(store, everyone_server=False) as living:
        await living.patch("bob", servers=["chess"], intent=DND, lease=600.0)
        await living.commit()
    async with open_living(store, everyone_server=False) as living:
        ada = await living.connect("ada", servers=["chess"])
        assert ada.lines == ["READY online: chess[ada online, bob dnd]"]
        snapshots = await living.node.public_views.snapshots(["chess"], lambda taken: taken)
        assert snapshots[0].online_count == 2


async def test_a_disconnect_by_administration_ends_a_lease_that_outlived_a_restart(
    store, autojump_clock
):
    async with open_living(store) as living:
        await living.patch("bob", intent=DND, lease=600.0)
        await living.commit()
    async with open_living(store) as living:
        ada = await living.connect("ada")
        await living.admin.disconnect("bob")
        await living.settle()
        assert ada.take()[1:] == ["bob offline"]
