"""When the rounds of a broadcaster begin: at once while little happens, else after a pause."""

import trio

GATHER_SHARE = 0.05
GATHER_AT_MOST = 0.003
"""Share of the last round's time, and seconds at most, in which more may come in before the next.

Only where something came in during that round: it waits for a twentieth longer
at most, and what would else need a round of its own goes with it.
"""

YIELD_SHARE = 4
YIELD_AT_MOST = 0.05
IDLE_TURN = 0.0002
BUSY_TURN = 0.001
"""After a round the others on a busy server have so many times what it took, and at most so long.

Seconds, but for the share. When thousands come at once, each to be told of the
next, rounds of all that came meanwhile cost a third of many small ones. A server
is busy where the broadcaster has its turn later than `BUSY_TURN` after it was
woken. Two turns of the event loop shorter than `IDLE_TURN` had no work in them,
and nothing more is to be expected; one says nothing, for Trio runs the tasks of
a turn in either order.
"""


class RoundPacer:
    """Decides from the last round and the last wake-up when the next round begins."""

    def __init__(self) -> None:
        self._woken_at = 0.0
        self._is_late = False
        self._ended_at = 0.0
        self._took = 0.0
        self._was_alone = True
        self._may_pause = False

    @property
    def is_calm(self) -> bool:
        """Values come one by one, and the server has little else to do."""
        return self._was_alone and not self._is_late

    def note_wake(self) -> None:
        """The broadcaster was woken now."""
        self._woken_at = trio.current_time()

    def note_turn(self) -> None:
        """It has its turn now."""
        self._is_late = self._may_pause = trio.current_time() - self._woken_at > BUSY_TURN

    def note_end(self, began_at: float) -> None:
        """A round that began at *began_at* ended now."""
        self._ended_at = trio.current_time()
        self._took = self._ended_at - began_at

    def note_round(self, count: int, *, has_more: bool) -> None:
        """It had *count* values; *has_more*: others came in meanwhile."""
        self._was_alone = count == 1
        self._may_pause = has_more

    async def pause(self) -> None:
        """Wait for answers to the last round, so that the next round carries them too.

        Where others have work to do, it is their turn for four times as long as the
        round took. Where nothing more is to be expected, this does not even yield.
        """
        if not self._may_pause:
            return
        now = trio.current_time()
        at_least = self._ended_at + min(self._took * GATHER_SHARE, GATHER_AT_MOST)
        at_most = self._ended_at + min(self._took * YIELD_SHARE, YIELD_AT_MOST)
        idle_turns = 0
        # Not a sleep: the kernel's would last a millisecond at least.
        while now < at_least or (idle_turns < 2 and now < at_most):
            await trio.lowlevel.checkpoint()
            before, now = now, trio.current_time()
            idle_turns = idle_turns + 1 if now - before < IDLE_TURN else 0
