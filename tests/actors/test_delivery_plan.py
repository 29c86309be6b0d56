"""One round of the broadcaster: who gets what, and how often it is rendered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broadcast.audience import EACH_VALUE, Audience, EachValue
from actors.broadcast.delivery_plan import Publication, plan_round


class Reader:
    def __init__(self, name, lane=EACH_VALUE):
        self.name = name
        self.lane = lane

    def __repr__(self):
        return self.name


def publication(key, sequence, topics, except_topics="", except_readers=()):
    return Publication(
        key,
        key.upper(),
        sequence,
        frozenset(topics),
        frozenset(except_topics),
        tuple(except_readers),
    )


def audience_of(fd_table):
    """*fd_table*: for each reader its topics with the stamp it joined at."""
    audience = Audience()
    for reader, topics in fd_table.items():
        audience.enter(reader)
        for topic, since in topics.items():
            audience.join(reader, topic, since)
    return audience


def shares_of(publications, audience):
    """The packets of each reader, and how many were rendered."""
    got, rendered = {}, 0
    for delivery in plan_round(publications, audience):
        rendered += bool(delivery.readers)
        for reader in delivery.readers:
            assert reader not in got, "a reader in two shares"
            got[reader] = [each.key for each in delivery.publications]
    return got, rendered


@pytest.mark.parametrize("topics", ["a", "ab"])
def test_readers_of_the_same_values_share_one_packet(topics):
    readers = [Reader(f"r{n}") for n in range(5)]
    audience = audience_of({reader: dict.fromkeys(topics, 0) for reader in readers})
    round_of = [publication("u", 1, topics), publication("v", 2, topics)]
    assert shares_of(round_of, audience) == ({reader: ["u", "v"] for reader in readers}, 1)


def test_overlapping_audiences_share_by_what_they_get():
    only_a, only_b, both = Reader("only a"), Reader("only b"), Reader("both")
    audience = audience_of({only_a: {"a": 0}, only_b: {"b": 0}, both: {"a": 0, "b": 0}})
    round_of = [publication("u", 1, "a"), publication("v", 2, "b"), publication("w", 3, "a")]
    got, rendered = shares_of(round_of, audience)
    assert got == {only_a: ["u", "w"], only_b: ["v"], both: ["u", "v", "w"]}
    assert rendered == 3


def test_each_lane_renders_for_itself():
    class Lane(EachValue):
        def render(self, values):
            return self, values

    lane = Lane()
    here, there = Reader("here", lane), Reader("there")
    audience = audience_of({here: {"a": 0}, there: {"a": 0}})
    packets = {
        delivery.readers[0]: delivery.render()
        for delivery in plan_round([publication("u", 1, "a")], audience)
    }
    assert packets == {here: (lane, [("u", "U")]), there: [("u", "U")]}


def test_an_excepted_reader_gets_the_other_values():
    itself, other = Reader("itself"), Reader("other")
    audience = audience_of({itself: {"a": 0}, other: {"a": 0}})
    round_of = [publication("u", 1, "a", except_readers=[itself]), publication("v", 2, "a")]
    assert shares_of(round_of, audience)[0] == {itself: ["v"], other: ["u", "v"]}


def test_a_later_subscriber_gets_newer_values_only():
    old, new = Reader("old"), Reader("new")
    audience = audience_of({old: {"a": 0}, new: {"a": 1}})
    round_of = [publication("u", 1, "a"), publication("v", 2, "a")]
    assert shares_of(round_of, audience)[0] == {old: ["u", "v"], new: ["v"]}


TOPICS = st.frozensets(st.sampled_from("abc"))
SEATS = st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 6)), max_size=6)
ROUND = st.lists(
    st.tuples(TOPICS, TOPICS, st.frozensets(st.integers(0, 5), max_size=2)), min_size=1, max_size=6
)


@given(SEATS, ROUND)
def test_every_reader_gets_exactly_what_is_for_it_in_order(fd_table, drawn):
    readers = [Reader(f"r{n}") for n in range(len(fd_table))]
    audience = audience_of(dict(zip(readers, fd_table, strict=True)))
    publications = [
        publication(
            f"u{sequence}", sequence, topics, but, [readers[n] for n in itself if n < len(readers)]
        )
        for sequence, (topics, but, itself) in enumerate(drawn, start=1)
    ]

    def naive(reader, topics_since):
        for each in publications:
            is_in = any(topics_since.get(t, each.sequence) < each.sequence for t in each.topics)
            is_out = any(t in topics_since for t in each.except_topics)
            if is_in and not is_out and reader not in each.except_readers:
                yield each.key

    expected = {
        reader: list(naive(reader, own)) for reader, own in zip(readers, fd_table, strict=True)
    }
    got, _ = shares_of(publications, audience)
    assert got == {reader: keys for reader, keys in expected.items() if keys}
