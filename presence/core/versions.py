"""Numbers for public changes: they grow across users, servers and restarts."""

_STARTS_APART = 2**32


class Versions:
    """The counter of one run of the server: `epoch * 2**32 + n`.

    *epoch* is one more at each start of the server and is stored before
    it listens, so "everything after v" is one comparison, across restarts too.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.latest = epoch * _STARTS_APART

    def next(self) -> int:
        """Number one more public change (of a view or of a membership)."""
        self.latest += 1
        return self.latest
