"""Changes by administrators are shown at once, also of hidden users."""

import attrs
import pytest
from listening import NUMBERS, PLAIN
from living import WALL, FaultyStore, open_living

from presence.core.public_changes import ServerRenamed
from presence.core.types import Status
from presence.live.administration import NoSuchUser

ONLINE, DND, OFFLINE = Status.ONLINE, Status.DND, Status.OFFLINE


@pytest.fixture
def admin(living):
    return living.admin


async def committed(living, ticket):
    return ticket > 0 and await living.node.writer.wait_committed(ticket, within=1.0)


# Servers ----------------------------------------------------------------------------------


async def test_servers_are_made_named_and_deleted(living, admin, autojump_clock):
    assert await committed(living, await admin.put_server("chess", "Chess club"))
    await admin.put_server("go", None)
    await admin.put_server("chess", None)  # keeps its name
    wanted = [("chess", "Chess club"), ("everyone", "everyone"), ("go", "go")]
    assert admin.servers() == wanted
    assert await committed(living, admin.delete_server("go"))
    assert admin.servers() == wanted[:2]


async def test_members_of_a_deleted_server_get_its_removal(store, autojump_clock):
    async with open_living(store, everyone_server=False) as living:
        ada = await living.connect("ada", servers=("chess", "go"))
        bob = await living.connect("bob", servers=("chess",))
        await living.settle()
        living.take_all()
        living.admin.delete_server("chess")
        living.command(bob, intent=DND)
        await living.settle()
        assert ada.take() == ["LEAVE chess"]
        assert bob.take() == ["LEAVE chess", "SELF dnd (dnd)"]
        await living.check_beliefs()


# Members ----------------------------------------------------------------------------------


async def test_a_member_is_created_if_need_be_and_shown_at_once(living, admin, autojump_clock):
    ada = await living.connect("ada", servers=("chess",))
    assert await committed(living, await admin.put_member("chess", "bob"))
    await living.settle()
    assert ada.take()[1:] == ["+everyone bob offline", "+chess bob offline"]
    await admin.put_member("chess", "bob")
    await living.settle()
    assert ada.take() == []
    admin.delete_member("chess", "bob")
    await living.settle()
    assert ada.take() == ["-chess bob"]


async def test_a_hidden_user_is_moved_at_once(living, admin, autojump_clock):
    await admin.put_server("go", None)
    ada = await living.connect("ada", servers=("chess",))
    bob = await living.connect("bob", servers=("chess",))
    living.command(bob, intent=OFFLINE)
    await living.settle()
    living.take_all()
    await admin.put_member("go", "bob")
    admin.delete_member("chess", "bob")
    await living.settle()
    await admin.put_member("go", "ada")
    await living.settle()
    assert ada.take() == ["-chess bob", "JOIN go[ada online, bob offline]"]
    assert bob.take() == ["LEAVE chess", "JOIN go[bob offline]", "+go ada online"]


async def test_a_list_of_members_replaces_those_that_administration_made(
    living, admin, autojump_clock
):
    ada = await living.connect("ada", servers=("chess",))
    for user_id in ("bob", "carl"):
        await admin.put_member("chess", user_id)
    await living.settle()
    ada.take()
    assert await committed(living, await admin.put_members("chess", ["carl", "dora", "dora"]))
    await living.settle()
    assert ada.take() == ["+everyone dora offline", "-chess bob", "+chess dora offline"]
    # Ada is there by her token, which no list takes back.
    assert living.node.memberships.members_of("chess") == {"ada", "carl", "dora"}


async def test_a_change_that_comes_while_a_list_is_carried_out_is_not_undone(
    living, admin, autojump_clock
):
    """Two tasks in any order; of the list somebody has to be created first."""
    await admin.put_server("chess", None)
    await living.connect("ada", servers=("chess",), issued_at=1.0)
    await admin.put_member("chess", "ada")
    bob = await living.connect("bob")
    for number in range(12):
        living.nursery.start_soon(admin.put_members, "chess", ["ada", "bob", f"new{number}"])
        living.command(bob, custom_status=str(number))
        await living.settle()
        await living.check_beliefs()
        await admin.put_members("chess", ["ada"])
        await living.wait(20)


# Users ------------------------------------------------------------------------------------


async def test_renaming_a_hidden_user_shows_the_name_and_nothing_it_claimed(
    living, admin, autojump_clock
):
    ada = await living.connect("ada")
    bob = await living.connect("bob")
    living.command(bob, intent=OFFLINE)
    await living.settle()
    await living.patch("bob", custom_status="secret", name="Bobby")
    ada.take()
    await admin.put_user("bob", "Robert")
    await living.settle()
    assert ada.take() == ["+everyone bob=Robert offline"]


async def test_nothing_that_was_under_way_brings_a_deleted_user_back(living, admin, autojump_clock):
    await living.connect("ada")
    bob = await living.connect("bob")
    late = living.start_connecting("bob", issued_at=WALL - 1)
    answers = []

    async def patch():
        try:
            answers.append(await living.patch("bob", intent=ONLINE, issued_at=WALL - 1))
        except Exception as error:
            answers.append(type(error).__name__)

    living.nursery.start_soon(admin.delete_user, "bob")
    await living.settle()
    living.command(bob, intent=DND, custom_status="still here")
    living.nursery.start_soon(living.arrive, late)
    living.nursery.start_soon(patch)
    await living.wait(30)
    assert answers == ["UserUnavailable"]
    assert (bob.lines[-1], late.lines) == ("END DISCONNECTED", ["END DISCONNECTED"])
    assert await living.views("bob") == []
    assert await living.store.inner.read_user("bob") is None


