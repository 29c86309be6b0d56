"""Where a line ends, how long it may be, and how many may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.frontends.voiceping.lines import (
    LINE_BURST,
    LINE_BYTES,
    LOGIN_BYTES,
    TOO_LONG,
    TOO_MANY,
    LineReader,
)
from presence.transport.limits import NetLimits

TOKEN_LINE = b"token:" + b"t" * (LOGIN_BYTES - 6)
LONGEST = b"x" * LINE_BYTES
PARTS = [
    b"\n", b"\r", b"\r\n", b" ", b"a", b"|0|5|7|0|2|", b"voiceping:7", b"token:t", b"\xff", b"\xc3",
    "ä".encode(), b"x" * 510, LONGEST, b"x" * 8000, TOKEN_LINE,
]  # fmt: skip


def read(*chunks, now=0.0, **limits):
    """Return all lines and the violation."""
    reader = LineReader(NetLimits(**limits))
    lines = []
    for chunk in chunks:
        lines += reader.feed(chunk, now)
    return lines, reader.violation


def in_bytes(wire):
    return [wire[start : start + 1] for start in range(len(wire))]


@pytest.mark.parametrize(
    ("wire", "lines", "violation"),
    [
        pytest.param(b"", [], None, id="nothing"),
        pytest.param(b"a\nb\n", ["a", "b"], None, id="two lines"),
        pytest.param(b"a\r\nb\r\n", ["a", "b"], None, id="CR LF"),
        pytest.param(b"a\nb", ["a"], None, id="a line that is not ended"),
        pytest.param(b"\n\r\n \n\t\r\na\n\n", ["a"], None, id="blank lines"),
        pytest.param(b"a\rb\n", ["a\rb"], None, id="CR within a line"),
        pytest.param(b"a\r\r\n", ["a\r"], None, id="one CR belongs to the end"),
        pytest.param("ä\x85\u2028b\x0b\n".encode(), ["ä\x85\u2028b\x0b"], None, id="other ends"),
        pytest.param(b"a\xff\xc3\nb\n", ["a\ufffd\ufffd", "b"], None, id="no UTF-8"),
        pytest.param(b"a\x00\n", ["a\x00"], None, id="NUL"),
        pytest.param(LONGEST + b"\n", ["x" * 512], None, id="512 bytes"),
        pytest.param(LONGEST + b"\r\n", ["x" * 512], None, id="512 bytes and CR LF"),
        pytest.param(LONGEST + b"\r", [], None, id="a CR that may be half an end"),
        pytest.param(LONGEST + b"\r\r\n", [], TOO_LONG, id="a CR that is none"),
        pytest.param(LONGEST + b"x", [], TOO_LONG, id="513 bytes without an end"),
        pytest.param(b"a\n" + LONGEST + b"x\nb\n", ["a"], TOO_LONG, id="513 bytes in between"),
        pytest.param("ä".encode() * 257 + b"\n", [], TOO_LONG, id="514 bytes, 257 letters"),
        pytest.param(TOKEN_LINE + b"\r\n", [TOKEN_LINE.decode()], None, id="the longest token"),
        pytest.param(TOKEN_LINE + b"\r", [], None, id="the longest token and half an end"),
        pytest.param(TOKEN_LINE + b"t", [], TOO_LONG, id="a token too long"),
        pytest.param(TOKEN_LINE + b"t\n", [], TOO_LONG, id="a token too long and ended"),
        pytest.param(
            b"\n \n" + TOKEN_LINE + b"\na\n",
            [TOKEN_LINE.decode(), "a"],
            None,
            id="blanks before it",
        ),
        pytest.param(
            TOKEN_LINE + b"\n" + LONGEST + b"x", [TOKEN_LINE.decode()], TOO_LONG, id="after it"
        ),
        pytest.param(b"token:a\n" + TOKEN_LINE, ["token:a"], TOO_LONG, id="only the first line"),
        pytest.param(b"Token:" + b"x" * 507, [], TOO_LONG, id="another word"),
        pytest.param(b" " * 513, [], TOO_LONG, id="a blank line too long"),
    ],
)
@pytest.mark.parametrize("cut", [lambda wire: [wire], in_bytes], ids=["whole", "byte by byte"])
def test_lines_on_the_wire(wire, lines, violation, cut):
    assert read(*cut(wire)) == (lines, violation)


@given(st.lists(st.sampled_from(PARTS)), st.data())
def test_the_verdict_does_not_depend_on_how_the_bytes_are_cut(parts, data):
    wire = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert read(*pieces) == read(wire)


@given(st.lists(st.sampled_from(PARTS), max_size=40))
def test_no_more_is_kept_than_one_line(parts):
    reader = LineReader(NetLimits())
    for part in parts:
        reader.feed(part, 0.0)
        assert len(reader._partial) <= LOGIN_BYTES + 1  # private: the memory is the rule
        if reader.violation is not None:
            assert reader._partial == b""


def test_after_a_violation_nothing_is_read():
    assert read(LONGEST + b"x", b"\na\n") == ([], TOO_LONG)


def test_a_thousand_lines_may_come_in_one_piece():
    lines, violation = read(b"voiceping:7\n" * 1000)
    assert (lines, violation) == (["voiceping:7"] * 1000, None)


@pytest.mark.parametrize("line", [b"a", b""], ids=["lines", "blank lines"])
def test_a_flood_is_read_up_to_the_burst(line):
    lines, violation = read((line + b"\n") * (LINE_BURST + 1))
    assert (len(lines), violation) == (LINE_BURST if line else 0, TOO_MANY)


def test_in_the_long_run_ten_times_the_frame_rate_is_read():
    reader = LineReader(NetLimits(max_frames_per_second=3))
    reader.feed(b"a\n" * LINE_BURST, 100.0)
    for second in range(101, 110):
        reader.feed(b"a\n" * 30, float(second))
    assert reader.violation is None
    reader.feed(b"a\n", 109.0)
    assert reader.violation == TOO_MANY


def test_without_a_frame_rate_any_number_of_lines_is_read():
    lines, violation = read(b"a\n" * 5 * LINE_BURST, max_frames_per_second=0)
    assert (len(lines), violation) == (5 * LINE_BURST, None)
