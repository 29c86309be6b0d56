"""Numbers for public changes: they grow across users, servers and restarts."""

_STARTS_APART = 2**32


class Versions:
    """The counter of one run of the server: `start_number * 2**32 + n`.

    *start_number* is one more at each start of the server and is stored before
    it listens, so "everything after v" is one comparison, across restarts too.
    """

    def __init__(self, start_number: int) -> None:
        self.start_number = start_number
        self.latest = start_number * _STARTS_APART

    def next(self) -> int:
        """Number one more public change (of a view or of a membership)."""
        self.latest += 1
        return self.latest
