"""The people of the demonstration are users as the server accepts them."""

import unicodedata
from collections import Counter

import pytest

from presence.core.ids import parse_server_id, parse_user_id
from presence.core.text import clean_text, clean_username
from presence.demo.cast import BREAKS, MEETINGS, PEOPLE, SERVERS


def test_thirty_people_have_ids_of_their_own_and_are_spread_over_three_servers():
    members = Counter(server_id for person in PEOPLE for server_id in person.servers)
    assert len({person.id for person in PEOPLE}) == len(PEOPLE) == 30
    assert members.keys() == SERVERS.keys()
    assert len(SERVERS) == 3
    assert min(members.values()) >= 10


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.id)
def test_ids_names_and_texts_are_stored_as_they_are_written_here(person):
    assert parse_user_id(person.id) == person.id
    assert clean_username(person.name) == person.name
    for text in (*person.custom_statuses, *person.activities, *MEETINGS, *BREAKS):
        assert clean_text(text, "text") == text


def test_servers_have_ids_that_the_server_accepts():
    assert [parse_server_id(server_id) for server_id in SERVERS] == list(SERVERS)


def test_names_come_in_many_scripts_from_right_to_left_too_and_one_with_an_emoji():
    letters = {char for person in PEOPLE for char in person.name}
    scripts = {unicodedata.name(char, "").split()[0] for char in letters if char.isalpha()}
    assert {"LATIN", "ARABIC", "HEBREW", "CJK", "HANGUL", "DEVANAGARI", "THAI"} <= scripts
    assert any(unicodedata.category(char) == "So" for char in letters)
