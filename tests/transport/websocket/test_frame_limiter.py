"""Frames that the limiter refuses, however the bytes are cut."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from presence.transport.limits import NetLimits
from presence.transport.websocket.client_frames import read_whole_text
from presence.transport.websocket.frame_limiter import (
    PING,
    PONG,
    FrameLimiter,
    Violation,
)

LIMITS = NetLimits(max_frame_bytes=1000, max_frames_per_second=20)
TOO_LARGE = Violation(1009, "frame or message larger than 1000 bytes")
TOO_MANY_FRAGMENTS = Violation(1009, "message of more than 64 fragments")
TOO_MANY_CONTROL = Violation(4008, "too many control frames")
TOO_MANY = Violation(4008, "too many frames")

TEXT, FIRST, MORE, LAST = 0x81, 0x01, 0x00, 0x80


def header(first, length, *, mask=b"\x05\x06\x07\x08"):
    masked = 0x80 if mask else 0
    if length < 126:
        return bytes((first, masked | length)) + mask
    if length < 65536:
        return bytes((first, masked | 126)) + length.to_bytes(2, "big") + mask
    return bytes((first, masked | 127)) + length.to_bytes(8, "big") + mask


def frame(first, payload=b"", mask=b"\x05\x06\x07\x08"):
    unmasked = not mask
    covered = payload if unmasked else bytes(b ^ mask[n % 4] for n, b in enumerate(payload))
    return header(first, len(payload), mask=mask) + covered


def verdict(wire, *, limits=LIMITS, chunk=10_000, now=0.0):
    """Feed chunk by chunk; return the violation and what control frames were reported."""
    meter, told = FrameLimiter(limits), []
    meter.on_control = lambda opcode, payload: told.append((opcode, payload))
    for start in range(0, len(wire), chunk):
        violation = meter.feed(wire[start : start + chunk], now)
        if violation is not None:
            return violation, told
    return None, told


ALLOWED = [
    pytest.param(b"", id="nothing"),
    pytest.param(frame(TEXT, b"x" * 1000), id="largest frame"),
    pytest.param(frame(FIRST, b"x" * 500) + frame(LAST, b"x" * 500), id="largest message"),
    pytest.param(frame(FIRST) + frame(MORE) * 62 + frame(LAST), id="64 fragments"),
    pytest.param(
        (frame(FIRST) + frame(MORE) * 62 + frame(LAST)) * 2, id="64 fragments of two messages"
    ),
    pytest.param(
        frame(FIRST) + frame(MORE) * 63 + frame(0x89, b"p" * 125), id="ping behind 64 fragments"
    ),
    pytest.param(
        frame(FIRST, b"x" * 900) + frame(0x89, b"p" * 125), id="ping within a large message"
    ),
    pytest.param((frame(FIRST, b"x" * 900) + frame(LAST)) * 3, id="sizes do not add up"),
    pytest.param(frame(0x89, b"ping") * 100, id="burst of pings"),
    pytest.param(frame(TEXT) * 400, id="burst of frames"),
    pytest.param(header(0x83, 5, mask=b"") + b"12345", id="broken framing is the library's"),
    pytest.param(frame(MORE) * 3, id="continuation of nothing is the library's"),
]


@pytest.mark.parametrize("chunk", [1, 3, 10_000])
@pytest.mark.parametrize("wire", ALLOWED)
def test_frames_within_the_limits_pass(wire, chunk):
    assert verdict(wire, chunk=chunk)[0] is None


REFUSED = [
    pytest.param(header(TEXT, 1001), TOO_LARGE, id="one byte too large"),
    pytest.param(header(TEXT, 2**63 - 1)[:10], TOO_LARGE, id="2^63-1, before the mask came"),
    pytest.param(header(TEXT, 2**64 - 1), TOO_LARGE, id="2^64-1"),
    pytest.param(header(0x89, 70_000), TOO_LARGE, id="giant ping"),
    pytest.param(frame(FIRST, b"x" * 600) + header(LAST, 401), TOO_LARGE, id="sum too large"),
    pytest.param(
        frame(FIRST, b"x" * 600) + frame(0x89, b"p") + header(LAST, 401),
        TOO_LARGE,
        id="sum over a ping in between",
    ),
    pytest.param(frame(FIRST) + frame(MORE) * 64, TOO_MANY_FRAGMENTS, id="65 empty fragments"),
    pytest.param(
        frame(FIRST, b"x") + frame(MORE, b"x") * 63 + frame(LAST, b"x"),
        TOO_MANY_FRAGMENTS,
        id="65 fragments, the last final",
    ),
    pytest.param(frame(0x89) * 101, TOO_MANY_CONTROL, id="ping flood"),
    pytest.param(frame(0x8A) * 101, TOO_MANY_CONTROL, id="pong flood"),
    pytest.param((frame(0x89) + frame(TEXT)) * 101, TOO_MANY_CONTROL, id="pings between texts"),
    pytest.param(frame(TEXT) * 401, TOO_MANY, id="flood of small messages"),
]


@pytest.mark.parametrize("chunk", [1, 3, 10_000])
@pytest.mark.parametrize(("wire", "violation"), REFUSED)
def test_frames_over_a_limit_are_refused(wire, violation, chunk):
    assert verdict(wire, chunk=chunk)[0] == violation


def test_only_the_bytes_before_the_offending_frame_are_accepted():
    meter, good = FrameLimiter(LIMITS), frame(TEXT, b"hello")
    assert meter.feed(good[:3], 0) is None
    violation = meter.feed(good[3:] + header(TEXT, 2000) + b"x" * 50, 0)
    assert violation.accepted_bytes == len(good) - 3


def test_nothing_is_accepted_of_a_frame_whose_header_began_in_an_earlier_chunk():
    meter, bad = FrameLimiter(LIMITS), header(TEXT, 2000)
    assert meter.feed(bad[:3], 0) is None
    assert meter.feed(bad[3:] + b"x" * 50, 0).accepted_bytes == 0


def test_limits_of_zero_are_off():
    off = NetLimits(max_frame_bytes=0, max_frames_per_second=0)
    assert verdict(header(TEXT, 2**40), limits=off) == (None, [])
    assert verdict(frame(TEXT) * 5000, limits=off) == (None, [])


def test_fifty_control_frames_a_second_are_sustained_and_more_are_not():
    meter = FrameLimiter(LIMITS)
    assert all(meter.feed(frame(0x89) * 50, float(second)) is None for second in range(1, 30))
    meter = FrameLimiter(LIMITS)
    verdicts = [meter.feed(frame(0x89) * 60, float(second)) for second in range(1, 30)]
    assert TOO_MANY_CONTROL in verdicts


@pytest.mark.parametrize("chunk", [1, 2, 5, 10_000])
def test_payloads_of_pings_and_pongs_are_reported(chunk):
    wire = (
        frame(0x89, b"voiceping:7")
        + frame(TEXT, b"not this")
        + frame(0x8A, b"")
        + frame(FIRST, b"half")
        + frame(0x8A, bytes(range(125)))
        + frame(LAST, b"whole")
        + frame(0x88, b"\x03\xe8")
        + frame(0x89, b"bare", mask=b"")
    )
    told = [(PING, b"voiceping:7"), (PONG, b""), (PONG, bytes(range(125))), (PING, b"bare")]
    assert verdict(wire, chunk=chunk) == (None, told)


def test_the_ping_that_is_one_too_many_is_not_reported():
    assert len(verdict(frame(0x89, b"x") * 200)[1]) == 100


FRAMES = st.builds(
    frame,
    st.sampled_from([TEXT, 0x82, FIRST, MORE, LAST, 0x88, 0x89, 0x8A, 0xC1, 0x83]),
    st.one_of(st.binary(max_size=130), st.sampled_from([b"x" * 400, b"x" * 1001])),
    st.sampled_from([b"", b"\x05\x06\x07\x08"]),
)


@given(
    st.lists(FRAMES, max_size=30).map(b"".join),
    st.binary(max_size=12),
    st.data(),
    st.integers(1, 3),
)
def test_the_verdict_does_not_depend_on_chunking(wire, rest, data, repeat):
    wire = wire * repeat + rest
    expected = verdict(wire)
    meter, told, violation, position = FrameLimiter(LIMITS), [], None, 0
    meter.on_control = lambda opcode, payload: told.append((opcode, payload))
    while position < len(wire) and violation is None:
        step = data.draw(st.integers(1, 200))
        violation = meter.feed(wire[position : position + step], 0.0)
        position += step
    assert (violation, told) == expected


# Whole texts ----------------------------------------------------------------------------


@given(text=st.text(max_size=300), mask=st.binary(min_size=4, max_size=4))
def test_a_whole_text_is_read_whatever_its_mask(text, mask):
    assert read_whole_text(frame(TEXT, text.encode(), mask)) == text


PLAIN = frame(TEXT, b"plain")
ODD = [
    pytest.param(b"", id="nothing"),
    pytest.param(PLAIN[:-1], id="cut short"),
    pytest.param(PLAIN[:5], id="cut in the header"),
    pytest.param(PLAIN + PLAIN, id="two"),
    pytest.param(PLAIN + b"\x81", id="more behind it"),
    pytest.param(frame(FIRST, b"plain"), id="first fragment"),
    pytest.param(frame(LAST, b"plain"), id="last fragment"),
    pytest.param(frame(0x82, b"plain"), id="binary"),
    pytest.param(frame(0x89, b"plain"), id="ping"),
    pytest.param(frame(0xC1, b"plain"), id="reserved bit"),
    pytest.param(frame(TEXT, b"unmasked", mask=b""), id="no mask"),
    pytest.param(frame(TEXT, b"\xff\xfe"), id="no UTF-8"),
    pytest.param(frame(TEXT, b"\xed\xa0\x80"), id="half a surrogate pair"),
    pytest.param(b"\x81\xfe\x00\x05\0\0\0\0plain", id="length in more bytes than it needs"),
]


@pytest.mark.parametrize("data", ODD)
def test_odd_frames_are_left_to_the_library(data):
    assert read_whole_text(data) is None


@pytest.mark.parametrize(
    ("wire", "is_between"),
    [
        pytest.param(b"", True, id="nothing yet"),
        pytest.param(PLAIN, True, id="a message"),
        pytest.param(PLAIN + PLAIN[:1], False, id="part of a header"),
        pytest.param(PLAIN + PLAIN[:-1], False, id="part of a payload"),
        pytest.param(frame(FIRST, b"a"), False, id="a first fragment"),
        pytest.param(frame(FIRST, b"a") + frame(MORE, b"b"), False, id="two fragments"),
        pytest.param(frame(FIRST, b"a") + frame(0x89, b"p"), False, id="a ping between fragments"),
        pytest.param(frame(FIRST, b"a") + frame(LAST, b"b"), True, id="all fragments"),
        pytest.param(frame(0x89, b"p"), True, id="a ping"),
    ],
)
def test_the_meter_knows_where_messages_begin(wire, is_between):
    meter = FrameLimiter(LIMITS)
    assert meter.feed(wire, 0.0) is None
    assert meter.is_between_messages == is_between


def test_messages_are_counted_as_they_begin():
    meter = FrameLimiter(LIMITS)
    meter.feed(PLAIN + frame(0x89, b"p") + frame(FIRST, b"a") + frame(LAST) + PLAIN[:2], 0.0)
    assert meter.message_count == 2


# -- whole texts ------------------------------------------------------------------------------

CHUNKS = st.one_of(
    st.builds(frame, st.just(TEXT), st.sampled_from([b"", b"hi", b"\xff", b"x" * 994, b"x" * 999])),
    st.sampled_from(
        [
            frame(TEXT, b"x" * 1000),
            frame(TEXT, b"x" * 1001),
            frame(TEXT, b"hi") * 2,
            frame(TEXT, b"hi")[:3],
            frame(TEXT, b"hi", mask=b""),
            frame(FIRST, b"hi"),
            frame(LAST, b"hi"),
            frame(0x89, b"ping"),
        ]
    ),
)


@given(st.lists(st.tuples(CHUNKS, st.sampled_from([0.0, 0.001, 0.2])), max_size=12))
@example([(frame(TEXT, b"x" * 999), 0.0), (frame(TEXT, b""), 0.0), (frame(LAST, b"hi"), 0.0)])
@example([(frame(TEXT, b"x" * 999), 0.0), (frame(TEXT, b""), 0.0), (frame(0x00, b"hi"), 0.0)])
def test_a_text_that_is_taken_whole_is_judged_as_any_other_chunk(chunks):
    limits = NetLimits(max_frame_bytes=1000, max_frames_per_second=1)
    quick, thorough, now = FrameLimiter(limits), FrameLimiter(limits), 0.0
    for chunk, pause in chunks:
        now += pause
        is_new = thorough.is_between_messages
        violation = thorough.feed(chunk, now)
        text = quick.take_text(chunk, now)
        if text is None:
            assert quick.feed(chunk, now) == violation
        else:
            assert (violation, is_new, text) == (None, True, read_whole_text(chunk))
        if violation is not None:
            return
        assert quick.message_count == thorough.message_count
        assert quick.is_between_messages == thorough.is_between_messages


def test_most_texts_are_taken_whole():
    meter = FrameLimiter(LIMITS)
    assert meter.take_text(frame(TEXT, "grüße".encode()), 0.0) == "grüße"
    assert meter.take_text(frame(FIRST, b"hi"), 0.0) is None
    assert meter.feed(frame(FIRST, b"hi"), 0.0) is None
    assert meter.take_text(frame(TEXT, b"hi"), 0.0) is None  # in the middle of another message
