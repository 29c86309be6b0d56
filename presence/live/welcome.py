"""The welcome: all that a dialect sends on connect, before any update."""

from collections.abc import Sequence

from presence.core.snapshot import ServerSnapshot
from presence.core.types import SelfView
from presence.core.value import value


@value
class Welcome:
    """The first message of a connection: the self view, its servers, and the version of it all."""

    self_view: SelfView
    servers: Sequence[ServerSnapshot]
    latest_version: int
