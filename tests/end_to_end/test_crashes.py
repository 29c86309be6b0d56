"""Actors that crash in a running server: who notices, and who does not.

`faulty_presence.py` is the server with faults that these tests call up.
"""

import json
import signal
import time
from pathlib import Path

import pytest
from bystanders import IS_FULL
from wire_client import WireClient, version_of, wait_until

PROGRAM = [Path(__file__).with_name("faulty_presence.py")]
REPAIRED_WITHIN = 1.0
CRASHED = "actor_crashed"


@pytest.fixture
def faulty(serving):
    """As `serving`, with faults at hand."""
    return lambda **settings: serving(program=PROGRAM, **settings)


def come(server, user, **query):
    extra = "".join(f"&{key}={value}" for key, value in query.items())
    client = WireClient(server.port, f"/ws?user={user}{extra}")
    client.wait_ready()
    return client


def crash_lines(server):
    """The lines of the log about crashes, decoded."""
    return [json.loads(line) for line in server.log.splitlines() if f'"{CRASHED}"' in line]


def wait_crashes(server, count):
    wait_until(lambda: len(crash_lines(server)) >= count)
    assert len(crash_lines(server)) == count


def assert_only_faults_are_logged(server, count):
    """One line for each crash, all of them ours, and the process lives."""
    lines = crash_lines(server)
    assert len(lines) == count
    assert all("Fault: " in line["exception"] for line in lines)
    assert server.log.count("Traceback") == sum(
        line["exception"].count("Traceback") for line in lines
    )
    assert server.process.poll() is None


# -- one user --------------------------------------------------------------------------------


def test_a_crashed_user_keeps_its_sockets_and_is_right_again_within_a_second(faulty):
    with faulty() as server:
        olga, phone = come(server, "olga"), come(server, "vic", device="phone")
        tablet = come(server, "vic", device="tablet")
        phone.update(status="dnd", custom_status="before", activity="chess")
        olga.wait_shown("vic", status="dnd", custom_status="before", activity="chess")

        phone.update(status="away", custom_status="boom-1")
        wait_crashes(server, 1)
        began_at = time.monotonic()
        tablet.update(status="online", custom_status="after")
        olga.wait_shown("vic", REPAIRED_WITHIN, status="online", custom_status="after")
        took = time.monotonic() - began_at

        shown = server.request("GET", "/users/vic", user="olga")[2]
        assert (shown["status"], shown["custom_status"], shown["activity"]) == (
            "online",
            "after",
            "chess",
        )
        for own in (phone, tablet):
            own.wait_for(lambda message: message["d"].get("custom_status") == "after")
            assert own.beat() == []
        assert server.metric("presence_open_connections") == 3
        assert_only_faults_are_logged(server, 1)
        print(f"\nright again {1000 * took:.0f} ms after the crash")


@pytest.mark.parametrize(
    ("ending", "event"), [("leave", "Ended"), ("vanish", "Ended"), ("vanish", "TimePassed")]
)
def test_a_crash_at_an_end_leaves_no_ghost(faulty, ending, event):
    grace_after = 1.0
    with faulty(grace_after=grace_after) as server:
        olga, vic = come(server, "olga"), come(server, "vic")
        vic.update(status="dnd", custom_status=f"boom-1-{event}")
        olga.wait_shown("vic", status="dnd")

        getattr(vic, ending)()
        left_at = time.monotonic()
        olga.wait_shown("vic", status="offline")
        took = time.monotonic() - left_at

        print(f"\n{event} crashed, {ending}: offline after {took:.2f} s")
        assert took < 2 * grace_after + REPAIRED_WITHIN
        assert server.process.poll() is None


def test_poison_users_are_put_aside_and_harm_nobody(faulty):
    poisoned = 30 if IS_FULL else 5
    with faulty(max_presence_changes=0, max_connections_per_address=0) as server:
        olga, pia = come(server, "olga"), come(server, "pia")
        vics = {f"vic{number}": come(server, f"vic{number}") for number in range(poisoned)}
        for name, vic in vics.items():
            vic.update(status="dnd")
            olga.wait_shown(name, status="dnd")
        crashes = 0
        for _ in range(4):  # the fourth within a minute is one too many
            for vic in vics.values():
                vic.update(status="away", custom_status="boom-100")
                crashes += 1
                wait_until(lambda all_of_them=crashes: crash_count(server) == all_of_them)

        longest = 0.0
        for turn in range(20):
            began_at = time.monotonic()
            pia.update(status="online", custom_status=f"turn {turn}")
            olga.wait_shown("pia", REPAIRED_WITHIN, custom_status=f"turn {turn}")
            longest = max(longest, time.monotonic() - began_at)
            time.sleep(0.05)  # pia keeps to the rate of frames
        for vic in vics.values():
            assert vic.beat() is not None
        shown = server.request("GET", "/users/vic0", user="olga")[2]["status"]
        print(
            f"\n{poisoned} users crashed 4 times and are put aside, shown as {shown};"
            f" others wait {1000 * longest:.1f} ms at most"
        )
        assert shown == "offline"
        assert server.process.poll() is None
        assert len(crash_lines(server)) <= crashes
        if IS_FULL:
            see_them_return(server, olga, vics)


