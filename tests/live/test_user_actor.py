"""The events of a connection about its own user and others, in their order."""

import pytest
from living import open_living

from presence.core.events import Ending
from presence.core.types import Status
from presence.live.messages import Applied
from presence.live.user_actor import READ_AGAIN_AFTER

ONLINE, DND, OFFLINE = Status.ONLINE, Status.DND, Status.OFFLINE


# A snapshot, then live --------------------------------------------------------------------


async def test_a_connection_gets_its_snapshot_first_and_then_what_happens(living, autojump_clock):
    ada = await living.connect("ada")
    bob = await living.connect("bob")
    living.command(bob, custom_status="lunch")
    await living.settle()
    assert ada.lines == [
        "READY online: everyone[ada online]",
        "+everyone bob online",
        "bob online 'lunch'",
    ]
    assert bob.lines == [
        "READY online: everyone[ada online, bob online]",
        "SELF online (online) 'lunch'",
    ]


async def people_from_before(store, *user_ids):
    """A run in which each of *user_ids* was there; their views are in no table afterwards."""
    async with open_living(store) as living:
        for user_id in user_ids:
            await living.connect(user_id)


async def test_changes_during_a_snapshot_are_in_it_and_not_sent_again(store, autojump_clock):
    await people_from_before(store, "ada", "bob", "carl", "dora")
    async with open_living(store, restart_grace_after=0) as living:
        store.views_take = 5.0
        ada = living.start_connecting("ada")
        living.nursery.start_soon(living.arrive, ada)
        await living.wait(2)  # the ids of everyone are being read
        await living.patch("bob", intent=ONLINE)
        await living.wait(5)  # the views of those who are offline are being read
        await living.patch("bob", custom_status="lunch")
        await living.patch("carl", intent=DND)
        await living.patch("eve", intent=ONLINE)
        await living.wait(13)
        await living.patch("bob", intent=DND)
        await living.settle()
        assert ada.take_timed() == [
            (
                10.0,
                "READY online: everyone[ada online, bob online 'lunch', carl dnd, "
                "eve online, dora offline]",
            ),
            (20.0, "bob dnd 'lunch'"),
        ]
        await living.check_beliefs()


async def test_a_user_that_appears_during_a_snapshot_is_in_it(store, autojump_clock):
    await people_from_before(store, "ada", "dora")
    async with open_living(store) as living:
        store.views_take = 5.0
        ada = living.start_connecting("ada")
        living.nursery.start_soon(living.arrive, ada)
        await living.wait(2)
        await living.admin.put_user("bob", None)
        await living.wait(20)
        assert ada.lines == ["READY online: everyone[ada online, bob offline, dora offline]"]


async def test_a_user_deleted_during_a_snapshot_is_not_in_it(store, autojump_clock):
    await people_from_before(store, "ada", "bob", "carl", "dora")
    async with open_living(store) as living:
        assert await living.views("dora") == ["dora offline"]
        store.views_take = 5.0
        ada = living.start_connecting("ada")
        living.nursery.start_soon(living.arrive, ada)
        await living.wait(2)
        await living.admin.delete_user("dora")
        await living.wait(20)
        assert ada.lines == ["READY online: everyone[ada online, bob offline, carl offline]"]


async def test_an_unreadable_member_is_shown_bare_and_connects_go_on(store, autojump_clock):
    await people_from_before(store, "ada", "bob")
    async with open_living(store, everyone_server=False) as living:
        await living.admin.put_server("chess", None)
        await living.admin.put_member("chess", "ada")
        await living.admin.put_member("chess", "bob")
    async with open_living(store, everyone_server=False) as living:
        await living.look("ada")
        await living.patch("ada", intent=ONLINE)
        store.is_unreadable = True
        ada = await living.connect("ada")
        store.is_unreadable = False
        assert ada.lines == ["READY online: chess[ada online, bob offline]"]


async def test_pending_changes_are_in_a_snapshot_and_not_sent_again(store, autojump_clock):
    """Two tasks in any order: the change is in the snapshot, or it comes after it."""
    async with open_living(store, everyone_server=False, max_presence_changes=0) as living:
        bob = await living.connect("bob", servers=("chess",))
        await living.connect("ada", servers=("chess",))
        for number in range(12):
            living.command(bob, custom_status=str(number))
            late = living.start_connecting("ada")
            living.nursery.start_soon(living.arrive, late)
            await living.settle()
            assert "".join(late.lines).count(f"'{number}'") == 1
            living.leave(late)
            await living.check_beliefs()


