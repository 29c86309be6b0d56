"""Structured logging: every event by name, rate limits, and no secrets.

A log line names one `LogEvent`. Of each event at most ten lines a second are
written; the next line says how many were suppressed.
"""

import enum
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

MAX_LINES_PER_SECOND: Final = 10
MAX_TEXT: Final = 8000


class LogEvent(enum.StrEnum):
    """The events that log lines name."""

    STARTING = "starting"
    LISTENING = "listening"
    DRAINING = "draining"
    STOPPED = "stopped"
    STOP_FORCED = "stop_forced"
    NOT_RELOADED = "not_reloaded"
    SECRET_EXPOSED = "secret_exposed"
    ACTOR_CRASHED = "actor_crashed"
    RESTARTS_EXHAUSTED = "restarts_exhausted"
    REQUEST_CRASHED = "request_crashed"
    UPDATE_DROPPED = "update_dropped"
    STORE_MOVED_ASIDE = "store_moved_aside"
    STORE_WRITE_FAILED = "store_write_failed"
    STORE_RECOVERED = "store_recovered"


def open_log(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """Set up the log of this process: one line per event on *stream* (standard error).

    "auto" means "console" on a terminal and "json" elsewhere.
    """
    stream = sys.stderr if stream is None else stream
    if is_for_people(log_format, stream):
        renderers = _console(stream.isatty())
    else:
        renderers = [structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            SuppressRepeats(time.monotonic),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(log_level),
        logger_factory=lambda *_: Lines(stream),
        cache_logger_on_first_use=False,
    )


def is_for_people(log_format: str, stream: TextIO | None = None) -> bool:
    """Say whether the log is written as lines for a terminal rather than as JSON."""
    stream = sys.stderr if stream is None else stream
    return log_format == "console" or (log_format == "auto" and stream.isatty())


def get_log() -> structlog.typing.FilteringBoundLogger:
    """Return the log, for calls such as `get_log().info(LogEvent.LISTENING, port=8080)`."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


class Lines:
    """Writes lines; a line that its stream does not take is lost without an error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # the reader is gone, or the stream was closed
            pass

    debug = info = warning = error = critical = exception = log = msg


class SuppressRepeats:
    """Lets ten lines a second pass for each event and counts the others."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._passed_at: dict[str, deque[float]] = {}
        self._suppressed: dict[str, int] = {}

    def __call__(self, logger: object, method: str, line: MutableMapping[str, Any]) -> Any:
        event, now = str(line["event"]), self._clock()
        passed_at = self._passed_at.setdefault(event, deque(maxlen=MAX_LINES_PER_SECOND))
        if len(passed_at) == MAX_LINES_PER_SECOND and now - passed_at[0] < 1.0:
            self._suppressed[event] = self._suppressed.get(event, 0) + 1
            raise structlog.DropEvent
        passed_at.append(now)
        if count := self._suppressed.pop(event, 0):
            line["suppressed"] = count
        return line


_SECRET_NAMES: Final = frozenset(
    {"token", "access_token", "authorization", "secret", "password", "cookie", "voicepingtoken"}
)
_SECRET_TEXTS: Final = (
    (re.compile(r"(?i)(token|secret|password)(=|:|%3d)[^&\s\"'#]+"), r"\1\2***"),
    (re.compile(r"(?i)\b(bearer[ ,]+)[^\s,\"']+"), r"\1***"),
    (re.compile(r"\beyJ[\w-]*\.[\w-]*(\.[\w-]*)?"), "***"),  # a token wherever it stands
)


def hide_secrets(logger: object, method: str, line: MutableMapping[str, Any]) -> Any:
    """Take out what must never stand in a log, and cut what is too long."""
    return _clean(line)


def _clean(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {
            _clean(str(key)): _clean(inner)
            for key, inner in value.items()
            if str(key).lower() not in _SECRET_NAMES
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    text = str(value) if isinstance(value, str) else repr(value)
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."


def escape_unprintable(logger: object, method: str, line: MutableMapping[str, Any]) -> Any:
    """Write control characters as escapes, so that a line stays one line of its own."""
    return {key: _escape(value) if isinstance(value, str) else value for key, value in line.items()}


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def _console(has_colors: bool) -> list[Any]:
    return [
        _indent_traceback,
        structlog.dev.ConsoleRenderer(
            colors=has_colors, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _indent_traceback(logger: object, method: str, line: MutableMapping[str, Any]) -> Any:
    """Escape every text; a traceback keeps its lines, pushed to the right of all others."""
    traceback = line.pop("exception", None)
    escaped = escape_unprintable(logger, method, line)
    if traceback is not None:
        rows = [f"    {_escape(row)}" for row in str(traceback).split("\n")]
        escaped["exception"] = "\n".join(rows)
    return escaped
