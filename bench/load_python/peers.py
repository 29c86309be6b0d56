"""The connections of the plan, and those of them that publish."""

import socket

import attrs


@attrs.define(eq=False)
class Peer:
    """One connection of the plan; *path* is `USER:TOKEN` with VoicePing."""

    kind: str
    audiences: frozenset[int]
    path: str
    socket: "socket.socket | None" = None
    phase: str = "closed"  # connecting, upgrading, greeted soon, open
    is_watched: bool = False
    unread: bytes = b""
    opened_at: int = 0
    seen: dict[int, int] = attrs.field(factory=dict)
    version: dict[int, int] = attrs.field(factory=dict)

    @property
    def reads_badly(self) -> bool:
        return self.kind in "SD"

    @property
    def user(self) -> int:
        return int(self.path.partition(":")[0])

    @property
    def token(self) -> str:
        return self.path.partition(":")[2]


@attrs.define(eq=False)
class Publisher:
    peer: Peer
    number: int = 0
    waiting_for: int = 0
    sent_at: int = 0


@attrs.frozen
class Plan:
    """All peers in the order of the plan; the publishers among them in theirs."""

    peers: list[Peer]
    publishers: list[Publisher]


def read_plan(text: str) -> Plan:
    peers = [_read_line(line) for line in text.splitlines()]
    return Plan(peers, [Publisher(peer) for peer in peers if peer.kind == "P"])


def _read_line(line: str) -> Peer:
    kind, audiences, path = line.split()
    return Peer(kind, frozenset(map(int, audiences.split(","))), path)