async def test_a_connection_that_ended_before_its_actor_ran_is_never_shown(living, autojump_clock):
    ada = await living.connect("ada")
    bob = living.start_connecting("bob")
    living.node.connections.remove(bob)
    await living.arrive(bob)
    living.leave(bob, Ending.LOST)
    await living.settle()
    assert (ada.lines, bob.lines) == (["READY online: everyone[ada online]"], [])


async def test_a_connection_that_ends_while_its_snapshot_is_fetched_is_not_subscribed(
    store, autojump_clock
):
    await people_from_before(store, "ada", "bob")
    async with open_living(store) as living:
        store.views_take = 5.0
        ada = living.start_connecting("ada")
        living.nursery.start_soon(living.arrive, ada)
        await living.wait(1)
        living.leave(ada)
        await living.wait(20)
        assert ada.lines == []
        assert living.node.fanout.broadcaster.statistics().readers == 0
        assert await living.views("ada") == ["ada offline"]


# One's own connections --------------------------------------------------------------------


async def test_own_connections_get_the_self_view_and_never_the_public_one(living, autojump_clock):
    phone = await living.connect("ada", "phone")
    laptop = await living.connect("ada", "laptop", state=None)
    living.command(phone, intent=DND, activity="chess")
    await living.settle()
    living.command(laptop, intent=OFFLINE)
    await living.settle()
    wanted = ["SELF dnd (dnd) (chess)", "SELF offline (offline)"]
    assert phone.take()[1:] == wanted
    assert laptop.take()[1:] == wanted


async def test_a_connection_over_the_device_limit_is_ended_and_never_shown(store, autojump_clock):
    async with open_living(store, max_devices_per_user=1) as living:
        ada = await living.connect("ada", "phone")
        one_more = await living.connect("ada", "laptop")
        await living.settle()
        assert one_more.lines == ["END TOO_MANY_DEVICES"]
        living.leave(ada)
        await living.settle()
        assert await living.views("ada") == ["ada offline"]


async def test_a_command_of_a_connection_that_was_not_let_in_changes_nothing(store, autojump_clock):
    async with open_living(store, max_devices_per_user=1) as living:
        ada = await living.connect("ada", "phone")
        one_more = await living.connect("ada", "laptop")
        living.command(one_more, intent=DND)
        await living.settle()
        assert ada.lines == ["READY online: everyone[ada online]"]


async def test_a_command_over_rest_is_answered_with_the_self_view_and_a_ticket(
    living, autojump_clock
):
    answer = await living.patch("ada", intent=DND, custom_status="lunch")
    assert isinstance(answer, Applied)
    assert (answer.self_view.status, answer.self_view.custom_status) == (DND, "lunch")
    assert await living.node.writer.wait_committed(answer.ticket, within=1.0)
    assert await living.views("ada") == ["ada dnd 'lunch'"]


async def test_looking_at_oneself_creates_nothing(living, autojump_clock):
    view = await living.look("ada")
    assert (view.id, view.status) == ("ada", OFFLINE)
    await living.settle()
    assert (await living.views("ada"), len(living.node.users)) == ([], 0)


async def test_a_user_that_is_gone_is_forgotten_and_comes_back_as_it_was(living, autojump_clock):
    ada = await living.connect("ada")
    living.command(ada, custom_status="lunch")
    await living.settle()
    living.leave(ada)
    await living.wait(60)
    assert (len(living.node.users), len(living.node.records)) == (0, 0)
    again = await living.connect("ada")
    assert again.lines == ["READY online: everyone[ada online 'lunch']"]


# Claims -----------------------------------------------------------------------------------


async def test_a_claim_of_a_visible_user_is_published_at_once(living, autojump_clock):
    ada = await living.connect("ada", servers=("chess",))
    bob = await living.connect("bob")
    living.take_all()
    await living.patch("bob", servers=("chess", "go"), custom_status="hi")
    await living.settle()
    assert ada.take() == ["+chess bob online", "bob online 'hi'"]
    assert bob.take() == [
        "JOIN chess[ada online, bob online]",
        "JOIN go[bob online]",
        "SELF online (online) 'hi'",
    ]
    await living.patch("bob", servers=("go",))
    await living.settle()
    assert (ada.take(), bob.take()) == (["-chess bob"], ["LEAVE chess"])


