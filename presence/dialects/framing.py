"""What the way to a client puts around each payload."""

from collections.abc import Callable, Sequence

import attrs


@attrs.frozen
class Framing:
    """The bytes in front of a payload, by its size, and those behind it."""

    head_of: Callable[[int], bytes]
    tail: bytes = b""

    def frame(self, payload: bytes) -> bytes:
        return self.head_of(len(payload)) + payload + self.tail

    def frame_chunks(self, chunks: Sequence[bytes]) -> list[bytes]:
        """One frame around *chunks*, which stay as they are."""
        framed = [self.head_of(sum(map(len, chunks))), *chunks]
        if self.tail:
            framed.append(self.tail)
        return framed

    def within(self, outer: "Framing") -> "Framing":
        """This framing, with each of its frames in one of *outer*."""

        def head_of(size: int) -> bytes:
            head = self.head_of(size)
            return outer.head_of(len(head) + size + len(self.tail)) + head

        return Framing(head_of, self.tail + outer.tail)
