"""Frames that go out together to many connections."""

from collections.abc import Hashable, Mapping


class FrameBatch:
    """Frames by key, oldest first, joined once so that each connection costs one write.

    `vanished` are the keys of users that one of the frames says are gone from
    somewhere: frames that wait under such a key may have to be dropped.
    """

    __slots__ = ("frames", "joined", "size", "vanished")

    def __init__(
        self, frames: Mapping[Hashable, bytes], vanished: tuple[Hashable, ...] = ()
    ) -> None:
        self.frames = frames
        self.vanished = vanished
        self.joined = b"".join(frames.values())
        self.size = len(self.joined)