async def test_a_claim_of_a_hidden_user_is_shown_with_its_next_visible_status(
    living, autojump_clock
):
    ada = await living.connect("ada", servers=("chess", "go"))
    bob = await living.connect("bob", servers=("go",))
    living.command(bob, intent=OFFLINE)
    await living.settle()
    living.take_all()
    await living.patch("bob", servers=("chess",))
    await living.settle()
    # The user itself has moved already; for others it goes on as it was.
    assert (ada.take(), bob.take()) == ([], ["LEAVE go", "JOIN chess[ada online]"])
    assert living.node.memberships.can_see("bob", "ada")
    living.command(bob, intent=DND)
    await living.settle()
    # The addition stands for the status in the new server, and nothing is told twice.
    assert ada.take() == ["+chess bob dnd", "-go bob"]


async def test_subscribers_of_the_old_server_get_the_status_event(living, autojump_clock):
    """Of two observers one sees the user appear, the other sees it change."""
    living.node.memberships.has_everyone = False
    ada = await living.connect("ada", servers=("chess",))
    carl = await living.connect("carl", servers=("go",))
    bob = await living.connect("bob", servers=("go",), intent=OFFLINE)
    living.command(bob, intent=ONLINE)
    await living.settle()
    living.command(bob, intent=OFFLINE)
    await living.settle()
    await living.patch("bob", servers=("go", "chess"))
    living.take_all()
    living.command(bob, intent=ONLINE)
    await living.settle()
    assert (ada.take(), carl.take()) == (["+chess bob online"], ["bob online"])


async def test_the_order_of_claims_outlives_the_actor_and_the_server(store, autojump_clock):
    async with open_living(store) as living:
        bob = await living.connect("bob", servers=("chess",), issued_at=100.0)
        living.leave(bob)
        await living.wait(60)
        await living.connect("bob", servers=("go",), issued_at=99.0)
    async with open_living(store) as living:
        await living.connect("bob", servers=("go",), issued_at=99.0)
        assert living.node.memberships.servers_of("bob") == {"everyone", "chess"}
        assert living.node.memberships.names == {"everyone": "everyone", "chess": "chess"}


async def test_a_claim_of_everyone_makes_no_such_server(store, autojump_clock):
    async with open_living(store, everyone_server=False) as living:
        await living.connect("bob", servers=("everyone",))
    async with open_living(store, everyone_server=False) as living:
        assert living.admin.servers() == []


async def test_a_new_name_is_a_member_event_that_replaces_the_status(living, autojump_clock):
    ada = await living.connect("ada")
    bob = await living.connect("bob")
    living.take_all()
    await living.connect("bob", name="Robert")
    await living.settle()
    assert ada.take() == ["+everyone bob=Robert online"]
    living.command(bob, intent=OFFLINE)
    await living.settle()
    await living.connect("bob", name="Bobby")
    await living.settle()
    assert ada.take() == ["bob=Robert offline"]
    assert await living.views("bob") == ["bob=Robert offline"]
    living.command(bob, intent=DND)
    await living.settle()
    assert ada.take() == ["+everyone bob=Bobby dnd"]


# Hidden users -----------------------------------------------------------------------------


async def test_a_new_user_that_hides_does_not_exist_for_others_until_it_is_visible(
    living, autojump_clock
):
    ada = await living.connect("ada")
    bob = await living.connect("bob", intent=OFFLINE, servers=("chess",), name="Robert")
    await living.settle()
    carl = await living.connect("carl", servers=("chess",))
    assert carl.take() == ["READY online: chess[carl online]; everyone[ada online, carl online]"]
    assert (await living.views("bob"), ada.take()[1:]) == ([], ["+everyone carl online"])
    living.command(bob, intent=ONLINE)
    await living.settle()
    assert ada.take() == ["+everyone bob=Robert online"]
    assert carl.take() == ["+chess bob=Robert online", "+everyone bob=Robert online"]
    assert await living.views("bob") == ["bob=Robert online"]


# Servers joined and left --------------------------------------------------------------------


