"""The log: one line per happening, no secrets, no floods; and the counters."""

import io
import json
from http import HTTPStatus

import pytest
import structlog

from presence.dialects.together.errors import DropReason
from presence.log import (
    MAX_TEXT,
    Lines,
    LogEvent,
    SuppressRepeats,
    get_log,
    hide_secrets,
    open_log,
)
from presence.metrics import Count, Counters, Gauge

SIGNED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.fixture
def written():
    """Open the log in a format; returns where its text goes."""

    def open_in(log_format, log_level="info"):
        stream = io.StringIO()
        open_log(log_format, log_level, stream)
        return stream

    yield open_in
    structlog.reset_defaults()


def lines_of(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_a_line_is_json_where_nobody_sits_at_a_terminal(written, log_format):
    stream = written(log_format)
    get_log().info(LogEvent.LISTENING, port=8080)
    [line] = lines_of(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "listening", "level": "info", "port": 8080}


def test_auto_means_console_on_a_terminal(written):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    open_log("auto", "info", stream)
    get_log().info(LogEvent.LISTENING)
    structlog.reset_defaults()
    assert not stream.getvalue().startswith("{")


def test_events_below_the_level_are_not_written(written):
    stream = written("json", "warning")
    get_log().info(LogEvent.LISTENING)
    get_log().warning(LogEvent.DRAINING)
    assert [line["event"] for line in lines_of(stream)] == ["draining"]


HOSTILE = "a\r\n2026 [info] forged\x1b[2J\x00\x7f\x9b\u2028\u202e\ud800z"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_text_splits_a_line_or_reaches_the_terminal_raw(written, log_format):
    stream = written(log_format)
    get_log().warning(LogEvent.STORE_WRITE_FAILED, reason=HOSTILE, more=[HOSTILE])
    text = stream.getvalue()
    assert text.endswith("\n")
    assert text[:-1].isprintable()


def test_json_keeps_what_it_escapes(written):
    stream = written("json")
    get_log().warning(LogEvent.STORE_WRITE_FAILED, reason=HOSTILE)
    assert lines_of(stream)[0]["reason"] == HOSTILE


def test_a_traceback_on_the_console_cannot_pass_for_other_lines(written):
    stream = written("console")
    try:
        raise RuntimeError(HOSTILE)
    except RuntimeError:
        get_log().exception(LogEvent.ACTOR_CRASHED)
    first, *rest = stream.getvalue().splitlines()
    assert "actor_crashed" in first
    assert any("RuntimeError" in row for row in rest)
    assert all(row.startswith("    ") and row.isprintable() for row in rest)


def test_a_traceback_in_json_is_part_of_its_line(written):
    stream = written("json")
    try:
        raise RuntimeError(f"token={SIGNED}")
    except RuntimeError:
        get_log().exception(LogEvent.ACTOR_CRASHED)
    [line] = lines_of(stream)
    assert "RuntimeError: token=***" in line["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "fields",
    [
        {"token": SIGNED},
        {"Authorization": "Bearer abcdef-secret"},
        {"headers": {"Cookie": "abcdef-secret", "x": 1}},
        {"url": "/ws?device=x&token=abcdef-secret&state=idle"},
        {"url": "/ws?TOKEN%3Dabcdef-secret"},
        {"line": "token:abcdef-secret"},
        {"line": b"token:abcdef-secret"},
        {"header": "Bearer abcdef-secret"},
        {"header": "bearer, abcdef-secret"},
        {"seen": [f"at the end {SIGNED}"]},
        {"seen": ("deep", {"in": [f"x{SIGNED}"]})},
        {"problem": ValueError(f"bad {SIGNED}")},
    ],
)
def test_a_token_is_never_written(written, log_format, fields):
    stream = written(log_format)
    get_log().info(LogEvent.REQUEST_CRASHED, **fields)
    text = stream.getvalue()
    assert "request_crashed" in text
    for secret in ("abcdef-secret", *SIGNED.split(".")[1:]):
        assert secret not in text


def test_text_beside_a_token_stays():
    line = {"url": "/ws?token=abc&device=x", "user": "alice", "count": 3, "is_new": True}
    assert hide_secrets(None, "info", line) == line | {"url": "/ws?token=***&device=x"}


def test_a_long_text_is_cut():
    cut = hide_secrets(None, "info", {"text": "x" * (MAX_TEXT + 1)})["text"]
    assert cut == "x" * MAX_TEXT + "..."


# Floods -------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def passes(suppress, event="store_write_failed"):
    try:
        return suppress(None, "info", {"event": event})
    except structlog.DropEvent:
        return None


def test_ten_lines_a_second_pass_and_the_next_one_tells_of_the_others():
    clock = Clock()
    suppress = SuppressRepeats(clock)
    first = [passes(suppress) for _ in range(10_000)]
    assert [line for line in first if line] == [{"event": "store_write_failed"}] * 10
    clock.now += 0.999
    assert passes(suppress) is None
    clock.now += 0.001
    assert passes(suppress) == {"event": "store_write_failed", "suppressed": 9_991}
    assert passes(suppress) == {"event": "store_write_failed"}


def test_no_second_of_any_start_holds_more_than_ten_lines():
    clock, passed_at = Clock(), []
    suppress = SuppressRepeats(clock)
    for _ in range(400):
        clock.now += 0.0137
        if passes(suppress):
            passed_at.append(clock.now)
    assert len(passed_at) > 40
    assert all(later - earlier >= 1.0 for earlier, later in zip(passed_at, passed_at[10:]))  # noqa: B905


def test_a_flood_of_one_event_hides_no_other():
    suppress = SuppressRepeats(Clock())
    for _ in range(100):
        passes(suppress, "store_write_failed")
    assert passes(suppress, "actor_crashed") == {"event": "actor_crashed"}


def test_a_flood_reaches_the_stream_as_ten_lines(written):
    stream = written("json")
    for _ in range(1000):
        get_log().warning(LogEvent.STORE_WRITE_FAILED)
    assert 10 <= len(lines_of(stream)) <= 20  # 20: should this loop take over a second


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("closed file")])
def test_a_log_that_nobody_reads_stops_nothing(error):
    class Gone(io.StringIO):
        def write(self, text):
            raise error

    Lines(Gone()).info("line")


