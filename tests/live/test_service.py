"""The service that frontends of every protocol use."""

import attrs
import pytest
import trio
from living import open_living

from presence.core.events import Ending
from presence.core.types import DeviceId, State, Status
from presence.core.user.patch import PresencePatch
from presence.errors import UserCrashed, UserUnavailable
from presence.live.messages import Look
from presence.live.service import (
    Applied,
    ConnectionTimer,
    NoRoom,
    NoSuchServer,
    PresenceService,
    Unattached,
)
from presence.live.user_actor import UserActor

DND = Status.DND


@pytest.fixture
async def clubs(store, autojump_clock):
    """A node without `everyone`: bob and carl share a server with ada, dora and erik none."""
    async with open_living(store, everyone_server=False) as living:
        await living.connect("ada", servers=("chess", "go"))
        await living.connect("bob", servers=("chess",))
        await living.connect("carl", servers=("go",))
        await living.connect("dora", servers=("poker",))
        await living.connect("erik", servers=())
        yield living


def ids(views):
    return [view.user_id for view in views]


# -- who may see whom ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "is_admin", "seen"),
    [
        pytest.param("ada", False, ["ada", "bob", "carl"], id="members of common servers"),
        pytest.param("bob", False, ["ada", "bob"], id="of one server"),
        pytest.param("dora", False, ["dora"], id="alone in a server"),
        pytest.param("erik", False, ["erik"], id="oneself, in no server"),
        pytest.param("zoe", False, [], id="a stranger"),
        pytest.param("zoe", True, ["ada", "bob", "carl", "dora", "erik"], id="an administrator"),
    ],
)
async def test_administrators_see_everybody_others_themselves_and_members_of_a_common_server(
    clubs, caller, is_admin, seen
):
    claims = attrs.evolve(clubs.claims(caller), is_admin=is_admin)
    users = ["ada", "bob", "carl", "dora", "erik", "nobody"]
    may_see = [user for user in users if clubs.service.may_see(claims, user)]
    assert [user for user in may_see if user != "nobody"] == seen
    assert ids(await clubs.service.views(claims, users)) == seen


async def test_views_come_in_the_order_that_was_asked_for(clubs):
    claims = clubs.claims("ada")
    assert ids(await clubs.service.views(claims, ["carl", "dora", "ada"])) == ["carl", "ada"]


async def test_members_are_for_members_and_administrators(clubs):
    members, stranger = clubs.service.members, clubs.claims("dora")
    assert ids(await members(clubs.claims("bob"), "chess", "", 10)) == ["ada", "bob"]
    assert ids(await members(clubs.claims("bob"), "chess", "ada", 1)) == ["bob"]
    admin = attrs.evolve(stranger, is_admin=True)
    assert ids(await members(admin, "chess", "", 10)) == ["ada", "bob"]
    for claims, server in ((stranger, "chess"), (stranger, "nowhere"), (admin, "nowhere")):
        with pytest.raises(NoSuchServer):
            await members(claims, server, "", 10)


async def test_the_list_of_users_holds_only_visible_users(clubs):
    assert await clubs.service.user_ids(clubs.claims("ada"), 0, 10) == ["ada", "bob", "carl"]
    assert await clubs.service.user_ids(clubs.claims("ada"), 1, 1) == ["bob"]
    assert await clubs.service.user_ids(clubs.claims("zoe"), 0, 10) == ["zoe"]


# -- connections -----------------------------------------------------------------------------


async def test_a_connection_registers_connects_commands_and_leaves(living, autojump_clock):
    service = living.service
    phone = living.start_connecting("bob", "phone")
    assert service.devices_of("bob") == ["phone"]
    assert service.connections_of("bob") == [phone]
    await service.connect(phone, phone.claims, intent=DND)
    assert (await service.look("bob")).self_view.status is DND
    service.command(phone, PresencePatch(intent=Status.AWAY))
    assert (await service.look("bob")).self_view.status is Status.AWAY
    phone.is_over = True
    service.leave(phone, Ending.CLEAN)
    await living.settle()
    assert service.devices_of("bob") == []
    assert await living.views("bob") == ["bob offline"]


