"""Reads the monotonic and the wall clock; nothing else in `live` does."""

import time
from collections.abc import Callable

import trio

from presence.core.types import Moment
from presence.core.value import value


@value
class Clock:
    """Reads Trio's monotonic clock and the wall clock together."""

    wall: Callable[[], float] = time.time

    def now(self) -> Moment:
        return Moment(mono=trio.current_time(), wall=self.wall())
