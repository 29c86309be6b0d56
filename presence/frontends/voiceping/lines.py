"""Cuts the bytes of a line connection into lines and checks limits. No I/O."""

from functools import lru_cache

from presence.transport.limits import NetLimits
from presence.transport.rate_bucket import RateBucket
from presence.transport.websocket.frame_limiter import (
    FRAME_TOLERANCE,
    OVER_A_LIMIT,
    TOO_LARGE,
    Violation,
)

LINE_BYTES = 512
LOGIN = b"token:"
LOGIN_BYTES = 8192
LINE_BURST = 2000
"""The most lines at once: a client that had no network for a while has a backlog."""

TOO_LONG = Violation(TOO_LARGE, "line too long")
TOO_MANY = Violation(OVER_A_LIMIT, "too many lines")


@lru_cache(maxsize=16)
def _line_bucket(max_frames_per_second: int) -> RateBucket | None:
    per_second = max_frames_per_second * FRAME_TOLERANCE
    return RateBucket(per_second, max(LINE_BURST, 2 * per_second)) if per_second else None


class LineReader:
    """Cuts the bytes of one client into lines, which end with LF or with CR LF.

    A line has at most `LINE_BYTES` without its end, the first one `LOGIN_BYTES`
    where it begins with `LOGIN`. Between two calls no more is kept than one
    such line. The verdict does not depend on how the bytes are cut into chunks;
    after a `violation` the reader is of no further use.
    """

    __slots__ = ("_bucket", "_full_at", "_is_first", "_partial", "violation")

    def __init__(self, limits: NetLimits) -> None:
        self._bucket = _line_bucket(limits.max_frames_per_second)
        self._full_at = 0.0
        self._is_first = True
        self._partial = b""
        self.violation: Violation | None = None

    def feed(self, chunk: bytes, now: float) -> list[str]:
        """Return the lines that end in *chunk*, without blank ones, up to a violation.

        Bytes that are no UTF-8 become U+FFFD. Blank lines count in the rate.
        """
        if self.violation is not None:
            return []
        *ended, partial = (self._partial + chunk).split(b"\n")
        self._partial = b""
        lines: list[str] = []
        for raw in ended:
            line = raw.removesuffix(b"\r")
            self.violation = self._judge_size(line) or self._judge_count(now)
            if self.violation is not None:
                return lines
            if line and not line.isspace():
                lines.append(line.decode(errors="replace"))
                self._is_first = False
        # A CR at the end may be half of the line's end.
        self.violation = self._judge_size(partial.removesuffix(b"\r"))
        if self.violation is None:
            self._partial = partial
        return lines

    def _judge_size(self, line: bytes) -> Violation | None:
        if len(line) <= LINE_BYTES:
            return None
        is_login = self._is_first and line.startswith(LOGIN)
        return None if is_login and len(line) <= LOGIN_BYTES else TOO_LONG

    def _judge_count(self, now: float) -> Violation | None:
        if self._bucket is None:
            return None
        full_at = self._bucket.take(self._full_at, now)
        if full_at is None:
            return TOO_MANY
        self._full_at = full_at
        return None