async def test_joining_and_leaving_change_events_and_subscriptions(store, autojump_clock):
    async with open_living(store, everyone_server=False) as living:
        bob = await living.connect("bob")
        ada = await living.connect("ada", servers=("chess",))
        await living.admin.put_member("chess", "bob")
        await living.settle()
        assert bob.take() == ["READY online: ", "JOIN chess[ada online, bob online]"]
        assert ada.take() == ["READY online: chess[ada online]", "+chess bob online"]
        living.command(ada, intent=DND)
        await living.settle()
        living.admin.delete_member("chess", "bob")
        await living.settle()
        living.command(ada, intent=ONLINE)
        await living.settle()
        assert bob.take() == ["ada dnd", "LEAVE chess"]
        assert ada.take() == ["SELF dnd (dnd)", "-chess bob", "SELF online (online)"]


async def test_moves_that_wait_together_end_with_the_newest(living, autojump_clock):
    await living.admin.put_server("chess", "Chess club")
    await living.admin.put_server("go", None)
    bob = await living.connect("bob")
    await living.admin.put_member("chess", "bob")
    await living.admin.put_member("go", "bob")
    living.admin.delete_member("chess", "bob")
    await living.settle()
    assert bob.take()[1:] == ["JOIN go[bob online]"]


async def test_a_dismissed_user_gets_no_more_events_at_once(living, autojump_clock):
    await living.admin.put_server("chess", None)
    bob = await living.connect("bob")
    await living.admin.put_member("chess", "bob")
    await living.admin.put_user("ada", None)
    await living.settle()
    bob.take()
    await living.admin.put_members("chess", ["ada"])
    assert bob.take() == ["LEAVE chess"]
    await living.settle()
    assert bob.take() == []


async def test_a_move_is_not_refused_by_a_full_mailbox(living, autojump_clock):
    await living.admin.put_server("chess", None)
    bob = await living.connect("bob")
    for _ in range(100):
        living.nursery.start_soon(living.look, "bob")
    await living.admin.put_member("chess", "bob")
    await living.settle()
    assert bob.take()[1:] == ["JOIN chess[bob online]"]


async def test_a_user_dismissed_during_a_snapshot_sees_nothing_of_the_server(store, autojump_clock):
    await people_from_before(store, "ada", "bob", "zoe")
    async with open_living(store) as living:
        await living.admin.put_server("chess", None)
        for user_id in ("bob", "zoe"):
            await living.admin.put_member("chess", user_id)
        store.views_take = 5.0
        bob = living.start_connecting("bob")
        living.nursery.start_soon(living.arrive, bob)
        await living.wait(2)
        living.admin.delete_member("chess", "bob")
        await living.wait(20)
        assert bob.lines == ["READY online: everyone[bob online, ada offline, zoe offline]"]


# Tokens and ends --------------------------------------------------------------------------


async def test_a_connection_whose_token_was_revoked_on_its_way_is_not_let_in(
    living, autojump_clock
):
    ada = await living.connect("ada")
    await living.connect("bob")
    late = living.start_connecting("bob", issued_at=living.node.clock.now().wall - 1)
    living.node.connections.remove(late)
    await living.admin.revoke("bob")
    living.node.connections.add(late, None)
    await living.arrive(late)
    assert late.lines == ["END TOKEN"]
    await living.wait(20)
    assert ada.take()[1:] == ["+everyone bob online", "bob offline"]


# Rows that cannot be read -----------------------------------------------------------------


async def hide(store, user_id, **claims):
    """A run in which the user chose never to be seen, and had a text."""
    async with open_living(store) as living:
        connection = await living.connect(user_id, **claims)
        living.command(connection, custom_status="lunch", appear_offline=True)
        await living.settle()
        living.leave(connection)


async def test_an_unreadable_user_is_hidden_and_restored_hidden(store, autojump_clock):
    await hide(store, "bob")
    async with open_living(store) as living:
        ada = await living.connect("ada")
        store.is_unreadable = True
        bob = await living.connect("bob")
        living.command(bob, intent=DND)  # does not take the flag back
        await living.wait(3.5)
        assert bob.take()[0].startswith("READY offline")
        store.is_unreadable = False
        await living.wait(READ_AGAIN_AFTER)
        assert bob.take() == ["SELF offline (dnd) 'lunch'"]
        assert ada.take()[1:] == []
        living.command(bob, appear_offline=False)
        await living.settle()
        assert ada.take() == ["bob dnd 'lunch'"]


