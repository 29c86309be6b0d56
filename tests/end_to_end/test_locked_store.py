"""Another program locks the database: presence is still published, and stored afterwards."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from statistics import median, quantiles

LOCKED_FOR = 4.0
LOCKED_FOR_IN_FULL = 30.0
CHANGE_EVERY = 0.02
STORED_WITHIN = 2.0
WRITE_WAITS_FOR = 0.2
PERSISTED = "presence-persisted"

LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
"""


@contextmanager
def locked(database):
    """Another process holds the lock until the end of the block."""
    command = [sys.executable, "-c", LOCK, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        yield
        other.communicate(b"\n", timeout=10)
    assert other.returncode == 0


def change_for(seconds, mover, observers, prefix):
    """Change a text at a steady pace; returns the last one, and how long each took to each."""
    sent_at = []
    starts = [len(observer.frames) for observer in observers]
    began_at = time.monotonic()
    while time.monotonic() - began_at < seconds:
        sent_at.append(time.monotonic())
        mover.set("online", custom_status=f"{prefix} {len(sent_at)}")
        time.sleep(CHANGE_EVERY)
    last, latencies = f"{prefix} {len(sent_at)}", []
    for observer, start in zip(observers, starts, strict=True):
        observer.wait_for(lambda frames: frames[-1]["d"]["custom_status"] == last)
        latencies += waits(observer, start, sent_at)
    return last, sorted(latencies)


def waits(observer, start, sent_at):
    """How long *observer* waited for each change, or for a newer one that took its place."""
    told = zip(observer.frames[start:], observer.came_at[start:], strict=True)
    number, latencies = 0, []
    for frame, came_at in told:
        told_number = int(frame["d"]["custom_status"].split()[1])
        latencies += [came_at - sent for sent in sent_at[number:told_number]]
        number = told_number
    assert len(latencies) == len(sent_at)
    return latencies


def p99_of(latencies):
    return quantiles(latencies, n=100)[98]


def stored(database, user):
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        query = "SELECT status, custom_status, own_custom_status, intent FROM users WHERE id = ?"
        return db.execute(query, [user]).fetchone()


def wait_stored(database, rows, within):
    """Wait until the users' rows are these; returns how long that took."""
    began_at = time.monotonic()
    while (found := {user: stored(database, user) for user in rows}) != rows:
        assert time.monotonic() - began_at < within, found
        time.sleep(0.01)
    return time.monotonic() - began_at


def change_sleeper(server, **body):
    """The answer to the request: status, whether it is persisted, and the body."""
    status, headers, view = server.request("PATCH", "/users/@me", user="sleeper", body=body)
    return status, headers[PERSISTED], view


def seen_by_newcomer(server):
    """The status of each member in the snapshot of a newcomer."""
    newcomer = server.client("newcomer")
    (everyone,) = newcomer.frames[0]["d"]["servers"]
    return {each["user_id"]: each["status"] for each in everyone["members"]}


def print_latencies(name, latencies):
    p50, p99, most = median(latencies), p99_of(latencies), latencies[-1]
    print(f"{name:8}: {len(latencies)} deliveries,", end=" ")
    print(f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms, max {most * 1e3:.2f} ms")


def test_a_locked_database_holds_up_no_broadcast_and_loses_nothing(serving, is_full):
    seconds = LOCKED_FOR_IN_FULL if is_full else LOCKED_FOR
    settings = {"max_presence_changes": 0, "max_requests_per_second": 0, "max_frames_per_second": 0}
    with serving(**settings) as server:
        database = server.data / "presence.db"
        observers = [server.client(f"observer{number}") for number in range(5)]
        mover = server.client("mover")
        server.client("sleeper")
        for observer in observers:
            observer.wait_for(lambda _, observer=observer: observer.told_of("sleeper"))

        _, unlocked = change_for(seconds, mover, observers, "unlocked")
        assert change_sleeper(server, custom_status="before")[:2] == (200, None)
        for observer in observers:
            observer.wait_for(lambda frames: frames[-1]["d"]["custom_status"] == "before")

        with locked(database):
            began_at = time.monotonic()
            last, during = change_for(seconds, mover, observers, "locked")
            asked_at = time.monotonic()
            status, persisted, view = change_sleeper(
                server, status="dnd", custom_status="meanwhile"
            )
            patch_took = time.monotonic() - asked_at
            assert (status, persisted) == (200, "false")
            assert (view["status"], view["custom_status"]) == ("dnd", "meanwhile")
            assert server.request("GET", "/readyz")[2] == {"status": "degraded"}
            shown = seen_by_newcomer(server)
            assert shown == dict.fromkeys(shown, "online") | {"sleeper": "dnd"}
            assert stored(database, "sleeper") == ("online", "before", "before", "online")
            held = time.monotonic() - began_at
        rows = {
            "mover": ("online", last, last, "online"),
            "sleeper": ("dnd", "meanwhile", "meanwhile", "dnd"),
            "newcomer": ("online", None, None, "online"),
        }
        stored_after = wait_stored(database, rows, STORED_WITHIN)

        assert change_sleeper(server, custom_status="afterwards")[:2] == (200, None)
        assert stored(database, "sleeper") == ("dnd", "afterwards", "afterwards", "dnd")
        assert server.request("GET", "/readyz")[2] == {"status": "ready"}

        print(f"\ndatabase locked for {held:.1f} s")
        print_latencies("unlocked", unlocked)
        print_latencies("locked", during)
        print(f"PATCH answered after {patch_took:.2f} s, {PERSISTED}: false")
        print(f"rows right {stored_after:.2f} s after the release")
        # What waited for the lock would take as long as a write waits for it; less is the machine.
        assert p99_of(during) < max(2 * p99_of(unlocked), WRITE_WAITS_FOR)
        assert all(client.is_open for client in server.clients)
        assert server.metric("presence_actor_restarts_total") == 0
        assert server.stop() == 0
        assert "Traceback" not in server.log
