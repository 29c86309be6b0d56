"""Twenty situations of a user: the sentence names what decides, and what is foretold happens."""

import json

import attrs
import pytest
from core_life import Life

from presence.core.events import Ending
from presence.core.types import State, Status
from presence.core.user.explanation import explain
from presence.dialects.together.explanation import explanation_json

ONLINE, IDLE, NOT_COUNTING = State.ONLINE, State.IDLE, State.OFFLINE
AWAY, DND, INVISIBLE = Status.AWAY, Status.DND, Status.OFFLINE
CHOSE_DND = "The user chose dnd"
PHONE_ONLINE = "Device phone is connected and is online."


def flag(life):
    life.say(life.connect(), appear_offline=True)


def flag_before_the_choice(life):
    life.say(life.connect(), appear_offline=True, intent=DND)


def invisible(life):
    life.say(life.connect(), intent=INVISIBLE)


def invisible_for_an_hour(life):
    life.say(life.connect(), intent=INVISIBLE, until=life.now.wall + 3600.0)


def do_not_disturb(life):
    life.say(life.connect(), intent=DND)


def do_not_disturb_with_until(life):
    life.say(life.connect(), intent=DND, until=life.now.wall + 250.0)


def away_by_hand_with_until(life):
    life.say(life.connect(), intent=AWAY, until=life.now.wall + 60.0)


def online(life):
    life.connect()


def idle(life):
    life.connect(state=IDLE)


def two_devices(life):
    life.connect()
    life.connect("laptop", state=IDLE)


def two_connections_of_a_device(life):
    life.connect()
    life.connect()


def a_device_that_does_not_count(life):
    life.connect(state=NOT_COUNTING)


def grace(life):
    life.lose(life.connect())


def grace_beside_an_idle_device(life):
    life.connect("laptop", state=IDLE)
    life.lose(life.connect())


def between_two_polls(life):
    life.end(life.connect("matrix"), Ending.POLL)


def lease(life):
    life.set_device("desk", ONLINE, lease=120.0)


def lease_of_the_commands(life):
    life.patch(intent=DND)


def a_radio_that_pinged(life):
    life.ping(life.connect("radio"))


def a_swept_radio(life):
    life.connect()
    life.ping(life.connect("radio"))
    life.wait(500.0)


def a_choice_that_the_store_lost(life):
    life.user.preferences = attrs.evolve(life.user.preferences, forced_hidden=True)
    life.connect()


# What happened, the sentence that decides, the status and when the next comes (None: never).
SITUATIONS = [
    (flag, "Appear offline is set, so others see the user offline.", None),
    (flag_before_the_choice, "Appear offline is set, so others see the user offline.", None),
    (invisible, "The user chose to be invisible.", None),
    (invisible_for_an_hour, "The user chose to be invisible until ", ("online", 3600.0)),
    (do_not_disturb, f"{CHOSE_DND}.", None),
    (do_not_disturb_with_until, f"{CHOSE_DND} until ", ("online", 250.0)),
    (away_by_hand_with_until, "The user chose away until ", ("online", 60.0)),
    (online, PHONE_ONLINE, None),
    (idle, "Device phone is connected and is idle.", None),
    (two_devices, PHONE_ONLINE, None),
    (two_connections_of_a_device, "Device phone has 2 connections and is online.", None),
    (a_device_that_does_not_count, "Device phone is connected and does not count.", None),
    (grace, "Device phone lost its connection and still counts as online", ("offline", 10.0)),
    (grace_beside_an_idle_device, "Device phone lost its connection and", ("away", 10.0)),
    (between_two_polls, "Device matrix polls and is held between two", ("offline", 30.0)),
    (lease, "A lease holds device desk as online until ", ("offline", 120.0)),
    (lease_of_the_commands, f"{CHOSE_DND}.", ("offline", 300.0)),
    (a_radio_that_pinged, "Device radio is connected and is online.", ("offline", 360.0)),
    (a_swept_radio, PHONE_ONLINE, None),
    (a_choice_that_the_store_lost, "The stored status could not be read, so", None),
]


@pytest.mark.parametrize(
    ("happen", "sentence", "foretold"), SITUATIONS, ids=[each[0].__name__ for each in SITUATIONS]
)
def test_the_sentence_names_what_decides_and_the_next_change_comes_true(happen, sentence, foretold):
    life = Life()
    happen(life)
    told = json.loads(explanation_json(explain(life.user, life.now), life.now.wall))
    deciding = [each["says"] for each in told["because"] if each["is_deciding"]]
    assert told["status"] == life.user.status.value
    assert any(says.startswith(sentence) for says in deciding)
    found = explain(life.user, life.now).next
    assert (None if found is None else (found.status.value, found.at - life.now.wall)) == foretold
    if found is None:
        life.wait(100_000.0)
        assert life.user.status.value == told["status"]
        return
    life.wait(foretold[1] - 0.01)
    assert life.user.status.value == told["status"]
    life.wait(0.02)
    assert life.user.status.value == foretold[0]


def test_there_are_twenty_of_them():
    assert len(SITUATIONS) == 20
