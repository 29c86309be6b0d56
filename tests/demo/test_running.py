"""The people of the demonstration act on a living node, by the door of all frontends."""

from collections import Counter

import pytest
import trio
from living import open_living

from presence.core.types import Status
from presence.demo.cast import PEOPLE, SERVERS
from presence.demo.running import Demo
from presence.demo.script import Draw, open_scene
from presence.errors import UserUnavailable
from presence.live.claims import Claims
from presence.live.service import Applied, PresenceService

OBSERVER = Claims("observer", expires_at=1e12, is_admin=True)


class WatchedService(PresenceService):
    """Remembers the answer to every change; may refuse to reach some users."""

    def __init__(self, node):
        super().__init__(node)
        self.answers = []
        self.unavailable = set()

    async def change(self, claims, change, device):
        if claims.user_id in self.unavailable:
            raise UserUnavailable(claims.user_id)
        answer = await super().change(claims, change, device)
        self.answers.append((claims.user_id, answer))
        return answer


# Each test asks for `autojump_clock` itself: pytest-trio looks nowhere else for it.
@pytest.fixture
async def service():
    async with open_living(everyone_server=False) as living:
        yield WatchedService(living.node)
        assert living.crashes == []


@pytest.fixture
async def demo(service, nursery):
    await nursery.start(Demo(service).run)


async def views_of(service):
    return await service.views(OBSERVER, [person.id for person in PEOPLE])


async def test_everybody_has_a_state_when_the_start_is_reported(autojump_clock, service, demo):
    views = await views_of(service)
    scene, _ = open_scene([Draw(0, n / 30, 0, 0, 0) for n in range(30)], 0)
    assert Counter(view.status for view in views) == Counter(
        life.status for life in scene.lives.values()
    )
    assert [view.username for view in views] == [person.name for person in PEOPLE]
    assert sum(view.custom_status is not None for view in views) > 15
    assert sum(view.activity is not None for view in views) > 5


async def test_each_server_has_the_members_that_the_cast_names(autojump_clock, service, demo):
    assert service.administration.servers() == sorted(SERVERS.items())
    for server_id in SERVERS:
        members = await service.members(OBSERVER, server_id, "", 500)
        assert [view.user_id for view in members] == sorted(
            person.id for person in PEOPLE if server_id in person.servers
        )


async def test_each_server_opens_with_every_status_and_most_members_online(
    autojump_clock, service, demo
):
    for server_id in SERVERS:
        members = await service.members(OBSERVER, server_id, "", 500)
        statuses = Counter(view.status for view in members)
        assert statuses.keys() == set(Status)
        assert statuses[Status.ONLINE] > statuses[Status.AWAY] + statuses[Status.DND]


async def test_over_half_an_hour_every_change_is_applied_and_shown(autojump_clock, service, demo):
    seen = Counter()
    views = await views_of(service)
    for _ in range(30):
        await trio.sleep(60)
        before, views = views, await views_of(service)
        seen.update(view.status for view in views)
        assert sum(view.status is Status.ONLINE for view in views) > len(PEOPLE) / 3
        assert sum(view != old for view, old in zip(views, before, strict=True)) > 10
    assert seen.keys() == set(Status)
    assert {type(answer) for _, answer in service.answers} == {Applied}
    assert len(service.answers) > 1500


async def test_two_demonstrations_show_the_same(autojump_clock):
    shown = []
    for _ in range(2):
        async with open_living(everyone_server=False) as living, trio.open_nursery() as nursery:
            service = WatchedService(living.node)
            await nursery.start(Demo(service).run)
            await trio.sleep(300)
            shown.append([user_id for user_id, _ in service.answers])
            nursery.cancel_scope.cancel()
    assert shown[0][:100] == shown[1][:100]
    assert len(shown[0]) > 200


async def test_who_cannot_act_now_misses_the_step_and_nobody_else_does(
    autojump_clock, service, demo
):
    service.unavailable = {person.id for person in PEOPLE[:15]}
    service.answers.clear()
    await trio.sleep(900)
    assert {user_id for user_id, _ in service.answers} == {person.id for person in PEOPLE[15:]}


async def test_a_demonstration_that_begins_again_finds_its_people_and_goes_on(
    autojump_clock, service, nursery
):
    for _ in range(2):
        async with trio.open_nursery() as run:
            await run.start(Demo(service).run)
            await trio.sleep(60)
            run.cancel_scope.cancel()
    views = await views_of(service)
    assert sum(view.status is Status.ONLINE for view in views) > len(PEOPLE) / 3
