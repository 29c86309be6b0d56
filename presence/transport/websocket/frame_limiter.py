"""Judges the bytes of a WebSocket client before the library sees them.

The library answers pings and joins fragments before anybody is asked, so floods
of either are only visible here. Pure: *now* is a parameter.
"""

from collections.abc import Callable
from functools import lru_cache

import attrs

from presence.transport.limits import NetLimits
from presence.transport.rate_bucket import RateBucket
from presence.transport.websocket.client_frames import (
    FINAL,
    MASKED,
    measure_frame,
    read_whole_text,
    unmask,
)

TOO_LARGE = 1009
OVER_A_LIMIT = 4008
MAX_FRAGMENTS = 64
CONTROL_FRAMES_PER_SECOND = 50
CONTROL_BURST = 100
FRAME_TOLERANCE = 10
"""Data frames are refused above so many times `max_frames_per_second`."""

PING = 0x9
PONG = 0xA


@attrs.frozen
class Violation:
    """Why a connection is ended, and how much of the chunk came before that."""

    close_code: int
    sentence: str
    accepted_bytes: int = attrs.field(default=0, eq=False)


CONTROL_BUCKET = RateBucket(CONTROL_FRAMES_PER_SECOND, CONTROL_BURST)


@lru_cache(maxsize=16)
def _data_bucket(max_frames_per_second: int) -> RateBucket | None:
    per_second = max_frames_per_second * FRAME_TOLERANCE
    return RateBucket(per_second, 2 * per_second) if per_second else None


class FrameLimiter:
    """Counts and measures frames from their headers; of payloads, reads control frames only.

    The verdict does not depend on how the bytes are cut into chunks. After a
    violation the meter is of no further use. Broken framing (no mask, reserved
    bits) passes: the library refuses it.
    """

    __slots__ = (
        "_control",
        "_control_full_at",
        "_control_payload",
        "_data_bucket",
        "_data_full_at",
        "_fragments",
        "_header",
        "_is_message_open",
        "_mask",
        "_max_bytes",
        "_message_bytes",
        "_payload_left",
        "message_count",
        "on_control",
    )

    def __init__(self, limits: NetLimits) -> None:
        self.on_control: Callable[[int, bytes], None] | None = None
        """Told the opcode (`PING` or `PONG`) and payload of each whole control frame."""
        self._max_bytes = limits.max_frame_bytes
        self._data_bucket = _data_bucket(limits.max_frames_per_second)
        self._data_full_at = 0.0
        self._control_full_at = 0.0
        self._header = b""
        self._payload_left = 0
        self._message_bytes = 0
        self._fragments = 0
        self._control = 0
        self._control_payload = b""
        self._mask = b""
        self._is_message_open = False
        self.message_count = 0
        """Text and binary messages that have begun so far."""

    @property
    def is_between_messages(self) -> bool:
        """True when the next byte begins a frame, and no fragmented message is under way."""
        return not (self._header or self._payload_left or self._is_message_open)

    def take_text(self, chunk: bytes, now: float) -> str | None:
        """The text, where *chunk* is one whole text frame within the limits; else None.

        Nothing is noted of a chunk that is anything else: it is for `feed`.
        """
        if not self.is_between_messages or (self._max_bytes and len(chunk) > self._max_bytes):
            return None
        text = read_whole_text(chunk)
        if text is None or self._judge_count(chunk[0], now) is not None:
            return None
        self.message_count += 1
        return text

    def feed(self, chunk: bytes, now: float) -> Violation | None:
        """Judge the next bytes; a violation says how many of them may still pass."""
        held = len(self._header)
        data = self._header + chunk if held else chunk
        position, end = 0, len(data)
        while True:
            if self._payload_left:
                position = self._pass_payload(data, position)
            if end - position < 2:
                break
            header_end, length = measure_frame(data, position)
            if length < 0:
                break
            refused = self._judge_size(data[position], length)
            if refused is None:
                if header_end > end:
                    break
                refused = self._judge_count(data[position], now)
            if refused is not None:
                return attrs.evolve(refused, accepted_bytes=max(0, position - held))
            self._start_frame(data, position, header_end, length)
            position = header_end
        self._header = data[position:]
        return None

    def _judge_size(self, first: int, length: int) -> Violation | None:
        """Decide on the declared length, before a byte of the payload came."""
        # A continuation that continues nothing is the library's to refuse, not ours.
        continues = first & 0x0F == 0 and self._is_message_open
        before = self._message_bytes if continues else 0
        if self._max_bytes and before + length > self._max_bytes:
            return Violation(TOO_LARGE, f"frame or message larger than {self._max_bytes} bytes")
        if continues and self._fragments >= MAX_FRAGMENTS:
            return Violation(TOO_LARGE, f"message of more than {MAX_FRAGMENTS} fragments")
        return None

    def _judge_count(self, first: int, now: float) -> Violation | None:
        if first & 0x08:
            full_at = CONTROL_BUCKET.take(self._control_full_at, now)
            if full_at is None:
                return Violation(OVER_A_LIMIT, "too many control frames")
            self._control_full_at = full_at
        elif self._data_bucket is not None:
            full_at = self._data_bucket.take(self._data_full_at, now)
            if full_at is None:
                return Violation(OVER_A_LIMIT, "too many frames")
            self._data_full_at = full_at
        return None

    def _start_frame(self, data: bytes, start: int, header_end: int, length: int) -> None:
        first = data[start]
        opcode = first & 0x0F
        self._payload_left = length
        if opcode & 0x08:
            if self.on_control is not None and opcode in (PING, PONG) and length < 126:
                self._control = opcode
                self._mask = data[header_end - 4 : header_end] if data[start + 1] & MASKED else b""
                if not length:
                    self._report_control()
        elif opcode:
            self._message_bytes, self._fragments = length, 1
            self.message_count += 1
            self._is_message_open = not first & FINAL
        else:
            continues = self._is_message_open
            self._message_bytes = length + (self._message_bytes if continues else 0)
            self._fragments = 1 + (self._fragments if continues else 0)
            self._is_message_open = not first & FINAL

    def _pass_payload(self, data: bytes, position: int) -> int:
        step = min(self._payload_left, len(data) - position)
        if self._control:
            self._control_payload += data[position : position + step]
        self._payload_left -= step
        if not self._payload_left and self._control:
            self._report_control()
        return position + step

    def _report_control(self) -> None:
        opcode, payload = self._control, self._control_payload
        self._control, self._control_payload = 0, b""
        if self.on_control is not None:
            self.on_control(opcode, unmask(payload, self._mask))