async def test_an_unreadable_user_that_was_not_hidden_is_shown_once_read(store, autojump_clock):
    await people_from_before(store, "bob")
    async with open_living(store, restart_grace_after=0) as living:
        ada = await living.connect("ada")
        store.is_unreadable = True
        bob = await living.connect("bob", name="Robert", servers=("chess",))
        living.command(bob, custom_status="hi")
        await living.wait(5.5)
        assert (ada.take()[1:], bob.self_view.status) == ([], OFFLINE)
        store.is_unreadable = False
        await living.wait(READ_AGAIN_AFTER)
        assert ada.take() == ["+everyone bob=Robert online 'hi'"]
        assert bob.self_view.status is ONLINE
        assert bob.servers.keys() == {"chess", "everyone"}
        living.leave(bob)
        await living.settle()
        assert ada.take() == ["bob=Robert offline 'hi'"]


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_unreadable_user_that_hides_meanwhile_is_never_shown(
    store, autojump_clock, is_known
):
    if is_known:
        await people_from_before(store, "bob")
    async with open_living(store, restart_grace_after=0) as living:
        ada = await living.connect("ada")
        store.is_unreadable = True
        wishing = await living.connect("bob", "phone", intent=OFFLINE)
        other = await living.connect("bob", "laptop")
        versions, before = living.node.incarnation.versions, living.node.incarnation.versions.latest
        await living.wait(1.5)
        living.command(other, intent=DND)
        await living.settle()
        living.command(other, intent=OFFLINE)
        await living.wait(0.5)
        store.is_unreadable = False
        await living.wait(5)
        assert ada.take()[1:] == []
        assert versions.latest == before
        assert (await living.look("bob")).intent is OFFLINE
        assert [each.self_view.status for each in (wishing, other)] == [OFFLINE, OFFLINE]


async def test_a_new_user_that_came_while_nothing_could_be_read_is_there_afterwards(
    living, store, autojump_clock
):
    ada = await living.connect("ada")
    store.is_unreadable = True
    bob = await living.connect("bob", servers=("chess",))
    await living.wait(0.5)
    store.is_unreadable = False
    await living.wait(1)
    assert ada.take()[1:] == ["+everyone bob online"]
    assert bob.servers.keys() == {"chess", "everyone"}


async def test_an_older_claim_is_ignored_though_nothing_could_be_read(store, autojump_clock):
    async with open_living(store) as living:
        await living.connect("bob", servers=("chess",), issued_at=100.0)
    async with open_living(store) as living:
        store.is_unreadable = True
        await living.connect("bob", servers=("go",), issued_at=99.0)
        await living.wait(0.5)
        store.is_unreadable = False
        await living.wait(1)
        assert living.node.memberships.servers_of("bob") == {"everyone", "chess"}


async def test_an_unreadable_user_that_left_is_forgotten_once_read(store, autojump_clock):
    await people_from_before(store, "bob")
    async with open_living(store, restart_grace_after=0) as living:
        ada = await living.connect("ada")
        store.is_unreadable = True
        bob = await living.connect("bob")
        living.command(bob, custom_status="hi")
        await living.settle()
        living.leave(bob)
        await living.wait(5)
        store.is_unreadable = False
        await living.wait(60)
        assert (ada.take()[1:], len(living.node.users)) == ([], 1)
        assert (await living.look("bob")).custom_status == "hi"


async def test_a_row_that_makes_no_sense_hides_the_user_until_it_sets_a_status(
    store, autojump_clock
):
    await people_from_before(store, "bob")
    async with open_living(store) as living:
        ada = await living.connect("ada")
        store.unreadable_rows.add("bob")
        bob = await living.connect("bob")
        living.command(bob, custom_status="hi")
        await living.wait(60)
        assert (ada.take(), bob.take()[1:]) == (
            ["READY online: everyone[ada online, bob offline]"],
            ["SELF offline (online) 'hi'"],
        )
        living.command(bob, intent=ONLINE)
        await living.settle()
        assert ada.take() == ["bob online 'hi'"]


async def test_after_a_moved_store_a_user_without_a_row_is_hidden_until_it_sets_a_status(
    store, autojump_clock
):
    store.was_moved_aside = True
    async with open_living(store) as living:
        ada = await living.connect("ada")
        assert ada.lines == ["READY offline: everyone[]"]
        ada_again = await living.connect("ada", intent=ONLINE)
        assert (await living.views("ada"), ada_again.self_view.status) == ([], OFFLINE)
        living.command(ada, intent=ONLINE)
        await living.settle()
        assert await living.views("ada") == ["ada online"]
    store.was_moved_aside = False
    async with open_living(store, restart_grace_after=0) as living:
        await living.connect("ada")
        assert await living.views("ada") == ["ada online"]
