"""The bytes that wait for a socket that takes no more, and their order."""

import itertools
from collections import deque
from collections.abc import Hashable, Iterable

WRITE_BYTES = 64 * 1024
"""The most bytes that are joined into one write."""


class Backlog:
    """Bytes of one connection that the kernel did not take. No I/O.

    First the snapshot, then what was pushed (in order, with the rest of a frame
    that is partly written), then the latest frame of each key in order of
    arrival. A frame is never interrupted by another.
    """

    __slots__ = ("_is_begun", "_latest", "_pushed", "_sizes", "_snapshot")

    def __init__(self) -> None:
        self._snapshot: deque[memoryview] = deque()
        self._pushed = bytearray()
        self._sizes: list[int] = []  # of the frames in it
        self._latest: dict[Hashable, bytes] = {}
        self._is_begun = False
        """The rest of a frame that was partly written goes first."""

    @property
    def is_empty(self) -> bool:
        return not (self._pushed or self._latest or self._snapshot)

    @property
    def has_unkeyed(self) -> bool:
        return bool(self._pushed or self._snapshot)

    @property
    def pushed_bytes(self) -> int:
        return len(self._pushed)

    @property
    def waiting_keys(self) -> int:
        return len(self._latest)

    @property
    def unsent_bytes(self) -> int:
        snapshot = sum(map(len, self._snapshot))
        return snapshot + len(self._pushed) + sum(map(len, self._latest.values()))

    def push(self, frame: bytes | memoryview, *, is_begun: bool = False) -> None:
        """Let *frame* wait; *is_begun*: it is the rest of one, and nothing else waits."""
        self._pushed += frame
        self._sizes.append(len(frame))
        self._is_begun = self._is_begun or is_begun

    def push_snapshot(self, chunks: Iterable[bytes | memoryview]) -> None:
        """Keep the chunks as they are, shared with others; only while nothing unkeyed waits."""
        assert not self.has_unkeyed
        self._snapshot.extend(memoryview(chunk) for chunk in chunks if len(chunk))

    def offer(self, key: Hashable, frame: bytes) -> bool:
        """Let *frame* wait as the latest of *key*; return whether it replaces an older one."""
        replaced = self._latest.pop(key, None) is not None
        self._latest[key] = frame
        return replaced

    def drop(self, key: Hashable) -> None:
        self._latest.pop(key, None)

    def drop_all_keys(self) -> None:
        self._latest.clear()

    def forget_unbegun(self) -> None:
        """Forget all but the rest of what is partly written: a frame, or the snapshot."""
        self._latest.clear()
        if not self._is_begun:
            self._snapshot.clear()
        is_pushed_begun = self._is_begun and not self._snapshot
        self._sizes = self._sizes[:1] if is_pushed_begun else []
        del self._pushed[sum(self._sizes) :]

    def next_bytes(self) -> bytes | memoryview:
        """Return what goes next, up to about `WRITE_BYTES`; it stays until `mark_sent`."""
        if self._snapshot:
            return self._next_of_snapshot()
        if len(self._pushed) >= WRITE_BYTES or not self._latest:
            return bytes(memoryview(self._pushed)[:WRITE_BYTES])
        parts = [bytes(self._pushed)]
        size = len(self._pushed)
        for frame in self._latest.values():
            if size >= WRITE_BYTES:
                break
            parts.append(frame)
            size += len(frame)
        return b"".join(parts)

    def mark_sent(self, count: int) -> None:
        """Forget the first *count* of `next_bytes`; the rest of a cut frame goes first."""
        if self._snapshot:
            self._mark_snapshot_sent(count)
            return
        from_pushed = min(count, len(self._pushed))
        self._mark_pushed_sent(from_pushed)
        count -= from_pushed
        while count > 0:
            frame = self._latest.pop(next(iter(self._latest)))
            if count < len(frame):
                self.push(frame[count:], is_begun=True)
            count -= len(frame)

    def _mark_pushed_sent(self, count: int) -> None:
        if not count:
            return
        del self._pushed[:count]
        whole = 0
        while whole < len(self._sizes) and self._sizes[whole] <= count:
            count -= self._sizes[whole]
            whole += 1
        del self._sizes[:whole]
        self._is_begun = count > 0
        if count:
            self._sizes[0] -= count

    def _next_of_snapshot(self) -> bytes | memoryview:
        """The next chunks in one write: small ones would cost a system call each."""
        first = self._snapshot[0][:WRITE_BYTES]
        if len(first) == WRITE_BYTES or len(self._snapshot) == 1:
            return first
        parts, room = [first], WRITE_BYTES - len(first)
        for chunk in itertools.islice(self._snapshot, 1, None):
            parts.append(chunk[:room])
            room -= len(parts[-1])
            if not room:
                break
        return b"".join(parts)

    def _mark_snapshot_sent(self, count: int) -> None:
        self._is_begun = self._is_begun or count > 0
        while count > 0:
            chunk = self._snapshot.popleft()
            if len(chunk) > count:
                self._snapshot.appendleft(chunk[count:])
            count -= len(chunk)
        self._is_begun = self._is_begun and bool(self._snapshot)
