"""VoicePing says but busy and online: in each form a listener must see them in turn, once each."""

import pytest

from bench.load import Connection
from presence.dialects.voiceping.frames import CONNECTION_TEST, STATUS, Frame
from presence.dialects.voiceping.outbound import status_frame

ONLINE, BUSY = 1, 2
NO_FAULT = {
    "lost": 0, "duplicated": 0, "out_of_order": 0, "leaked": 0, "garbled": 0, "stale": 0,
    "disconnected": 0,
}  # fmt: skip
PLAN = [
    Connection("P", "1:t1"),
    Connection("P", "2:t2"),
    Connection("L", "1000000:t1000000"),
    Connection("L", "1000001:t1000001"),
]
A, B = "1000000", "1000001"

pytestmark = pytest.mark.parametrize("form", ["lines", "texts", "arrays"])


def tell_all(radios, frame):
    for user in (A, B):
        radios[user].tell(frame.sender, int(frame.payload))


def faults(answer):
    return {name: count for name, count in answer.checks.items() if count}


@pytest.mark.parametrize("w", [1, 2])
def test_an_honest_server_passes_every_check(form, scripted_radios, loading, w):
    with loading(scripted_radios(form, tell_all), PLAN, form=form) as load:
        answer = load.run(w=w, seconds=0.1)
        after = load.settle(0.1)
    assert answer.checks == after.checks == NO_FAULT
    assert answer["rounds"] > 0
    assert answer["deliveries"] == 2 * answer["rounds"]
    assert answer.histogram("each").total == answer["deliveries"]
    assert answer.histogram("last").total == answer["rounds"]


def test_a_publisher_is_busy_and_online_in_turn(form, scripted_radios, loading):
    server = scripted_radios(form, tell_all)
    with loading(server, PLAN, form=form) as load:
        rounds = load.run(w=1, seconds=0.05)["rounds"]
        load.run(w=1, seconds=0.05)
    said = [frame for frame in server.heard if frame.message_type == STATUS]
    assert {(frame.channel_type, frame.sender, frame.recipient) for frame in said} == {
        (0, "1", "0")
    }
    assert [int(frame.payload) for frame in said] == ([BUSY, ONLINE] * len(said))[: len(said)]
    assert len(said) > rounds  # the second window goes on where the first one ended


def test_everybody_asks_to_be_answered_before_it_is_ready(form, scripted_radios, loading):
    def greet(radio):
        # What was before it came is no update, nor is it one in another form.
        radio.tell("1", ONLINE)
        radio.tell("1", BUSY)
        radio.tell("7", ONLINE)
        return radio.user != B

    server = scripted_radios(form, tell_all, greet)
    with loading(server, PLAN, form=form, brings_up=False) as load:
        opened = load.open(within=0.5)
    assert faults(opened) == {"not_ready": 1}
    tests = [frame for frame in server.heard if frame.message_type == CONNECTION_TEST]
    assert [frame.channel_type for frame in tests] == [1] * len(PLAN)
    assert {frame.sender for frame in tests} == {"1", "2", A, B}


def test_a_missing_update_is_lost(form, scripted_radios, loading):
    def forget_b(radios, frame):
        radios[A].tell(frame.sender, int(frame.payload))

    with loading(scripted_radios(form, forget_b), PLAN, form=form) as load:
        answer = load.run(w=1, seconds=0.1, lost_after=0.3)
        assert faults(answer) == {"lost": 1}
        assert answer["rounds"] == 0
        assert faults(load.settle(0.1)) == {"stale": 1}


def test_a_second_copy_is_counted(form, scripted_radios, loading):
    def tell_a_twice(radios, frame):
        tell_all(radios, frame)
        radios[A].tell(frame.sender, int(frame.payload))

    with loading(scripted_radios(form, tell_a_twice), PLAN, form=form) as load:
        answer = load.run(w=1, seconds=0.05)
        after = load.settle(0.1)
    found = answer.checks["duplicated"] + after.checks["duplicated"]
    assert found == answer["rounds"] > 0
    assert faults(answer).keys() <= {"duplicated"}


