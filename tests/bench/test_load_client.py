"""Every delivery is checked: each check fails when, and only when, it should."""

import json
import threading
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from bench.child import LoadFailed
from bench.load import Connection

NO_FAULT = {
    "lost": 0, "duplicated": 0, "out_of_order": 0, "leaked": 0, "garbled": 0, "stale": 0,
    "disconnected": 0,
}  # fmt: skip
PLAN = [
    Connection("L", "/a"),
    Connection("L", "/b"),
    Connection("P", "/publish"),
    Connection("P", "/publish"),
]


def tell_all(listeners, message):
    for listener in listeners.values():
        listener.send(message)


def faults(answer):
    return {name: count for name, count in answer.checks.items() if count}


@pytest.mark.parametrize("w", [1, 2])
def test_an_honest_server_passes_every_check(scripted, loading, w):
    with loading(scripted(tell_all), PLAN) as load:
        answer = load.run(w=w, seconds=0.1)
    assert answer.checks == NO_FAULT
    assert answer["rounds"] > 0
    assert answer["deliveries"] == 2 * answer["rounds"]
    assert answer.histogram("each").total == answer["deliveries"]
    assert answer.histogram("last").total == answer["rounds"]


def test_published_bytes_are_as_many_as_an_update_of_ours(scripted, loading):
    messages = []

    def note(listeners, message):
        messages.append(message)
        tell_all(listeners, message)

    with loading(scripted(note), PLAN) as load:
        load.run(w=1, seconds=0.05)
    assert json.loads(messages[0]) == {
        "op": "DISPATCH",
        "t": "PRESENCE_UPDATE",
        "d": {
            "user_id": "p0000",
            "status": "dnd",
            "custom_status": "#0000.00000001",
            "activity": None,
        },
        "v": 2**32 + 1,
    }
    assert {len(message) + 4 for message in messages[:2]} == {146, 149}


def test_a_missing_update_is_lost(scripted, loading):
    def forget_b(listeners, message):
        listeners["/a"].send(message)

    with loading(scripted(forget_b), PLAN) as load:
        answer = load.run(w=1, seconds=0.1, lost_after=0.3)
    assert faults(answer) == {"lost": 1}
    assert answer["rounds"] == 0


def test_a_gap_is_a_loss_for_those_who_are_waited_for(scripted, loading):
    held = []

    def swallow_one(listeners, message):
        if len(held) < 1:
            held.append(message)
        else:
            listeners["/b"].send(message)
        listeners["/a"].send(message)

    with loading(scripted(swallow_one), PLAN) as load:
        assert faults(load.run(w=1, seconds=0.1, lost_after=0.2)) == {"lost": 1}
        assert load.run(w=1, seconds=0.05).checks["lost"] == 1


def test_a_second_copy_is_counted(scripted, loading):
    def tell_a_twice(listeners, message):
        tell_all(listeners, message)
        listeners["/a"].send(message)

    with loading(scripted(tell_a_twice), PLAN) as load:
        answer = load.run(w=1, seconds=0.05)
    assert faults(answer) == {"duplicated": answer["rounds"]}


def test_a_state_told_anew_while_nobody_publishes_is_no_second_copy(scripted, loading):
    told = []

    def tell_a_anew(listeners, message):
        told.append(listeners)
        tell_all(listeners, message)

    with loading(scripted(tell_a_anew), PLAN) as load:
        load.run(w=1, seconds=0.05)
        anew = json.dumps(
            {
                "op": "DISPATCH",
                "t": "PRESENCE_UPDATE",
                "d": {
                    "user_id": "p0000",
                    "status": "dnd",
                    "custom_status": f"#0000.{len(told):08}",
                    "activity": None,
                },
                "v": 2**40,
            },
            separators=(",", ":"),
        )

        def tell_twice():  # once is news, twice is once too often
            for _ in range(2):
                told[0]["/a"].send(anew)

        threading.Timer(0.1, tell_twice).start()
        after = load.settle(0.5)
    assert (faults(after), after["others"]) == ({"duplicated": 1}, 1)


def test_an_older_update_after_a_newer_one_is_out_of_order(scripted, loading):
    told = []

    def repeat_the_first(listeners, message):
        told.append(message)
        tell_all(listeners, message)
        if len(told) == 3:
            listeners["/a"].send(told[0])

    with loading(scripted(repeat_the_first), PLAN) as load:
        assert faults(load.run(w=1, seconds=0.2)) == {"out_of_order": 1}


def test_versions_that_go_backwards_are_out_of_order(scripted, loading):
    told = []

    def lower_version(listeners, message):
        told.append(message)
        if len(told) == 2:
            message = json.dumps({**json.loads(message), "v": 7}, separators=(",", ":"))
        tell_all(listeners, message)

    with loading(scripted(lower_version), PLAN) as load:
        assert faults(load.run(w=1, seconds=0.1)) == {"out_of_order": 2}


def test_an_update_outside_its_audience_is_leaked(scripted, loading):
    plan = [
        Connection("L", "/a", (0, 3)),
        Connection("L", "/b", (1, 2)),
        Connection("P", "/publish", (3, 4)),
    ]
    with loading(scripted(tell_all), plan) as load:
        answer = load.run(w=1, seconds=0.05)
    assert answer["rounds"] > 0  # b is not waited for
    assert answer.checks["leaked"] >= answer["rounds"] - 1


