"""Memberships of a population: many small ones, a few large ones, and everybody in several."""

from collections.abc import Sequence
from random import Random

import attrs

SHIFT, EXPONENT = 8, 1.8
"""Of the law of Zipf and Mandelbrot: a server's size by its rank is as (rank + SHIFT)^-EXPONENT.

10,000 users with 4 memberships each make 300 servers of 6 to 3,600 members.
"""
FEWEST_SERVERS = 2
"""Everybody is in so many at least, where there are so many."""


@attrs.frozen
class Population:
    """The servers of each user and of each publisher, as numbers from 0, the largest first."""

    users: tuple[tuple[int, ...], ...]
    publishers: tuple[tuple[int, ...], ...]

    def listeners_of(self, publisher: int) -> int:
        """How many users share a server with *publisher*, each counted once."""
        servers = set(self.publishers[publisher])
        return sum(not servers.isdisjoint(theirs) for theirs in self.users)

    def memberships_of(self, publisher: int) -> int:
        """The members of all servers of *publisher*, counted once for each server."""
        servers = set(self.publishers[publisher])
        return sum(len(servers.intersection(theirs)) for theirs in self.users)


def sizes(users: int, servers: int, memberships: float) -> list[int]:
    """How many members each server has, descending; *memberships* of a user on average.

    No server has less than 2 members or more than all.
    """
    shares = [(rank + SHIFT) ** -EXPONENT for rank in range(1, servers + 1)]
    scale = users * memberships / sum(shares)
    return [max(2, min(users, round(scale * share))) for share in shares]


def draw(
    users: int, servers: int, publishers: int, *, memberships: int, seed: int = 1
) -> Population:
    """Put everybody into servers by lot; the same *seed* draws the same.

    A publisher is in *memberships* servers, in large ones more probably: as
    somebody is who was chosen among the users.
    """
    random = Random(seed)
    members = sizes(users, servers, memberships)
    servers_of: list[set[int]] = [set() for _ in range(users)]
    for server, size in enumerate(members):
        for user in random.sample(range(users), size):
            servers_of[user].add(server)
    for theirs in servers_of:
        _add_until(random, theirs, members, FEWEST_SERVERS)
    chosen: list[set[int]] = [set() for _ in range(publishers)]
    for theirs in chosen:
        _add_until(random, theirs, members, memberships)
    return Population(
        tuple(tuple(sorted(theirs)) for theirs in servers_of),
        tuple(tuple(sorted(theirs)) for theirs in chosen),
    )


def _add_until(random: Random, theirs: set[int], members: Sequence[int], count: int) -> None:
    while len(theirs) < min(count, len(members)):
        theirs.update(random.choices(range(len(members)), members))
