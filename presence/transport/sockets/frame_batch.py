"""Frames that go out together to many connections."""

from collections.abc import Hashable, Mapping

import attrs


@attrs.frozen
class FrameBatch:
    """Frames by key, oldest first, joined once so that each connection costs one write.

    `vanished` are the keys of users of whom a frame says that they are gone
    from somewhere: what waits under such a key may have to be forgotten.
    """

    frames: Mapping[Hashable, bytes]
    vanished: tuple[Hashable, ...] = ()
    joined: bytes = attrs.field(init=False)
    size: int = attrs.field(init=False)

    @joined.default
    def _join(self) -> bytes:
        return b"".join(self.frames.values())

    @size.default
    def _measure(self) -> int:
        return len(self.joined)