def test_an_update_under_another_name_is_garbled(scripted, loading):
    def rename(listeners, message):
        tell_all(listeners, message.replace('"p0000"', '"p0001"'))

    with loading(scripted(rename), PLAN) as load:
        answer = load.run(w=1, seconds=0.05, lost_after=0.2)
    assert faults(answer) == {"garbled": 2, "lost": 2}


def test_a_listener_that_the_server_ends_is_a_fault(scripted, loading):
    def end_b(listeners, message):
        listeners["/b"].close_socket()

    with loading(scripted(end_b), PLAN) as load:
        answer = load.run(w=1, seconds=0.1, lost_after=0.5)
    assert answer.checks["disconnected"] == 1


def test_a_listener_that_reads_nothing_is_not_waited_for(scripted, loading):
    plan = [*PLAN, Connection("D", "/d"), Connection("S", "/s")]
    with loading(scripted(tell_all), plan) as load:
        answer = load.run(w=1, seconds=0.1, slow_bytes=1000)
        after = load.settle(0.3)
    assert faults(answer) == faults(after) == {}
    assert answer["deliveries"] == 2 * answer["rounds"]
    assert answer["to_slow"] + after["to_slow"] == 2 * answer["rounds"]


def test_updates_merged_for_a_slow_reader_are_reported_apart(scripted, loading):
    told = []

    def every_second_to_d(listeners, message):
        told.append(message)
        for path, listener in listeners.items():
            if path != "/d" or len(told) % 2 == 0:
                listener.send(message)

    with loading(scripted(every_second_to_d), [*PLAN, Connection("D", "/d")]) as load:
        rounds = load.run(w=1, seconds=0.1)["rounds"]
        after = load.settle(0.3)
    assert after["merged"] == after["to_slow"] == rounds // 2
    assert after.checks["stale"] == rounds % 2


def test_a_slow_reader_without_the_last_state_is_stale(scripted, loading):
    def never_to_d(listeners, message):
        for path, listener in listeners.items():
            if path != "/d":
                listener.send(message)

    with loading(scripted(never_to_d), [*PLAN, Connection("D", "/d")]) as load:
        load.run(w=1, seconds=0.05)
        assert faults(load.settle(0.2)) == {"stale": 1}


def test_it_settles_although_pings_come_all_the_time(scripted, loading):
    has_settled, pinging = threading.Event(), []

    def ping(listener):
        for _ in range(500):
            if has_settled.wait(0.01):
                return
            listener.ping()
        pinging.append("for ever")

    def tell_and_ping(listeners, message):
        tell_all(listeners, message)
        if not pinging:
            pinging.append(threading.Thread(target=ping, args=[listeners["/a"]]))
            pinging[0].start()

    with loading(scripted(tell_and_ping), PLAN) as load:
        load.run(w=1, seconds=0.05)
        assert faults(load.settle(0.2)) == {}
        has_settled.set()
        pinging[0].join()
    assert len(pinging) == 1


@pytest.mark.parametrize("how", ["clean", "reset"])
def test_a_dropped_connection_can_be_opened_again(scripted, loading, how):
    with loading(scripted(tell_all), PLAN) as load:
        load.run(w=1, seconds=0.05)
        assert load.drop(0, 2, how)["dropped"] == 2
        again = load.open(0, 2, at_once=2)
        assert (again["opened"], again.checks["not_ready"]) == (2, 0)
        assert load.run(w=1, seconds=0.05).checks == NO_FAULT


def test_frames_that_are_no_updates_are_counted_apart(scripted, loading):
    def chat(listeners, message):
        listeners["/a"].send("x" * 70_000)
        listeners["/a"].send('{"op":"HEARTBEAT_ACK"}')
        tell_all(listeners, message)

    with loading(scripted(chat), PLAN) as load:
        answer = load.run(w=1, seconds=0.05)
    assert answer.checks == NO_FAULT
    assert answer["others"] == 2 * answer["rounds"]


def test_pings_are_answered(scripted, loading):
    pongs = []

    def ping(listeners, message):
        pongs.append(listeners["/a"].ping())
        tell_all(listeners, message)

    with loading(scripted(ping), PLAN) as load:
        load.run(w=1, seconds=0.05)
        load.settle(0.1)
        assert all(pong.wait(1) for pong in pongs)


@pytest.mark.parametrize("size", [100, 70_000])
def test_a_connection_is_ready_with_its_whole_first_message(scripted, loading, size):
    def greet(connection):
        connection.send(["x" * size, "y" * size, "z" * size])

    with loading(scripted(tell_all, greet), PLAN, greets=True) as load:
        answer = load.run(w=1, seconds=0.05)
    assert answer.checks == NO_FAULT
    assert answer["rounds"] > 0


@pytest.mark.parametrize("size", [100, 70_000])
def test_a_connection_that_waits_for_a_fragment_is_not_ready(scripted, loading, size):
    is_over = threading.Event()

    def greet(connection):
        def fragments():
            yield "x" * size
            yield "y" * size
            is_over.wait()

        with suppress(ConnectionClosed):
            connection.send(fragments())

    server = scripted(tell_all, greet)
    with loading(server, PLAN, greets=True, brings_up=False) as load:
        assert load.open(0, 1, at_once=1, within=0.3).checks["not_ready"] == 1
    is_over.set()


def test_a_refused_upgrade_is_an_error(scripted, loading, tmp_path):
    server = scripted(tell_all)
    server.stop()
    with pytest.raises(LoadFailed, match="4 connections"), loading(server, PLAN):
        pass
