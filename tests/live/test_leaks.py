"""A hidden user cannot be told from a gone one: two runs, the same for every observer.

In the one run Eve goes; in the other she hides at that moment and goes on with
a secret life. What observers are told, when, and what they are answered must
not differ. See the list of leak channels in the model: hidden users.
"""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from living import WALL, FaultyStore, open_living
from trio.testing import MockClock, wait_all_tasks_blocked

from presence.core.events import Ending
from presence.core.public_changes import MemberAdded, MemberRemoved, PresenceChanged
from presence.core.types import State, Status
from presence.live.administration import NoSuchUser
from presence.live.views.user_pages import UserPages

SERVERS = ("chess", "go")
STATUSES = st.sampled_from([Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE])
TEXTS = st.sampled_from([None, "lunch", "dessert"])
SOME_SERVERS = st.sampled_from([None, (), ("chess",), ("go",), SERVERS])


# What happens, each a function of the living node and of Eve's connections ------------------


def secret_command(change):
    async def act(living, mine):
        if mine:
            living.command(mine[-1], **change)

    return act


def secret_patch(change, servers):
    async def act(living, mine):
        await living.patch("eve", servers=servers, **change)

    return act


def secret_connect(device, state, wish, servers, name):
    async def act(living, mine):
        claims = {"servers": servers, "name": name}
        mine.append(await living.connect("eve", device, state=state, intent=wish, **claims))

    return act


def secret_leave(ending):
    async def act(living, mine):
        if mine:
            living.leave(mine.pop(0), ending)

    return act


async def secret_ping(living, mine):
    for subscriber in mine:
        living.ping(subscriber)


async def secret_look(living, mine):
    await living.look("eve")


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "intent": STATUSES,
        "custom_status": TEXTS,
        "activity": TEXTS,
        "state": st.sampled_from(State),
        "custom_status_until": st.sampled_from([None, WALL + 40.0, WALL + 2000.0]),
    },
)
SECRETS = st.one_of(
    CHANGES.map(secret_command),
    st.builds(secret_patch, CHANGES, SOME_SERVERS),
    st.builds(
        secret_connect,
        st.sampled_from([None, "phone", "laptop"]),
        st.sampled_from([None, *State]),
        st.none() | STATUSES,
        SOME_SERVERS,
        st.sampled_from([None, "Evelyn"]),
    ),
    st.sampled_from(Ending).map(secret_leave),
    st.just(secret_ping),
    st.just(secret_look),
)


def public_change(change):
    async def act(living, crowd):
        living.command(crowd[0], **change)

    return act


def public_admit(server_id, user_id):
    async def act(living, crowd):
        await living.admin.put_member(server_id, user_id)

    return act


def public_dismiss(server_id, user_id):
    async def act(living, crowd):
        living.admin.delete_member(server_id, user_id)

    return act


def public_replace(server_id, user_ids):
    async def act(living, crowd):
        await living.admin.put_members(server_id, user_ids)

    return act


def public_rename(name):
    async def act(living, crowd):
        await living.admin.put_user("eve", name)

    return act


def public_arrival(user_id, servers):
    async def act(living, crowd):
        crowd.append(await living.connect(user_id, servers=servers))

    return act


async def public_disconnect(living, crowd):
    await living.admin.disconnect("eve")


USERS = st.sampled_from(["ada", "bob", "eve"])
PUBLIC = st.one_of(
    CHANGES.map(public_change),
    st.builds(public_admit, st.sampled_from(SERVERS), USERS),
    st.builds(public_dismiss, st.sampled_from(SERVERS), USERS),
    st.builds(public_replace, st.sampled_from(SERVERS), st.lists(USERS, unique=True)),
    st.builds(public_rename, st.sampled_from(["Eve", "Eva"])),
    st.builds(public_arrival, st.sampled_from(["ada", "bob", "carl"]), SOME_SERVERS),
    st.just(public_disconnect),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 11.0, 30.0, 200.0, 1000.0]),
        st.lists(SECRETS, max_size=4),
        st.none() | PUBLIC,
    ),
    max_size=8,
)


# The two runs -----------------------------------------------------------------------------


async def answers_about_eve(living):
    """Every answer that an observer may ask for, as whole values."""
    public_views = living.node.public_views
    views = await public_views.views(["ada", "eve", "bob", "nobody"])
    pages = [await public_views.page(each, "", 10) for each in ("everyone", *SERVERS)]
    snapshots = await public_views.snapshots(["everyone", *SERVERS], list)
    groups = ({"everyone"}, set(SERVERS))
    lists = [await UserPages(public_views).ids(each, "ada", 0, 10) for each in groups]
    may_see = [living.node.memberships.can_see(each, "eve") for each in ("ada", "bob")]
    return trio.current_time(), views, pages, snapshots, lists, may_see


