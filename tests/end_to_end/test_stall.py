"""The whole process stands still, as in a paused machine, and nobody goes offline by it."""

import signal
import time

STALLED_FOR = 7.0  # the guard is for stops of more than 5 s
STALLS = 2
STALLS_IN_FULL = 20
PING_EVERY = 0.5
LOST_AFTER = 1.5
GRACE_AFTER = 2.0
LEASE_AFTER = 4.0

SETTINGS = {
    "sweep_every": 1,
    "ping_expires_after": 2,
    "grace_after": GRACE_AFTER,
    "poll_grace_after": 2,
    "lease_after": LEASE_AFTER,
    "socket_ping_every": PING_EVERY,
    "socket_lost_after": LOST_AFTER,
    "max_presence_changes": 0,
    "max_requests_per_second": 0,
}


def stand_still(server):
    """Stop the process for longer than every deadline, then let it go on."""
    server.signal(signal.SIGSTOP)
    time.sleep(STALLED_FOR)
    server.signal(signal.SIGCONT)
    return time.monotonic()


def offline_events(observer, users):
    return [
        (user, status)
        for user in users
        for _, status in observer.told_of(user)
        if status == "offline"
    ]


def renew(server, user):
    status, _, _ = server.request("PATCH", "/users/@me", user=user, body={"status": "online"})
    assert status == 200


def wait_offline(observer, user, since):
    """Wait until *user* is shown offline; returns how long after *since* that came."""
    observer.wait_for(lambda _: observer.told_of(user)[-1][1] == "offline")
    return observer.came_at[-1] - since


def test_a_stop_of_the_process_takes_nobody_offline(serving, is_full):
    stalls = STALLS_IN_FULL if is_full else STALLS
    grace_took, lease_took, back_after = [], [], []
    with serving(**SETTINGS) as server:
        observer = server.client("observer")
        steady = [server.client(f"steady{number}") for number in range(10)]
        returning = server.client("returning", device="phone")
        for _ in range(stalls):
            # All of these would end during the stop; two of them will be renewed right after it.
            lost = server.client("lost")
            for user in ("renewed", "lapsed"):
                renew(server, user)
            for user in ("lost", "lapsed"):
                observer.wait_for(
                    lambda _, user=user: [s for _, s in observer.told_of(user)][-1:] == ["online"]
                )
            returning.reset()
            lost.reset()
            continued_at = stand_still(server)
            returning = server.client("returning", device="phone")
            back_after.append(time.monotonic() - continued_at)
            renew(server, "renewed")
            for client in [observer, *steady, returning]:
                client.beat()
            # Who does not return is told of: the guard puts off, it does not forget.
            grace_took.append(wait_offline(observer, "lost", continued_at))
            renew(server, "renewed")
            lease_took.append(wait_offline(observer, "lapsed", continued_at))
            renew(server, "renewed")
        # Several more pings and silences pass.
        time.sleep(2 * LOST_AFTER)
        for client in [observer, *steady, returning]:
            client.beat()
        users = [f"steady{number}" for number in range(10)] + ["returning", "renewed"]
        false_offline = offline_events(observer, users)
        print(
            f"\n{stalls} stops of {STALLED_FOR} s; silence {LOST_AFTER} s, grace {GRACE_AFTER} s,"
        )
        print(f"lease {LEASE_AFTER} s: {len(false_offline)} false offline of {len(users)} users")
        print(f"sockets that stayed: {sum(client.is_open for client in steady)} of {len(steady)}")
        print(f"the reset connection was back within {max(back_after) * 1e3:.0f} ms of SIGCONT")
        print(
            f"true offline after SIGCONT: graces {min(grace_took):.2f} to {max(grace_took):.2f} s,"
        )
        print(f"leases {min(lease_took):.2f} to {max(lease_took):.2f} s")
        assert false_offline == []
        assert observer.is_open
        assert all(client.is_open for client in steady)
        assert all(GRACE_AFTER <= took < GRACE_AFTER + 1 for took in grace_took)
        assert all(LEASE_AFTER <= took < LEASE_AFTER + 1 for took in lease_took)
        assert server.metric("presence_actor_restarts_total") == 0
        assert server.stop() == 0
        assert "Traceback" not in server.log
