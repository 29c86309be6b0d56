"""Lets the users of the demonstration act, through the service that all frontends use."""

import math
import random
from typing import Final

import trio

from presence.core.types import DeviceId, UserId
from presence.demo.cast import PEOPLE, SERVERS
from presence.demo.script import DRAW_SIZE, LONGEST_PAUSE, Draw, Scene, Step, open_scene, plan_step
from presence.errors import UserCrashed, UserUnavailable
from presence.live.claims import Claims
from presence.live.service import PresenceService

DEVICE: Final = DeviceId("desk")
"""The device of each person; a lease holds it, so no connection is needed."""
SEED: Final = 79
"""With it each server opens with every status, and most of its members online."""


class Demo:
    """The task of the demonstration: populate the servers, then act by the script for ever.

    Each run begins anew with the same *seed*, so it may be restarted. It may be
    cancelled at any time.
    """

    def __init__(self, service: PresenceService, seed: int = SEED) -> None:
        self._service = service
        self._seed = seed

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Report the start once everybody has its state; never return."""
        numbers = random.Random(self._seed)
        await self._populate()
        scene, steps = open_scene([_draw(numbers) for _ in PEOPLE], self._now())
        for step in steps:
            await self._perform(step)
        task_status.started()
        while True:
            scene = await self._continue(scene, _draw(numbers))

    async def _populate(self) -> None:
        """Make the servers, the people and their memberships, as an administrator would."""
        administration = self._service.administration
        for person in PEOPLE:
            await administration.put_user(person.id, person.name)
        for server_id, name in SERVERS.items():
            await administration.put_server(server_id, name)
            members = [person.id for person in PEOPLE if server_id in person.servers]
            await administration.put_members(server_id, members)

    async def _continue(self, scene: Scene, draw: Draw) -> Scene:
        """Wait for the next step and make it; return the scene after it."""
        now = self._now()
        step = plan_step(scene, draw, now)
        if step is None:
            await trio.sleep(LONGEST_PAUSE)
            return scene
        await trio.sleep(step.at - now)
        await self._perform(step)
        return scene.after(step)

    async def _perform(self, step: Step) -> None:
        """Make one step; whoever cannot make it now misses it, and a later one corrects that."""
        try:
            if step.change is None:
                await self._service.remove_device(step.user_id, DEVICE)
            else:
                await self._service.change(self._claims(step.user_id), step.change, DEVICE)
        except (UserUnavailable, UserCrashed):
            await trio.lowlevel.checkpoint()

    def _claims(self, user_id: UserId) -> Claims:
        return Claims(user_id, expires_at=math.inf, issued_at=self._now())

    def _now(self) -> float:
        return self._service.now().wall


def _draw(numbers: random.Random) -> Draw:
    return Draw(*(numbers.random() for _ in range(DRAW_SIZE)))
