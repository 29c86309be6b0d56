"""The members of each server: the same each time, a few large servers, several for each user."""

from itertools import pairwise

import pytest

from bench.population import FEWEST_SERVERS, Population, draw, sizes


def test_the_same_seed_draws_the_same():
    assert draw(200, 20, 4, memberships=3) == draw(200, 20, 4, memberships=3)
    assert draw(200, 20, 4, memberships=3) != draw(200, 20, 4, memberships=3, seed=2)


def test_sizes_go_from_a_few_to_some_thousands():
    members = sizes(10_000, 300, 4)
    assert members[-1] < 10
    assert 2000 < members[0] < 5000
    assert all(larger >= smaller for larger, smaller in pairwise(members))
    assert sum(members) == pytest.approx(40_000, rel=0.01)


@pytest.mark.parametrize(("users", "servers"), [(60, 8), (2, 1), (10, 100)])
def test_a_small_population_has_a_place_for_everybody(users, servers):
    people = draw(users, servers, 3, memberships=3)
    assert all(len(theirs) >= min(FEWEST_SERVERS, servers) for theirs in people.users)
    assert all(len(theirs) == min(3, servers) for theirs in people.publishers)


def test_a_listener_who_shares_two_servers_counts_once():
    people = Population(users=((0, 1), (1,), (2,)), publishers=((0, 1), (2,)))
    assert [people.listeners_of(publisher) for publisher in (0, 1)] == [2, 1]
    assert [people.memberships_of(publisher) for publisher in (0, 1)] == [3, 1]