async def begin_in_the_open(living, is_hidden):
    """Eve is seen by all; then she goes, or hides at that very moment."""
    phone = await living.connect("eve", "phone", servers=("chess",))
    living.command(phone, custom_status="hi", activity="go", custom_status_until=WALL + 300.0)
    await living.wait(1)
    if not is_hidden:
        living.leave(phone)
        return []
    living.command(phone, appear_offline=True)
    return [phone]


async def begin_unknown(living, is_hidden):
    """Eve was never there; or she came hidden, and will not be seen."""
    await living.wait(1)
    if not is_hidden:
        return []
    phone = await living.connect("eve", "phone", intent=Status.OFFLINE)
    living.command(phone, appear_offline=True)
    return [phone]


async def live_through(begin, steps, is_hidden):
    """The events and answers of the observers in one of the two runs, and after a restart."""
    store = FaultyStore()
    before = await live_one_run(store, begin, steps, is_hidden)
    async with open_living(store) as living:
        ada = await living.connect("ada")
        answers, ends_at = [await answers_about_eve(living)], trio.current_time() + 100
        if is_hidden:
            await secret_life(living, await living.connect("eve", "phone"))
        await living.wait(ends_at - trio.current_time())
        answers.append(await answers_about_eve(living))
        return before, ada.values, answers


async def live_one_run(store, begin, steps, is_hidden):
    async with open_living(store) as living:
        await living.admin.put_server("chess", None)
        await living.admin.put_server("go", None)
        crowd = [await living.connect("ada"), await living.connect("bob", servers=("chess",))]
        mine = await begin(living, is_hidden)
        await wait_all_tasks_blocked()
        answers = []
        for seconds, secrets, public in steps:
            if is_hidden:
                for secret in secrets:
                    await secret(living, mine)
                await wait_all_tasks_blocked()
            await living.wait(seconds)
            mine = [subscriber for subscriber in mine if not subscriber.is_over]
            if public is not None:
                await act_in_public(public, living, crowd)
            await wait_all_tasks_blocked()
            answers.append(await answers_about_eve(living))
        await living.check_beliefs()
        return [sorted(subscriber.values, key=moment_and_subject) for subscriber in crowd], answers


def moment_and_subject(told):
    """The order of events of different users at one moment is left open."""
    told_at, value = told
    match value:
        case PresenceChanged(view=view) | MemberAdded(view=view):
            return told_at, view.user_id
        case MemberRemoved(user_id=user_id):
            return told_at, user_id
        case _:
            return told_at, ""


async def act_in_public(public, living, crowd):
    try:
        await public(living, crowd)
    except NoSuchUser:
        assert public is public_disconnect  # only an administrator knows who never showed


def run(begin, steps, is_hidden):
    clock = MockClock(autojump_threshold=0)
    return trio.run(live_through, begin, steps, is_hidden, clock=clock)


@pytest.mark.slow
@settings(settings.get_profile("live"), max_examples=150)
@given(STEPS)
def test_a_hidden_user_cannot_be_told_from_a_gone_one(steps):
    assert run(begin_in_the_open, steps, True) == run(begin_in_the_open, steps, False)


@pytest.mark.slow
@settings(settings.get_profile("live"), max_examples=75)
@given(STEPS)
def test_a_user_that_was_never_visible_cannot_be_told_from_an_unknown_one(steps):
    assert run(begin_unknown, steps, True) == run(begin_unknown, steps, False)


async def secret_life(living, phone):
    """A bit of everything, in secret."""
    living.command(phone, custom_status="secret", activity="secret")
    await living.connect("eve", "laptop", name="Evelyn", servers=("go",))
    await living.patch("eve", intent=Status.DND)
    await living.wait(20)
    living.leave(phone)
    await living.wait(20)


async def test_on_becoming_visible_there_is_one_event_with_what_is_so_now(autojump_clock):
    async with open_living() as living:
        ada = await living.connect("ada")
        eve = await living.connect("eve")
        living.command(eve, appear_offline=True)
        await living.settle()
        ada.take()
        await secret_life(living, eve)
        assert ada.take() == []
        await living.patch("eve", appear_offline=False)
        await living.settle()
        assert ada.take() == ["+everyone eve=Evelyn dnd 'secret'"]
        (view,) = await living.node.public_views.views(["eve"])
        assert view.last_seen is None
        await living.check_beliefs()


async def test_a_hidden_user_keeps_no_view_in_the_table(store, autojump_clock):
    """Its actor reads what it needs past the table, or answers would come sooner for it."""
    async with open_living(store) as living:
        living.command(await living.connect("eve"), appear_offline=True)
        await living.settle()
    async with open_living(store, everyone_server=False) as living:
        store.unreadable_rows.add("eve")
        await living.look("eve")
        assert living.node.public_views.peek("eve") is None
        store.unreadable_rows.clear()
        store.views_read.clear()
        await living.connect("eve")
        assert living.node.public_views.peek("eve") is None
        assert store.views_read == []