# Counters -----------------------------------------------------------------------------------


def test_counters_are_rendered_by_name_and_kind():
    counters = Counters()
    counters.add(Count.ACTOR_RESTARTS, amount=7)
    counters.add(Count.ACTOR_RESTARTS)
    counters.add(Count.FRAMES_DROPPED, DropReason.BAD_JSON)
    counters.show(Gauge.LIVE_ACTORS, lambda: 3)
    lines = counters.render().decode().splitlines()
    assert "presence_actor_restarts_total 8.0" in lines
    assert 'presence_frames_dropped_total{reason="bad_json"} 1.0' in lines
    assert "presence_live_actors 3.0" in lines


def test_two_servers_in_one_process_count_apart_and_equal_runs_look_equal():
    one, two = Counters(), Counters()
    assert one.render() == two.render()
    one.add(Count.REQUESTS, HTTPStatus.OK)
    assert one.render() != two.render()


@pytest.mark.parametrize("count", list(Count))
def test_no_counter_can_carry_a_user(count):
    assert count.label in {"", "dialect", "reason", "status", "ending"}


def test_the_value_of_a_label_is_that_of_an_enumeration_and_no_free_text():
    counters = Counters()
    with pytest.raises(AttributeError):
        counters.add(Count.TOKENS_REFUSED, "alice is expired")
    assert "alice" not in counters.render().decode()
    with pytest.raises(ValueError, match="label"):
        counters.add(Count.TOKENS_REFUSED)


def test_every_name_is_given_once():
    metrics = [item.metric for kind in (Count, Gauge) for item in kind]
    assert len(metrics) == len(set(metrics)) == len(Count) + len(Gauge)
