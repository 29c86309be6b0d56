"""Addresses that share one limit, and rates of requests."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.transport.admission import AddressLimits, RequestRates, address_group

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        pytest.param("1.2.3.4", None, "1.2.3.4", id="direct"),
        pytest.param("1.2.3.4", "9.9.9.9", "1.2.3.4", id="forged by a stranger"),
        pytest.param("10.0.0.1", None, "10.0.0.1", id="the proxy itself"),
        pytest.param("10.0.0.1", "9.9.9.9", "9.9.9.9", id="told by a proxy"),
        pytest.param("10.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9", id="the left part is forged"),
        pytest.param("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9", id="two proxies"),
        pytest.param("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3", id="only proxies"),
        pytest.param("10.0.0.1", "unknown", "10.0.0.1", id="no address"),
        pytest.param("10.0.0.1", "9.9.9.9, junk, 10.0.0.2", "10.0.0.2", id="junk on the way"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="empty"),
        pytest.param("10.0.0.1", "9.9.9.9:5555", "9.9.9.9", id="with a port"),
        pytest.param("fd00::1", "[2001:db8::7]:443", "2001:db8::7", id="IPv6 with a port"),
        pytest.param("10.0.0.1", "::ffff:9.9.9.9", "9.9.9.9", id="mapped"),
    ],
)
def test_the_client_behind_a_peer(peer, forwarded_for, client):
    assert AddressLimits(1, PROXIES).client_of(peer, forwarded_for) == client


@pytest.mark.parametrize(
    ("client", "group"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address: really", "not an address: really"),
    ],
)
def test_addresses_that_share_one_limit(client, group):
    assert address_group(client) == group


def test_the_newcomer_over_the_limit_is_refused_and_the_others_stay():
    addresses = AddressLimits(2)
    assert [addresses.take("1.1.1.1") for _ in range(3)] == [True, True, False]
    assert addresses.take("2.2.2.2")
    addresses.release("1.1.1.1")
    assert addresses.take("1.1.1.1")
    assert addresses.count_of("1.1.1.1") == 2


def test_addresses_of_one_ipv6_network_share_a_limit():
    addresses = AddressLimits(1)
    assert addresses.take("2001:db8::1")
    assert not addresses.take("2001:db8::2")
    assert addresses.take("2001:db8:0:1::1")


def test_no_count_is_left_when_everybody_is_gone():
    addresses = AddressLimits(5)
    for _ in range(5):
        addresses.take("1.1.1.1")
    for _ in range(5):
        addresses.release("1.1.1.1")
    assert (addresses.count_of("1.1.1.1"), len(addresses._counts)) == (
        0,
        0,
    )  # private: a leak shows nowhere else


def test_a_limit_of_zero_is_off():
    addresses = AddressLimits(0)
    assert all(addresses.take("1.1.1.1") for _ in range(1000))
    addresses.release("1.1.1.1")


def test_a_burst_then_the_rate_then_a_time_to_wait():
    rates = RequestRates(10, 20)
    assert [rates.take("a", 0.0) for _ in range(20)] == [None] * 20
    assert rates.take("a", 0.0) == pytest.approx(0.1)
    assert rates.take("a", 0.04) == pytest.approx(0.06)
    assert rates.take("b", 0.04) is None
    assert rates.take("a", 0.1) is None
    assert rates.take("a", 0.1) == pytest.approx(0.1)


def test_a_rate_of_zero_is_off():
    rates = RequestRates(0, 20)
    assert [rates.take("a", 0.0) for _ in range(100)] == [None] * 100
    assert len(rates) == 0


def test_memory_is_bounded_and_the_busy_are_forgotten_last():
    rates = RequestRates(10, 20, max_keys=100)
    for n in range(20):
        rates.take(("quiet", n), 0.0)
    for _ in range(20):
        rates.take("busy", 5.0)
    for n in range(500):
        rates.take(n, 5.0)
        rates.take("busy", 5.0)
    assert len(rates) <= 100
    assert rates.take("busy", 5.0) is not None


def test_addresses_with_a_full_burst_are_forgotten_before_busy_ones():
    rates = RequestRates(10, 20, max_keys=10)
    for _ in range(20):
        rates.take("busy", 0.0)
    for n in range(9):
        rates.take(n, 0.1)
    assert rates.take("new", 1.0) is None
    assert [rates.take("busy", 1.0) for _ in range(10)] == [None] * 10
    assert rates.take("busy", 1.0) is not None
    assert len(rates) == 2


@given(st.lists(st.floats(0, 0.3), max_size=200))
def test_no_window_takes_more_than_burst_and_rate(pauses):
    rates, now, taken = RequestRates(10, 20), 0.0, []
    for pause in pauses:
        now += pause
        wait_for = rates.take("a", now)
        if wait_for is None:
            taken.append(now)
        else:
            assert rates.take("a", now + wait_for - 0.001) is not None
            assert rates.take("a", now + wait_for + 0.001) is None
            taken.append(now + wait_for + 0.001)
            now = taken[-1]
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 20 + 10 * (taken[last] - start) + 1
