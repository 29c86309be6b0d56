"""A listener that reads nothing: others do not wait for it, and it misses no last state."""

import time

from bystanders import IS_FULL, Bystanders
from wire_client import WireClient, resident_bytes, version_of

SMALL_BUFFER = 4096
NO_LIMITS = {
    "max_connections_per_address": 0,
    "max_presence_changes": 0,
    "max_frames_per_second": 0,
}
USERS = 10
# What the kernels of both sides hold for a reader that is stuck: 16 KiB that were
# not sent (TCP_NOTSENT_LOWAT), the little that its own buffer takes, and some room.
KERNEL_BYTES = 48 * 1024
FILLING_BYTES = 4 * KERNEL_BYTES
LONG_TEXT = "x" * 100
IN_ONE_SERVER = {f"publisher{number}": f"/ws?user=publisher{number}" for number in range(USERS)}


class Publishers:
    """Users that change one after another, each to a text of its own.

    *targets* by user id say how each is let in.
    """

    def __init__(self, server, targets):
        self._clients = {name: WireClient(server.port, targets[name]) for name in targets}
        self.newest = {}
        self._round = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self._clients.values():
            client.socket.close()

    def change_all(self):
        """Every user changes once; returns when each change has been applied."""
        self._round += 1
        for name, client in self._clients.items():
            text = f"{self._round} {LONG_TEXT}"
            client.update(status="online", custom_status=text)
            self.newest[name] = text
        for client in self._clients.values():
            client.wait_for(lambda message: is_told_itself(message, self._round))


def is_told_itself(message, number):
    data = message.get("d", {})
    return "intent" in data and (data["custom_status"] or "").startswith(f"{number} ")


def test_a_stuck_client_that_reads_again_gets_the_newest_of_each_user(serving):
    with (
        serving(write_blocked_after=60, **NO_LIMITS) as server,
        WireClient(server.port, "/ws?user=stuck", receive_buffer=SMALL_BUFFER) as stuck,
        Publishers(server, IN_ONE_SERVER) as publishers,
        WireClient(server.port, "/ws?user=quick") as quick,
    ):
        while len(quick.received) < FILLING_BYTES:
            publishers.change_all()
            quick.beat()
        half = version_of(quick.messages()[-2])
        for _ in range(20):
            publishers.change_all()
        quick.beat()

        stuck.wait_texts(publishers.newest)
        stuck.beat()
        seen, all_changes = versions(stuck.messages()), versions(quick.messages())
        for user, own in seen.items():
            assert own == sorted(set(own)), f"the versions of {user} went backwards"
        late = {user: [each for each in own if each > half] for user, own in seen.items()}
        assert late == {user: [all_changes[user][-1]] for user in publishers.newest} | {"quick": []}
        early = sum(map(len, seen.values())) - USERS
        in_all = sum(map(len, all_changes.values()))
        print(f"\nof {in_all} changes it saw {early} that the kernel held, then the {USERS} newest")
        assert early * (len(LONG_TEXT) + 100) < KERNEL_BYTES


def versions(messages):
    """By user, the versions of the events about it, in the order in which they came."""
    found = {}
    for message in messages:
        version = version_of(message)
        if version is not None:
            data = message["d"].get("member", message["d"])
            found.setdefault(data["user_id"], []).append(version)
    return found


def test_a_client_that_stays_stuck_is_closed_and_its_user_offline_after_the_grace(serving):
    blocked_after, grace_after = 1.5, 1.0
    times = {"write_blocked_after": blocked_after, "grace_after": grace_after}
    with (
        serving(**times, **NO_LIMITS) as server,
        WireClient(server.port, "/ws?user=quick") as quick,
        Publishers(server, IN_ONE_SERVER) as publishers,
    ):
        quick.wait_ready()
        stuck = WireClient(server.port, "/ws?user=stuck", receive_buffer=SMALL_BUFFER)
        quick.wait_shown("stuck", status="online")
        began_at = time.monotonic()
        while len(quick.received) < FILLING_BYTES:
            publishers.change_all()
            quick.beat()
        filled_at = time.monotonic()
        quick.wait_shown("stuck", status="offline")
        gone_at = time.monotonic()
        ended = server.metric("presence_connections_cut_total")

        print(f"\noffline {gone_at - filled_at:.2f} s after its buffers were full for certain")
        assert gone_at - began_at > blocked_after + grace_after
        assert gone_at - filled_at < blocked_after + grace_after + 1.0
        assert ended == 1
        stuck.wait_end()
        stuck.socket.close()
        assert versions(quick.messages())["stuck"] == sorted(versions(quick.messages())["stuck"])
        assert "Traceback" not in server.log


STUCK = 20
CHURNING = 200 if IS_FULL else 50
ROUNDS = 200 if IS_FULL else 40
GROWTH_AT_MOST = 4 << 20


def test_stuck_clients_hold_bounded_memory(serving):
    with serving(write_blocked_after=600, everyone_server="false", **NO_LIMITS) as server:
        # Each publisher alone in a server of its own, the stuck ones in all of them.
        names = [f"publisher{number:03}" for number in range(CHURNING)]
        publishers = Publishers(server, {name: target(server, name, [name]) for name in names})
        stuck = [
            WireClient(
                server.port,
                target(server, f"stuck{number:02}", names),
                receive_buffer=SMALL_BUFFER,
            )
            for number in range(STUCK)
        ]
        with publishers:
            for _ in range(ROUNDS // 2):
                publishers.change_all()
            full_bytes = peak = resident_bytes(server.process.pid)
            began_at = time.monotonic()
            for _ in range(ROUNDS):
                publishers.change_all()
                peak = max(peak, resident_bytes(server.process.pid))
            took = time.monotonic() - began_at

            changes = CHURNING * ROUNDS
            print(
                f"\n{changes} changes of {CHURNING} users in {took:.1f} s before {STUCK} stuck"
                f" listeners: {full_bytes >> 10} KiB when all buffers were full,"
                f" {(peak - full_bytes) >> 10} KiB more at the peak"
            )
            assert peak - full_bytes < GROWTH_AT_MOST
            for client in stuck:
                client.wait_texts(publishers.newest)
                client.socket.close()


def target(server, user, servers):
    """Where *user* connects as a member of *servers*."""
    body = {"user": user, "servers": servers}
    status, _, answer = server.request("POST", "/auth/dev-token", body=body)
    assert status == 200
    return f"/ws?token={answer['token']}"


def test_stuck_clients_do_not_delay_others(serving):
    seconds = 5.0 if IS_FULL else 2.0
    with serving(write_blocked_after=600, **NO_LIMITS) as server, Bystanders(server) as others:
        before = others.measure(seconds)
        stuck = [
            WireClient(server.port, f"/ws?user=stuck{number}", receive_buffer=SMALL_BUFFER)
            for number in range(STUCK)
        ]
        with Publishers(server, IN_ONE_SERVER) as publishers:
            filled = 0
            while filled * USERS * (len(LONG_TEXT) + 100) < FILLING_BYTES:
                publishers.change_all()
                filled += 1
        assert server.metric("presence_connections_refused_total") == 0
        others.catch_up()
        during = others.measure(seconds)

        print(f"\nbaseline: {before}\n{STUCK} stuck: {during}\n{during.compare(before)}")
        for client in stuck:
            client.socket.close()
