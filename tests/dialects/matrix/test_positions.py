"""Positions in the stream of changes."""

import pytest

from presence.dialects.matrix.positions import (
    Position,
    fingerprint,
    parse_position,
    parse_version,
)


@pytest.mark.parametrize("version", [0, 1, 2**32 + 5, 2**62])
def test_a_position_is_read_as_it_was_written(version):
    position = Position(version, fingerprint(b"own"))
    assert parse_position(str(position)) == position
    assert parse_version(str(version)) == version


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "5",
        "5.",
        ".00000000",
        "5.0000000",
        "5.0000000G",
        "-5.00000000",
        "\u0665.00000000",
        "s_5",
    ],
)
def test_an_unreadable_position_is_none(raw):
    assert parse_position(raw) is None


@pytest.mark.parametrize("raw", [None, "", "x", "-1", "1.5", "9" * 20, "\u0665"])
def test_an_unreadable_version_is_none(raw):
    assert parse_version(raw) is None


def test_fingerprints_of_different_states_differ():
    assert len({fingerprint(b"%d" % number) for number in range(1000)}) == 1000
