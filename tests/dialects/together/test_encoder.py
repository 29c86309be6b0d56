"""Frames that the gateway sends unasked, in the form of the transport."""

import json

import attrs
import pytest

from presence.core.public_changes import MemberAdded, MemberRemoved, PresenceChanged, ServerRenamed
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, ServerId, Status, UserId
from presence.dialects.framing import Framing
from presence.dialects.together.encoder import TogetherEncoder

TEAM = ServerId("team")
ADA = PublicView(UserId("ada"), "Ada", Status.ONLINE, version=7)
ONESELF = SelfView(
    UserId("eve"), "Eve", Status.ONLINE, Status.ONLINE, None, False, None, None, None
)

LENGTHS = Framing(lambda size: b"%d:" % size)


@pytest.fixture
def encoder():
    return TogetherEncoder(LENGTHS)


def unframed(frame):
    """The payload, if the head in front of it says its size."""
    size, _, payload = frame.partition(b":")
    assert int(size) == len(payload)
    return json.loads(payload)


@pytest.mark.parametrize(
    ("update", "event", "data"),
    [
        (
            PresenceChanged(ADA, attrs.evolve(ADA, status=Status.DND, version=8)),
            "PRESENCE_UPDATE",
            {"user_id": "ada", "status": "dnd", "custom_status": None, "activity": None},
        ),
        (MemberRemoved(TEAM, ADA.user_id, ADA), "SERVER_MEMBER_REMOVE", None),
        (MemberAdded(TEAM, ADA), "SERVER_MEMBER_ADD", None),
        (
            ServerRenamed(ServerSnapshot(TEAM, "Crew", [ADA], False, 1, 1)),
            "SERVER_ADD",
            {
                "id": "team",
                "name": "Crew",
                "members": [
                    {
                        "user_id": "ada",
                        "username": "Ada",
                        "status": "online",
                        "custom_status": None,
                        "activity": None,
                        "version": 7,
                    }
                ],
            },
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_every_update_is_one_frame(encoder, update, event, data):
    sent = unframed(encoder.encode(update))
    assert (sent["op"], sent["t"]) == ("DISPATCH", event)
    assert data is None or sent["d"] == data


def test_a_status_that_is_sent_again_is_no_frame(encoder):
    assert encoder.encode(PresenceChanged(ADA, ADA, is_forwarded=True)) is None


def test_a_snapshot_is_encoded_once_for_ready_and_for_a_joined_server(encoder):
    snapshot = ServerSnapshot(TEAM, "Team", [ADA], False, 1, 1)
    ready, added = encoder.ready(ONESELF, [snapshot]), encoder.server_add(snapshot)
    assert unframed(b"".join(ready))["d"]["servers"] == [unframed(b"".join(added))["d"]]
    [fragment] = snapshot.encodings.values()
    assert any(chunk is fragment for chunk in ready)


def test_encoders_of_other_framings_share_what_a_snapshot_was_encoded_to(encoder):
    snapshot = ServerSnapshot(TEAM, "Team", [ADA], False, 1, 1)
    lines = TogetherEncoder(Framing(lambda size: b"data: ", b"\n\n"))
    ready, line = encoder.ready(ONESELF, [snapshot]), lines.ready(ONESELF, [snapshot])
    assert b"".join(line) == b"data: " + b"".join(ready).partition(b":")[2] + b"\n\n"
    [fragment] = snapshot.encodings.values()
    for chunks in (ready, line):
        assert any(chunk is fragment for chunk in chunks)


def test_an_answer_to_a_heartbeat_has_a_head_too(encoder):
    assert unframed(encoder.heartbeat_ack) == {"op": "HEARTBEAT_ACK"}
