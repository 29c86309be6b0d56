"""How many connections and devices one user may have."""

import pytest

from presence.frontends.user_limit import TOO_MANY_CONNECTIONS, TOO_MANY_DEVICES, UserLimit


def refusal(present, device, *, connections=0, devices=0):
    """The refusal of one more connection, which must be counted once if there is one."""
    counted = []
    limit = UserLimit(connections, devices, {"7": present}.get, lambda: counted.append("7"))
    problem = limit.refusal("7", device)
    assert len(counted) == (problem is not None)
    return problem


@pytest.mark.parametrize(
    ("most", "count", "problem"),
    [
        (3, 2, None),
        (3, 3, TOO_MANY_CONNECTIONS),
        (3, 4, TOO_MANY_CONNECTIONS),
        (1, 0, None),
        (0, 10_000, None),
    ],
)
def test_how_many_connections_are_enough_for_a_user(most, count, problem):
    assert refusal(["phone"] * count, "phone", connections=most) == problem


@pytest.mark.parametrize(
    ("present", "device", "problem"),
    [
        (["phone"], "tablet", None),
        (["phone", "phone"], "tablet", None),
        (["phone", "tablet"], "tablet", None),
        (["phone", "tablet"], "desk", TOO_MANY_DEVICES),
        (["phone", "tablet"], None, TOO_MANY_DEVICES),
    ],
)
def test_how_many_devices_are_enough_for_a_user(present, device, problem):
    assert refusal(present, device, devices=2) == problem


def test_where_both_limits_are_off_nothing_is_refused():
    assert refusal(["a", "b", "c"] * 100, None) is None
