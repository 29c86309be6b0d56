"""Dialects and connections for tests of a living node: events become lists of lines."""

import trio

from actors import EACH_VALUE
from presence.core.events import Ending
from presence.core.public_changes import (
    MemberAdded,
    MemberRemoved,
    PresenceChanged,
    ServerRenamed,
)
from presence.core.types import DeviceId


def say(view):
    """A view as the transcripts have it: `ada online 'lunch' (chess)`."""
    name = "" if view.username == view.user_id else f"={view.username}"
    text = "" if view.custom_status is None else f" {view.custom_status!r}"
    activity = "" if view.activity is None else f" ({view.activity})"
    return f"{view.user_id}{name} {view.status.value}{text}{activity}"


def say_server(server):
    members = ", ".join(map(say, server.members))
    counts = f" {server.online_count}/{server.member_count}" if server.is_large else ""
    return f"{server.id}{counts}[{members}]"


class Plain:
    """A dialect that has an event for everything that others see."""

    def encode(self, news):
        match news:
            case PresenceChanged(before, view):
                return None if say(before) == say(view) else say(view).encode()
            case MemberAdded(server_id, view):
                return f"+{server_id} {say(view)}".encode()
            case MemberRemoved(server_id, user_id):
                return f"-{server_id} {user_id}".encode()
            case ServerRenamed(snapshot):
                return f"~{snapshot.id} {snapshot.name}".encode()


class Numbers:
    """A dialect like that of VoicePing: away is online, and texts are not told."""

    def number(self, view):
        return {"online": 1, "away": 1, "dnd": 2, "offline": 0}[view.status.value]

    def encode(self, news):
        match news:
            case PresenceChanged(before, view) if news.is_forwarded or (
                self.number(before) != self.number(view)
            ):
                return f"{view.user_id} {self.number(view)}".encode()
            case MemberAdded(_, view):
                return f"{view.user_id} {self.number(view)}".encode()
            case _:
                return None


PLAIN = Plain()
NUMBERS = Numbers()


class FakeSubscriber:
    """A connection that notes its events, and believes them as a client would.

    `told` are pairs of the virtual time and a line, `values` of the time and
    the whole value. What no client may ever be told goes to `wrong`.
    """

    wants_snapshots = True

    def __init__(self, living, claims, device, dialect):
        self._living = living
        self.claims = claims
        self.user_id = claims.user_id
        self.issued_at = claims.issued_at
        self.connection = living.node.connections.new_connection()
        self.device = DeviceId(device or f"~{self.connection}")
        self.dialect = dialect
        self.told = []
        self.values = []
        self.wrong = []
        self.servers = {}
        """What the client believes: the views of the members of each server."""
        self.self_view = None
        self.is_over = False
        self._versions = {}
        self._taken = 0

    @property
    def lines(self):
        return [line for _, line in self.told]

    def take(self):
        """The lines since this was last asked."""
        lines = self.lines[self._taken :]
        self._taken = len(self.told)
        return lines

    def take_timed(self):
        taken = self.told[self._taken :]
        self._taken = len(self.told)
        return taken

    def speak(self, dialect):
        self.dialect = dialect

    # -- what it is told ---------------------------------------------------------------------

    def welcome(self, welcome):
        if self.servers or self.told:
            self.wrong.append("a snapshot that is not the first")
        self.self_view = welcome.self_view
        self.values.append((trio.current_time(), welcome))
        for server in welcome.servers:
            self._believe_server(server)
        servers = "; ".join(map(say_server, welcome.servers))
        self._note(f"READY {welcome.self_view.status.value}: {servers}")

    @property
    def lane(self):
        return EACH_VALUE

    def offer(self, packet):
        for _, announcement in packet:
            self._hear(announcement)

    def _hear(self, announcement):
        self._check(announcement)
        self.values.append((trio.current_time(), announcement.update))
        frame = announcement.frame(self.dialect)
        if frame is not None:
            self._note(frame.decode())
            self._believe(announcement.update)

    def show_self(self, view):
        self.self_view = view
        text = "" if view.custom_status is None else f" {view.custom_status!r}"
        activity = "" if view.activity is None else f" ({view.activity})"
        self._note(f"SELF {view.status.value} ({view.intent.value}){text}{activity}")

    def add_server(self, server):
        self.values.append((trio.current_time(), server))
        self._believe_server(server)
        self._note(f"JOIN {say_server(server)}")

    def remove_server(self, server_id):
        self.servers.pop(server_id, None)
        self._note(f"LEAVE {server_id}")

    def end(self, reason):
        if not self.is_over:
            self.is_over = True
            self.told.append((trio.current_time(), f"END {reason.name}"))
            self._living.nursery.start_soon(self._hang_up)

    async def _hang_up(self):
        self._living.leave(self, Ending.LOST)

    def _note(self, line):
        if self.is_over:
            return  # as a socket that closes
        self.told.append((trio.current_time(), line))

    # -- what it believes --------------------------------------------------------------------

    def _believe_server(self, server):
        for view in server.members:
            self._see(view)
        self.servers[server.id] = {view.user_id: view for view in server.members}

    def _believe(self, news):
        match news:
            case PresenceChanged(_, view):
                for members in self.servers.values():
                    if view.user_id in members:
                        members[view.user_id] = view
            case MemberAdded(server_id, view):
                if server_id not in self.servers:
                    self.wrong.append(f"{server_id} is none of its servers")
                self.servers.setdefault(server_id, {})[view.user_id] = view
                self._believe(PresenceChanged(view, view))  # it stands for the status
            case MemberRemoved(server_id, user_id):
                self.servers.get(server_id, {}).pop(user_id, None)
            case ServerRenamed(snapshot):
                self.servers[snapshot.id] = {view.user_id: view for view in snapshot.members}

    def _check(self, announcement):
        news = announcement.update
        if isinstance(news, MemberRemoved | ServerRenamed):
            return
        if news.view.user_id == self.user_id:
            self.wrong.append("its own public view")
        newest = self._versions.get(news.view.user_id, -1)
        may_repeat = isinstance(news, MemberAdded) or news.is_repeat
        is_repeat = may_repeat and news.view.version == newest
        if news.view.version <= newest and not is_repeat:
            self.wrong.append(f"{say(news.view)} is not newer than what it had")
        self._see(news.view)

    def _see(self, view):
        newest = self._versions.get(view.user_id, 0)
        if view.version and view.version < newest:
            self.wrong.append(f"{say(view)} is older than what it had")
        self._versions[view.user_id] = max(newest, view.version)
