"""Which updates are events of which kind of client, and what these say."""

import json

import pytest

from presence.core.public_changes import (
    MemberAdded,
    MemberRemoved,
    PresenceChanged,
    ServerRenamed,
)
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, Status
from presence.dialects.framing import Framing
from presence.dialects.matrix import outbound
from presence.dialects.matrix.encoder import (
    DraftRenderer,
    MatrixEncoder,
    StreamRenderer,
    SyncRenderer,
)

ONLINE, AWAY, DND, OFF = Status.ONLINE, Status.AWAY, Status.DND, Status.OFFLINE


def ago(view):
    return None if view.version == 1 else 40


def view(status=ONLINE, text=None, activity=None, version=7, name="Bob"):
    return PublicView("Bob", name, status, text, None, activity, version)


SYNC = MatrixEncoder(SyncRenderer("s", ago, knows_busy=False))
BUSY = MatrixEncoder(SyncRenderer("s", ago, knows_busy=True))
DRAFT = MatrixEncoder(DraftRenderer(ago, lambda: 9))
STREAM = MatrixEncoder(StreamRenderer(ago, lambda: 9, Framing(lambda size: b"<", b">")))


def content(encoder, update):
    event = encoder.encode(update)
    return None if event is None else json.loads(event).get("content")


@pytest.mark.parametrize(
    ("before", "after", "told", "told_busy"),
    [
        (ONLINE, AWAY, "unavailable", "unavailable"),
        (ONLINE, DND, "unavailable", "busy"),
        (AWAY, DND, None, "busy"),
        (DND, AWAY, None, "unavailable"),
        (DND, OFF, "offline", "offline"),
        (OFF, ONLINE, "online", "online"),
    ],
)
def test_an_event_goes_out_only_when_what_its_clients_see_changes(before, after, told, told_busy):
    change = PresenceChanged(view(before, version=6), view(after))
    for encoder, expected in ((SYNC, told), (BUSY, told_busy)):
        found = content(encoder, change)
        assert (found and found["presence"]) == expected
    assert DRAFT.encode(change) is not None


def test_an_activity_or_a_name_is_no_event_of_the_client_api():
    change = PresenceChanged(view(), view(activity="chess"))
    assert SYNC.encode(change) is None
    assert json.loads(DRAFT.encode(change))["activity"] == "chess"
    renamed = MemberAdded("team", view(name="Bobby"), view())
    assert SYNC.encode(renamed) is None
    assert DRAFT.encode(renamed) is None


def test_keys_without_a_value_are_left_out_of_the_client_api():
    assert content(SYNC, PresenceChanged(view(OFF), view(ONLINE, "hi"))) == {
        "presence": "online",
        "last_active_ago": 40,
        "currently_active": True,
        "status_msg": "hi",
    }
    assert content(SYNC, PresenceChanged(view(), view(OFF, version=1))) == {"presence": "offline"}


@pytest.mark.parametrize("encoder", [SYNC, DRAFT, STREAM])
def test_memberships_are_presence_to_a_client_that_knows_no_servers(encoder):
    assert encoder.encode(MemberAdded("team", view())) is not None
    assert encoder.encode(MemberAdded("team", view(OFF))) is None
    assert b"offline" in encoder.encode(MemberRemoved("team", "Bob", view()))
    assert encoder.encode(MemberRemoved("team", "Bob", view(OFF))) is None
    assert encoder.encode(MemberRemoved("team", "Bob", None)) is None
    assert encoder.encode(ServerRenamed(ServerSnapshot("t", "T", [], False, 0, 0))) is None


def test_a_removal_is_numbered_by_the_newest_version():
    removed = json.loads(DRAFT.encode(MemberRemoved("team", "Bob", view())))
    assert (removed["version"], removed["status"], removed["last_active_ago"]) == (
        9,
        "offline",
        None,
    )
    assert b"\nid: 9\n" in STREAM.encode(MemberRemoved("team", "Bob", view()))


def test_an_event_of_the_stream_is_framed_and_numbered():
    event = STREAM.encode(PresenceChanged(view(OFF), view(AWAY, "hi", "chess")))
    head, place, data = event.removeprefix(b"<").removesuffix(b"\n\n>").split(b"\n")
    assert (head, place) == (b"event: presence", b"id: 7")
    assert json.loads(data.removeprefix(b"data: ")) == {
        "user_id": "Bob",
        "state": "idle",
        "status": "away",
        "custom_status": "hi",
        "activity": "chess",
        "version": 7,
        "last_active_ago": 40,
    }


@pytest.mark.parametrize(
    ("status", "state"), [(ONLINE, "online"), (AWAY, "idle"), (DND, "online"), (OFF, "offline")]
)
def test_the_draft_splits_a_status_into_state_and_status(status, state):
    assert outbound.draft_status(status) == {"state": state, "status": status.value}


def test_a_text_cannot_break_out_of_an_event_of_the_stream():
    text = "a\u2028b\\n\\ndata: x"
    event = STREAM.encode(PresenceChanged(view(), view(ONLINE, text)))
    assert event.count(b"\n") == 4


def test_the_own_state_has_neither_version_nor_time():
    own = SelfView("Bob", "Bob", DND, DND, None, True, "x", None, None)
    event = json.loads(outbound.self_event(own, "s", knows_busy=True))
    assert event == {
        "type": "m.presence",
        "sender": "@=42ob:s",
        "content": {"presence": "busy", "status_msg": "x"},
    }


def test_the_answer_to_a_sync_is_json_however_its_events_were_joined():
    events = [SYNC.encode(PresenceChanged(view(OFF), view())), b'{"a":1},{"b":2}']
    answer = json.loads(outbound.sync_json("5.x", events))
    assert answer["next_batch"] == "5.x"
    assert len(answer["presence"]["events"]) == 3
    assert json.loads(outbound.sync_json("5.x", [])) == {
        "next_batch": "5.x",
        "presence": {"events": []},
    }