def test_an_older_status_after_a_newer_one_is_out_of_order(form, scripted_radios, loading):
    def repeat_the_one_before(radios, frame):
        if int(frame.payload) == BUSY:
            tell_all(radios, frame)
        else:  # b gets nothing, so the next update is not sent, which would look the same
            radios[A].tell("1", ONLINE)
            radios[A].tell("1", BUSY)

    with loading(scripted_radios(form, repeat_the_one_before), PLAN, form=form) as load:
        answer = load.run(w=1, seconds=0.1, lost_after=0.3)
    assert faults(answer) == {"out_of_order": 1, "lost": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(status_frame("1", 0), id="nobody went offline"),
        pytest.param(status_frame("2", BUSY), id="this one said nothing"),
        pytest.param(Frame(0, STATUS, "1", "0", "busy"), id="no number"),
        pytest.param(Frame(0, STATUS, "1", "0", 1, message_id=9), id="too many fields"),
    ],
)
def test_a_status_that_nobody_sent_is_garbled(form, scripted_radios, loading, wrong):
    def tell_wrong(radios, frame):
        radios[A].say(wrong)
        tell_all(radios, frame)

    with loading(scripted_radios(form, tell_wrong), PLAN, form=form) as load:
        answer = load.run(w=1, seconds=0.05)
    assert faults(answer) == {"garbled": answer["rounds"]}


@pytest.mark.parametrize("wrong", ["one byte more", "another form"])
def test_a_message_that_is_none_of_ours_is_garbled(form, scripted_radios, loading, wrong):
    texts, arrays = "|0|5|1|0|1|", bytes((0x95, 0, 5, 1, 0, 1))
    message = {
        ("one byte more", "lines"): texts + "1",
        ("one byte more", "texts"): texts + "1",
        ("one byte more", "arrays"): arrays + b"1",
        ("another form", "lines"): texts.replace("|", ","),
        ("another form", "texts"): texts.encode(),  # a binary message
        ("another form", "arrays"): texts,
    }[wrong, form]

    def tell_wrong(radios, frame):
        radios[A].send(message)
        tell_all(radios, frame)

    with loading(scripted_radios(form, tell_wrong), PLAN, form=form) as load:
        answer = load.run(w=1, seconds=0.05)
    assert faults(answer) == {"garbled": answer["rounds"]}


def test_frames_that_are_no_status_of_a_publisher_are_counted_apart(form, scripted_radios, loading):
    def chat(radios, frame):
        radios[A].tell("70000", ONLINE)
        radios[A].say(Frame(1, 9, "0", A, 1))
        tell_all(radios, frame)

    with loading(scripted_radios(form, chat), PLAN, form=form) as load:
        answer = load.run(w=1, seconds=0.05)
    assert answer.checks == NO_FAULT
    assert answer["others"] == 2 * answer["rounds"]


def test_an_update_outside_its_audience_is_leaked(form, scripted_radios, loading):
    plan = [
        Connection("P", "1:t1", (3,)),
        Connection("L", f"{A}:t{A}", (3,)),
        Connection("L", f"{B}:t{B}", (1,)),
    ]
    with loading(scripted_radios(form, tell_all), plan, form=form) as load:
        answer = load.run(w=1, seconds=0.05)
    assert answer["rounds"] > 0  # b is not waited for
    assert answer.checks["leaked"] >= answer["rounds"] - 1


def test_a_listener_that_the_server_ends_is_a_fault(form, scripted_radios, loading):
    with loading(
        scripted_radios(form, lambda radios, frame: radios[B].close()), PLAN, form=form
    ) as load:
        answer = load.run(w=1, seconds=0.1, lost_after=0.5)
    assert answer.checks["disconnected"] == 1


@pytest.mark.parametrize("how", ["clean", "reset"])
def test_a_dropped_connection_can_be_opened_again(form, scripted_radios, loading, how):
    with loading(scripted_radios(form, tell_all), PLAN, form=form) as load:
        load.run(w=1, seconds=0.05)
        assert load.drop(2, 2, how)["dropped"] == 2
        again = load.open(2, 2, at_once=2)
        assert (again["opened"], again.checks["not_ready"]) == (2, 0)
        assert load.run(w=1, seconds=0.05).checks == NO_FAULT
