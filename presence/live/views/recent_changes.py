"""The latest public changes by version, and the times at which versions were given.

A client that was away for a moment asks for everything after the version that
it knows. This answers from memory, as long as the changes are remembered.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable

from presence.core.types import ServerId, UserId

REMEMBERED = 65_536
"""At least so many changes, and at most twice as many, are remembered."""
TIMES = 100_000
"""At least so many moments, and at most twice as many, are remembered."""
APART = 0.1
"""Seconds between two remembered moments."""


class RecentChanges:
    """The users of public changes, in the order of the versions.

    *version* is the latest one at the start of the server, and *wall* the clock
    (Unix time). A change of memberships is remembered for each server: clients
    of that server that are older than it cannot be told single changes.
    """

    def __init__(self, version: int, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._complete_since = version
        self._versions: list[int] = []
        self._users: list[UserId] = []
        self._membership_versions: dict[ServerId, int] = {}
        self._timed_versions: list[int] = [version]
        self._times: list[float] = [wall()]

    def note(self, version: int, user_id: UserId) -> None:
        """Note that the public view of a user changed, and has *version* now."""
        self._versions.append(version)
        self._users.append(user_id)
        if len(self._versions) > 2 * REMEMBERED:
            self._complete_since = self._versions[REMEMBERED]
            del self._versions[: REMEMBERED + 1]
            del self._users[: REMEMBERED + 1]
        now = self._wall()
        if now - self._times[-1] >= APART:
            self._note_time(version, now)

    def note_memberships(self, version: int, servers: Iterable[ServerId]) -> None:
        """Note that the memberships of *servers* changed, at a version up to *version*."""
        self._membership_versions.update(dict.fromkeys(servers, version))

    def users_since(self, version: int, servers: Iterable[ServerId]) -> list[UserId] | None:
        """The users whose views changed after *version*, each once, the last change last.

        None where not all of them are known, or the memberships of *servers*
        changed meanwhile.
        """
        if version < self._complete_since:
            return None
        if any(self._membership_versions.get(each, 0) > version for each in servers):
            return None
        first = bisect_right(self._versions, version)
        newest_first = dict.fromkeys(reversed(self._users[first:]))
        return list(reversed(newest_first))

    def given_at(self, version: int) -> float:
        """When *version* was given, as Unix time, or the start of the server if before that.

        As exact as `APART`, and too late by no more.
        """
        place = bisect_right(self._timed_versions, version) - 1
        return self._times[max(0, place)]

    def _note_time(self, version: int, now: float) -> None:
        self._timed_versions.append(version)
        self._times.append(now)
        if len(self._times) > 2 * TIMES:
            del self._timed_versions[:TIMES]
            del self._times[:TIMES]