def see_them_return(server, olga, vics):
    """After a minute they live again: what they said last holds, who left goes."""
    began_at = time.monotonic()
    vics["vic0"].leave()
    vics["vic1"].update(status="dnd", custom_status="well again")
    status = server.request("PATCH", "/users/@me", user="vic2", body={"status": "dnd"}, timeout=30)
    print(f"REST of one put aside: {status[0]} after {time.monotonic() - began_at:.1f} s")
    olga.wait_texts({"vic1": "well again"}, within=90)
    print(f"one is heard again after {time.monotonic() - began_at:.1f} s")
    wait_until(
        lambda: server.request("GET", "/users/vic0", user="olga")[2].get("status") == "offline", 90
    )
    print(f"one who left is offline after {time.monotonic() - began_at:.1f} s")


def crash_count(server):
    """How often an actor crashed; the log writes ten such lines a second at most."""
    return server.metric("presence_actor_restarts_total")


# -- broadcaster and timer -------------------------------------------------------------------

OBSERVERS = 5
CHANGING = 10
CRASHES = 8


def test_a_crash_of_the_broadcaster_loses_no_last_state(faulty):
    settings = {"max_presence_changes": 0, "max_frames_per_second": 0}
    with faulty(**settings) as server:
        observers = [come(server, f"observer{number}") for number in range(OBSERVERS)]
        names = [f"changing{number}" for number in range(CHANGING)]
        changing = {name: come(server, name) for name in names}
        longest = 0.0
        for crash in range(1, CRASHES + 1):
            server.signal(signal.SIGUSR1)
            for turn in range(5):
                for client in changing.values():
                    client.update(status="online", custom_status=f"{crash} {turn}")
            wait_crashes(server, crash)
            began_at = time.monotonic()
            for client in changing.values():
                client.update(status="online", custom_status=f"{crash} last")
            for observer in observers:
                observer.wait_texts(dict.fromkeys(names, f"{crash} last"), REPAIRED_WITHIN)
            longest = max(longest, time.monotonic() - began_at)
        for observer in observers:
            assert_versions_never_go_back(observer.messages())
            assert observer.beat() == []
        assert_only_faults_are_logged(server, CRASHES)
        print(f"\n{CRASHES} crashes: all agree at most {1000 * longest:.0f} ms later")


def assert_versions_never_go_back(messages):
    newest = {}
    for message in messages:
        version = version_of(message)
        if version is not None:
            user = message["d"].get("member", message["d"])["user_id"]
            assert version >= newest.get(user, 0)
            newest[user] = version


def test_a_grace_timer_outlives_the_crash_of_the_timer(faulty):
    grace_after = 1.5
    with faulty(grace_after=grace_after) as server:
        olga, vic = come(server, "olga"), come(server, "vic")
        olga.wait_shown("vic", status="online")
        server.signal(signal.SIGUSR2)
        vic.vanish()
        lost_at = time.monotonic()
        olga.wait_shown("vic", status="offline")
        took = time.monotonic() - lost_at

        wait_crashes(server, 1)
        assert grace_after - 0.1 < took < grace_after + REPAIRED_WITHIN
        assert_only_faults_are_logged(server, 1)
        print(f"\ngrace of {grace_after} s over the crash: offline after {took:.2f} s")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["broadcaster", "timer"])
def test_a_part_that_crashes_for_ever_ends_the_server(faulty, monkeypatch, number):
    monkeypatch.setenv("FAULTS_FOR_EVER", "1")
    with faulty(max_presence_changes=0, max_frames_per_second=0, grace_after=0.05) as server:
        _olga, vic = come(server, "olga"), come(server, "vic")
        server.signal(number)
        come(server, "otto").vanish()  # its grace is the first deadline
        began_at = time.monotonic()
        turn = 0
        while server.process.poll() is None:
            assert time.monotonic() - began_at < 15.0
            turn += 1
            try:
                vic.update(status="online", custom_status=f"{turn}")
                vic.beat()
            except (OSError, EOFError):
                server.process.wait(15)
        took = time.monotonic() - began_at

        lines = server.log.splitlines()
        print(f"\nexit code {server.process.returncode} after {took:.1f} s, {len(lines)} log lines")
        assert server.process.returncode == 70
        assert sum('"restarts_exhausted"' in line for line in lines) == 1
        assert len(lines) < 30