async def test_no_timer_of_a_connection_outlives_it(living, autojump_clock):
    phone, rung = await living.connect("bob", "phone"), []
    at = living.service.now().mono + 1.0
    for timer in ConnectionTimer:
        living.service.set_timer(phone, timer, at, lambda stalled, timer=timer: rung.append(timer))
    living.service.cancel_timer(phone, ConnectionTimer.TOKEN)
    other = await living.connect("bob", "tablet")
    living.service.set_timer(
        other, ConnectionTimer.TOKEN, at, lambda stalled: rung.append("the other's")
    )
    living.leave(phone)
    await living.wait(2.0)
    assert rung == ["the other's"]


async def test_devices_without_a_name_differ_over_connections_and_restarts(store, autojump_clock):
    devices = []
    for _ in range(2):
        async with open_living(store) as living:
            service = living.service
            devices += [service.own_device(service.new_connection()) for _ in range(2)]
    assert len(set(devices)) == 4


# -- errors of actors ------------------------------------------------------------------------


async def test_a_change_without_a_connection_is_applied_or_says_why_not(living, autojump_clock):
    bob = living.claims("bob")
    applied = await living.service.change(bob, PresencePatch(intent=DND))
    assert isinstance(applied, Applied)
    assert await living.service.wait_stored(applied.ticket, within=5.0)
    activity = PresencePatch(activity="chess")
    assert await living.service.change(living.claims("zoe"), activity) == Unattached()


async def test_an_actor_that_crashes_or_does_not_answer_has_an_error_of_its_own(
    living, autojump_clock, monkeypatch
):
    async def crash(self, message):
        if isinstance(message, Look):
            raise RuntimeError("told to crash")

    async def sleep(self, message):
        await trio.sleep(100)

    with monkeypatch.context() as patch:
        patch.setattr(UserActor, "receive", crash)
        with pytest.raises(UserCrashed):
            await living.service.look("bob")
    with monkeypatch.context() as patch:
        patch.setattr(UserActor, "receive", sleep)
        with pytest.raises(UserUnavailable):
            await living.service.look("carl")
        await living.wait(100)


async def test_after_a_stop_every_request_of_a_user_is_unavailable(store, autojump_clock):
    async with open_living(store) as living:
        phone = await living.connect("bob", "phone")
        service = PresenceService(living.node)
        assert not service.is_draining
    assert service.is_draining
    with pytest.raises(UserUnavailable):
        await service.look("bob")
    with pytest.raises(UserUnavailable):
        service.command(phone, PresencePatch(intent=DND))
    with pytest.raises(UserUnavailable):
        service.ping(phone)
    with pytest.raises(UserUnavailable):
        await service.administration.put_user("bob", "Bob")


# -- devices without a connection ------------------------------------------------------------


async def test_the_state_of_a_device_is_set_and_taken_back_without_a_connection(clubs):
    claims = clubs.claims("ada")
    change = PresencePatch(state=State.IDLE, lease=60.0)
    answer = await clubs.service.change(claims, change, DeviceId("desk"))
    assert isinstance(answer, Applied)
    assert answer.lease_until == pytest.approx(clubs.service.now().wall + 60.0, abs=0.01)
    explanation = await clubs.service.explain("ada")
    assert "desk" in [reason.name for reason in explanation.because]
    for device in ("desk", "desk", "unknown"):
        await clubs.service.remove_device("ada", DeviceId(device))
    explanation = await clubs.service.explain("ada")
    assert "desk" not in [reason.name for reason in explanation.because]


async def test_a_device_beyond_the_limit_is_refused(store, autojump_clock):
    async with open_living(store, max_devices_per_user=1) as living:
        await living.connect("ada", "phone")
        change = PresencePatch(state=State.ONLINE)
        answer = await living.service.change(living.claims("ada"), change, DeviceId("desk"))
        assert answer == NoRoom()
