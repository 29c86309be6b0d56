"""The gateway from a client's side, without I/O: texts in, events out, frames to send.

A client of another library of I/O needs nothing of the protocol but this.
"""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs

from presence.client.model import (
    Change,
    Json,
    ProtocolError,
    SelfView,
    Server,
    User,
    read_self,
    read_server,
    read_user,
)

HEARTBEAT = json.dumps({"op": "HEARTBEAT"})


@attrs.frozen
class Ready:
    """The connection is live. *changes* are what became of known users meanwhile."""

    changes: tuple[Change, ...]


@attrs.frozen
class SelfChanged:
    """One's own state is another."""

    view: SelfView


@attrs.frozen
class HeartbeatAcknowledged:
    """The server is there."""


Event = Ready | Change | SelfChanged | HeartbeatAcknowledged


class Mirror:
    """A picture of all that the server has told. `me` is None before the first connection."""

    def __init__(self) -> None:
        self.me: SelfView | None = None
        self._users: dict[str, User] = {}
        self._servers: dict[str, Server] = {}
        self._members: dict[str, set[str]] = {}

    @property
    def users(self) -> Mapping[str, User]:
        """All users that are known; a live view."""
        return MappingProxyType(self._users)

    @property
    def servers(self) -> Mapping[str, Server]:
        """One's servers; a live view."""
        return MappingProxyType(self._servers)

    def receive(self, text: str) -> list[Event]:
        """Take one message; raises `ProtocolError` for what no presence server sends."""
        try:
            message = json.loads(text)
        except ValueError as error:
            raise ProtocolError("a message is no JSON") from error
        if not isinstance(message, dict):
            raise ProtocolError("a message is no object")
        if message.get("op") == "HEARTBEAT_ACK":
            return [HeartbeatAcknowledged()]
        data = message.get("d")
        if message.get("op") != "DISPATCH" or not isinstance(data, dict):
            return []  # of a newer server
        return self._dispatch(message, data)

    def _dispatch(self, message: Json, data: Json) -> list[Event]:
        match message.get("t"):
            case "READY":
                return [self._replace(data)]
            case "PRESENCE_UPDATE" if "v" not in message:
                self.me = read_self(data)
                return [SelfChanged(self.me)]
            case "PRESENCE_UPDATE":
                return self._update(message, data)
            case "SERVER_ADD":
                server, members = read_server(data)
                self._add_server(server, members)
                return list(self._apply(members, is_catch_up=False))
            case "SERVER_REMOVE":
                self._remove_server(str(data.get("server_id")))
            case "SERVER_MEMBER_ADD":
                member = read_user(data.get("member", {}))
                self._members.setdefault(str(data.get("server_id")), set()).add(member.id)
                return list(self._apply([member], is_catch_up=False))
            case "SERVER_MEMBER_REMOVE":
                server_id, user_id = str(data.get("server_id")), str(data.get("user_id"))
                self._members.get(server_id, set()).discard(user_id)
                self._forget_strangers([user_id])
        return []

    def _replace(self, data: Json) -> Ready:
        servers = [read_server(each) for each in data.get("servers", ())]
        self.me = read_self(data.get("user", {}))
        before = set(self._users)
        self._servers, self._members = {}, {}
        changes: dict[str, Change] = {}
        for server, members in servers:
            self._add_server(server, members)
            for change in self._apply(members, is_catch_up=True):
                changes.setdefault(change.user.id, change)
        self._forget_strangers(before)
        return Ready(tuple(changes.values()))

    def _update(self, message: Json, data: Json) -> list[Event]:
        known = self._users.get(str(data.get("user_id")))
        name = data.get("user_id") if known is None else known.username
        user = read_user({**data, "username": name, "version": message.get("v")})
        return list(self._apply([user], is_catch_up=False))

    def _apply(self, users: Iterable[User], *, is_catch_up: bool) -> Iterable[Change]:
        """Keep what is newer; yield what is another than before, apart from its version."""
        for user in users:
            if self.me is not None and user.id == self.me.id:
                continue
            known = self._users.get(user.id)
            is_old = known is not None and user.version < known.version
            if is_old and not is_catch_up:  # READY replaces, whatever its versions
                continue
            self._users[user.id] = user
            if known is None or attrs.evolve(known, version=user.version) != user:
                yield Change(user, known, is_catch_up)

    def _add_server(self, server: Server, members: Iterable[User]) -> None:
        self._servers[server.id] = server
        self._members[server.id] = {member.id for member in members}

    def _remove_server(self, server_id: str) -> None:
        self._servers.pop(server_id, None)
        self._forget_strangers(self._members.pop(server_id, set()))

    def _forget_strangers(self, user_ids: Iterable[str]) -> None:
        """Forget those who are known in no server any more."""
        for user_id in user_ids:
            if not any(user_id in members for members in self._members.values()):
                self._users.pop(user_id, None)
