"""Public changes: the changes themselves, and the effect of each of them is told as."""

from presence.core.memberships import MembershipDelta
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, ServerId, UserId
from presence.core.value import value


@value
class PresenceChanged:
    """The public view of a user changed from *before* to *view*; both carry their versions.

    `is_first`: the user is announced for the first time. `is_forwarded`: the
    user sent its status itself, and dialects that forward such messages send
    it even if it is what it was; *before* is the view itself where nothing
    else changed. `delta`: what others see of the user's memberships changes at
    the same moment.
    """

    before: PublicView
    view: PublicView
    is_first: bool = False
    is_forwarded: bool = False
    delta: MembershipDelta | None = None

    @property
    def is_repeat(self) -> bool:
        """True where the view is what it was."""
        return self.before.version == self.view.version


@value
class MembershipsChanged:
    """Others see a user in more or in fewer servers, while its public view stays the same.

    *view* is that public view, None where no server is added.
    """

    delta: MembershipDelta
    view: PublicView | None


@value
class UserRemoved:
    """A user that others knew was deleted. *delta* is what that did to its memberships."""

    delta: MembershipDelta


@value
class ServerRenamed:
    """A server has another name from now on. *snapshot* is the server with the new name."""

    snapshot: ServerSnapshot


PublicChange = PresenceChanged | MembershipsChanged | UserRemoved | ServerRenamed
"""One step of the public state, see `live.public_state`."""


@value
class MemberAdded:
    """A user appeared in a server, or its name changed there.

    It stands for the change of status from *before*, None where the user was
    not visible in that server.
    """

    server_id: ServerId
    view: PublicView
    before: PublicView | None = None


@value
class MemberRemoved:
    """A user disappeared from a server, where others saw it as *before* (None: offline)."""

    server_id: ServerId
    user_id: UserId
    before: PublicView | None = None

    @property
    def was_visible(self) -> bool:
        """Whether others saw it online, away or busy."""
        return self.before is not None and self.before.is_visible


Update = PresenceChanged | MemberAdded | MemberRemoved | ServerRenamed
"""A change that is published on the topic of a server. An encoder makes at most one frame of it."""


def subject_of(update: Update) -> UserId | None:
    """The user that *update* is about, None where it is about a server."""
    match update:
        case PresenceChanged(view=view) | MemberAdded(view=view):
            return view.user_id
        case MemberRemoved(user_id=user_id):
            return user_id
        case ServerRenamed():
            return None
