"""Snapshots that are kept for the next who connects."""

from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView
from presence.live.views.snapshot_cache import SnapshotCache


def snapshot_of(server_id, count):
    members = [PublicView(f"u{n}", f"u{n}") for n in range(count)]
    return ServerSnapshot(server_id, server_id, members, False, count, 0)


def test_the_one_kept_is_given_until_it_is_dropped():
    kept, snapshot = SnapshotCache(10), snapshot_of("s", 3)
    kept.keep(snapshot)
    assert kept.get("s") is snapshot
    kept.drop("s")
    kept.drop("s")
    assert kept.get("s") is None


def test_the_last_used_snapshots_stay_while_their_members_fit():
    kept = SnapshotCache(10)
    for server_id in ("a", "b"):
        kept.keep(snapshot_of(server_id, 4))
    kept.get("a")
    kept.keep(snapshot_of("c", 4))
    assert [each for each in "abc" if kept.get(each)] == ["a", "c"]


def test_a_newer_one_takes_the_room_of_the_older():
    kept = SnapshotCache(10)
    for _ in range(5):
        kept.keep(snapshot_of("a", 5))
    kept.keep(snapshot_of("b", 5))
    assert len(kept) == 2


def test_one_that_is_larger_than_all_room_is_not_kept():
    kept = SnapshotCache(10)
    kept.keep(snapshot_of("a", 11))
    assert len(kept) == 0


def test_the_unchanged_members_of_a_stale_snapshot_are_kept():
    kept, snapshot = SnapshotCache(10), snapshot_of("s", 3)
    kept.keep(snapshot)
    kept.spoil("s", "u1")
    kept.spoil("s", "stranger")
    assert kept.get("s") is None
    first, _, last = snapshot.members
    assert kept.views_of("s") == {"u0": first, "u2": last}
    kept.drop("s")
    assert not kept.views_of("s")


def test_a_stale_snapshot_takes_the_room_of_its_rest_only():
    kept = SnapshotCache(10)
    for server_id in ("a", "b"):
        kept.keep(snapshot_of(server_id, 5))
        kept.spoil(server_id, "u1")
    kept.keep(snapshot_of("c", 2))
    assert [len(kept.views_of(each)) for each in "abc"] == [4, 4, 2]
    kept.keep(snapshot_of("d", 1))
    assert [len(kept.views_of(each)) for each in "abcd"] == [0, 4, 2, 1]