async def test_a_user_that_was_never_visible_can_be_deleted(living, admin, autojump_clock):
    ada = await living.connect("ada")
    bob = await living.connect("bob", intent=OFFLINE)
    living.leave(bob)
    await living.wait(60)
    assert (len(living.node.records), "ada" in living.node.records) == (1, True)
    await admin.delete_user("bob")
    await living.commit()
    assert await living.store.inner.read_user("bob") is None
    assert ada.lines == ["READY online: everyone[ada online]"]
    with pytest.raises(NoSuchUser):
        await admin.disconnect("nobody")


async def test_a_revoked_user_keeps_its_data_but_not_its_connections(living, admin, autojump_clock):
    ada = await living.connect("ada")
    bob = await living.connect("bob", issued_at=WALL)
    living.command(bob, custom_status="lunch")
    await living.settle()
    living.take_all()
    assert await committed(living, await admin.revoke("bob"))
    await living.wait(9)
    # For others it is a connection that was lost.
    assert (bob.take(), ada.take()) == (["END TOKEN"], [])
    assert (await living.connect("bob", issued_at=WALL)).lines == ["END TOKEN"]
    again = await living.connect("bob", issued_at=WALL + 5)
    await living.wait(20)
    assert again.lines == ["READY online: everyone[ada online, bob online 'lunch']"]
    assert ada.take() == []


async def test_a_connection_that_was_on_its_way_is_disconnected_too(living, admin, autojump_clock):
    ada = await living.connect("ada")
    await living.connect("bob")
    await living.settle()
    ada.take()
    before = living.start_connecting("bob")
    await admin.disconnect("bob")
    between = living.start_connecting("bob")
    for subscriber in (before, between):
        living.nursery.start_soon(living.arrive, subscriber)
    await living.wait(60)
    assert ada.take() == ["bob offline"]
    assert (before.lines, between.lines) == (["END DISCONNECTED"], ["END DISCONNECTED"])


async def test_nothing_is_changed_of_a_user_that_cannot_be_read(living, admin, autojump_clock):
    ada = await living.connect("ada")
    await admin.put_user("bob", None)
    await living.commit()
    ada.take()
    living.store.is_unreadable = True
    for change in (admin.put_user("bob", "Bob"), admin.delete_user("bob")):
        with pytest.raises(Exception, match="cannot be read"):
            await change
    living.store.is_unreadable = False
    await living.wait(2)
    assert (ada.take(), await living.views("bob")) == ([], ["bob offline"])


# Another name of a server -----------------------------------------------------------------


async def rename_seen_from(store, watching, bob_hides):
    """The bytes that *watching* would be sent for a new name while bob hides, or is gone."""
    async with open_living(store, everyone_server=False) as living:
        await living.admin.put_server("chess", "Chess")
        ada = await living.connect("ada", servers=("chess",), dialect=watching)
        bob = await living.connect("bob", servers=("chess",))
        await living.settle()
        if bob_hides:
            living.command(bob, intent=OFFLINE)
        else:
            living.leave(bob)
        await living.settle()
        if bob_hides:  # nothing of it is for others
            living.command(bob, custom_status="secret")
        await living.settle()
        ada.take()
        await living.admin.put_server("chess", "Chess club")
        await living.settle()
        [(_, update)] = [pair for pair in ada.values if isinstance(pair[1], ServerRenamed)]
        return ada.take(), [attrs.evolve(each, version=0) for each in update.snapshot.members]


async def test_a_new_name_shows_a_hidden_member_as_one_who_is_gone(autojump_clock):
    hidden, gone = [
        await rename_seen_from(FaultyStore(), PLAIN, bob_hides) for bob_hides in (True, False)
    ]
    assert hidden == gone
    assert hidden[0] == ["~chess Chess club"]
    assert [view.status for view in hidden[1]] == [ONLINE, OFFLINE]


async def test_a_dialect_without_names_of_servers_is_sent_nothing_for_one(autojump_clock):
    lines, _ = await rename_seen_from(FaultyStore(), NUMBERS, bob_hides=False)
    assert lines == []


async def test_a_name_that_is_given_again_is_not_sent(living, autojump_clock):
    await living.admin.put_server("chess", "Chess")
    ada = await living.connect("ada", servers=("chess",))
    ada.take()
    await living.admin.put_server("chess", "Chess")
    await living.admin.put_server("chess", None)
    await living.settle()
    assert ada.take() == []


async def test_a_status_after_a_new_name_is_the_last_word(living, autojump_clock):
    """A change that comes with the snapshot is neither lost nor older than it."""
    await living.admin.put_server("chess", "Chess")
    ada = await living.connect("ada", servers=("chess",))
    bob = await living.connect("bob", servers=("chess",))
    ada.take()
    living.command(bob, activity="chess")  # goes out at once, the others wait for their turn
    living.command(bob, intent=DND)
    await living.admin.put_server("chess", "Chess club")
    living.command(bob, custom_status="lunch")
    await living.settle()
    await living.check_beliefs()
    assert ada.take()[-1] == "bob dnd 'lunch' (chess)"
