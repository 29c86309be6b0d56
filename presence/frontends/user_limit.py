"""How many connections one user may have, over all ports."""

from collections.abc import Callable

import attrs

from presence.core.types import UserId


@attrs.frozen
class UserLimit:
    """How many connections each user may have, over all doors; 0 is no limit.

    *count_of* says how many a user has; *on_refused* is called with every refusal.
    """

    most: int
    count_of: Callable[[UserId], int]
    on_refused: Callable[[], None]

    def has_enough(self, user_id: UserId) -> bool:
        """Say whether the user's next connection is to be refused.

        Nothing may be awaited before the connection is counted, or others come in meanwhile.
        """
        if not self.most or self.count_of(user_id) < self.most:
            return False
        self.on_refused()
        return True
