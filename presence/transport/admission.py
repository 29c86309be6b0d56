"""Admission: connections per address, and how often a client may ask."""

from collections import Counter
from collections.abc import Hashable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from presence.transport.rate_bucket import RateBucket

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressLimits:
    """Counts live connections per client address; an IPv6 client is its /64.

    `X-Forwarded-For` is believed only from *trusted_proxies*, from right to
    left, up to the first address that is none of them. 0 counts nobody.
    """

    def __init__(self, max_per_address: int, trusted_proxies: Iterable[Network] = ()) -> None:
        self._max = max_per_address
        self._proxies = tuple(trusted_proxies)
        self._counts: Counter[str] = Counter()

    def is_proxy(self, peer: str) -> bool:
        """Say whether *peer* speaks for others."""
        if not self._proxies:
            return False
        address = parse_address(peer)
        return address is not None and self._is_trusted(address)

    def client_of(self, peer: str, forwarded_for: str | None) -> str:
        """Return the address of the client behind *peer*, or *peer* itself."""
        if forwarded_for is None or not self.is_proxy(peer):
            return peer
        client = peer
        for entry in reversed(forwarded_for.split(",")):
            address = parse_address(entry)
            if address is None:
                break
            client = str(address)
            if not self._is_trusted(address):
                break
        return client

    def take(self, client: str) -> bool:
        """Count one more connection of *client*; False, counting nothing, if it has enough.

        Each True must be given back with `release`.
        """
        if not self._max:
            return True
        group = address_group(client)
        if self._counts[group] >= self._max:
            return False
        self._counts[group] += 1
        return True

    def release(self, client: str) -> None:
        if not self._max:
            return
        group = address_group(client)
        self._counts[group] -= 1
        if self._counts[group] <= 0:
            del self._counts[group]

    def count_of(self, client: str) -> int:
        """How many connections *client* has now."""
        return self._counts.get(address_group(client), 0)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def parse_address(text: str) -> Address | None:
    """Read an address as proxies write it, with or without port; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def address_group(client: str) -> str:
    """The key of one client: an IPv4 address, or an IPv6 /64."""
    if ":" not in client:
        return client
    address = parse_address(client)
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return client if address is None else str(address)


class RequestRates:
    """At most *burst* requests of a key at once and *per_second* in the long run; 0 is off.

    Memory is bounded by *max_keys*: keys that could start a whole burst anew are
    forgotten first, then those that were quiet longest.
    """

    def __init__(self, per_second: float, burst: int, *, max_keys: int = 10_000) -> None:
        self._bucket = RateBucket(per_second, burst) if per_second else None
        self._max_keys = max_keys
        self._full_at: dict[Hashable, float] = {}

    def take(self, key: Hashable, now: float) -> float | None:
        """Take one request of *key*; if refused, return after how many seconds to retry."""
        if self._bucket is None:
            return None
        before = self._full_at.pop(key, 0.0)
        full_at = self._bucket.take(before, now)
        if full_at is None:
            self._full_at[key] = before
            return self._bucket.retry_after(before, now)
        if len(self._full_at) >= self._max_keys:
            self._forget(now)
        self._full_at[key] = full_at
        return None

    def take_of_address(self, peer: str, now: float) -> float | None:
        """As `take`, of a client that is known by nothing but its address."""
        return self.take(("address", address_group(peer)), now)

    def __len__(self) -> int:
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        # A tenth at a time, so that a flood of new keys does not make each of them costly.
        while len(self._full_at) > self._max_keys * 9 // 10:
            del self._full_at[next(iter(self._full_at))]
