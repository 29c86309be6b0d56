"""The gateway from a client's side: what messages make of the picture, and which are changes."""

import json

import pytest

from presence.client.model import ProtocolError
from presence.client.protocol import Change, HeartbeatAcknowledged, Mirror, Ready, SelfChanged
from presence.core.types import Status


def member(user_id, status="online", version=5, **fields):
    texts = {"custom_status": None, "activity": None}
    return {"user_id": user_id, "username": user_id, "status": status, "version": version} | (
        texts | fields
    )


def server(server_id, *members, **fields):
    return {"id": server_id, "name": server_id, "members": list(members)} | fields


ME = {
    "id": "me",
    "username": "Me",
    "status": "online",
    "intent": "online",
    "until": None,
    "appear_offline": False,
    "custom_status": None,
    "custom_status_until": None,
    "activity": None,
}


def dispatch(kind, data, **envelope):
    return json.dumps({"op": "DISPATCH", "t": kind, "d": data, **envelope})


def ready(*servers):
    return dispatch("READY", {"user": ME, "servers": list(servers)})


def told(events):
    return [
        (each.user.id, each.user.status.value, each.previous and each.previous.status.value)
        for each in events
    ]


@pytest.fixture
def mirror():
    mirror = Mirror()
    mirror.receive(ready(server("team", member("me"), member("bob"), member("carl", "offline"))))
    return mirror


def test_the_first_snapshot_is_the_picture_without_oneself(mirror):
    assert set(mirror.users) == {"bob", "carl"}
    assert (mirror.me.id, mirror.me.status) == ("me", Status.ONLINE)
    assert mirror.servers["team"].is_complete


def test_an_update_is_a_change_from_what_was_known(mirror):
    data = {"user_id": "bob", "status": "dnd", "custom_status": "x", "activity": None}
    [change] = mirror.receive(dispatch("PRESENCE_UPDATE", data, v=6))
    assert told([change]) == [("bob", "dnd", "online")]
    assert (change.user.username, change.user.version, change.is_catch_up) == ("bob", 6, False)
    assert mirror.users["bob"] == change.user


def test_what_is_not_newer_changes_nothing(mirror):
    data = {"user_id": "bob", "status": "dnd", "custom_status": None, "activity": None}
    assert mirror.receive(dispatch("PRESENCE_UPDATE", data, v=4)) == []
    assert mirror.users["bob"].status is Status.ONLINE
    same = data | {"status": "online"}
    assert mirror.receive(dispatch("PRESENCE_UPDATE", same, v=9)) == []


def test_ones_own_update_is_no_change_of_others(mirror):
    [event] = mirror.receive(dispatch("PRESENCE_UPDATE", ME | {"user_id": "me", "intent": "dnd"}))
    assert isinstance(event, SelfChanged)
    assert mirror.me.intent is Status.DND


def test_after_a_gap_each_user_that_differs_comes_once(mirror):
    [event] = mirror.receive(
        ready(
            server("team", member("bob", version=7), member("carl", "away", version=8)),
            server("club", member("carl", "away", version=8), member("dora")),
        )
    )
    assert isinstance(event, Ready)
    assert told(event.changes) == [("carl", "away", "offline"), ("dora", "online", None)]
    assert all(change.is_catch_up for change in event.changes)


def test_a_snapshot_replaces_whatever_its_versions(mirror):
    [event] = mirror.receive(ready(server("team", member("bob", "offline", version=1))))
    assert told(event.changes) == [("bob", "offline", "online")]
    assert set(mirror.users) == {"bob"}


def test_members_come_and_go(mirror):
    added = {"server_id": "team", "member": member("dora", version=6)}
    assert told(mirror.receive(dispatch("SERVER_MEMBER_ADD", added))) == [("dora", "online", None)]
    mirror.receive(dispatch("SERVER_MEMBER_REMOVE", {"server_id": "team", "user_id": "dora"}))
    assert "dora" not in mirror.users


def test_servers_come_and_go_with_those_who_are_in_no_other(mirror):
    club = server("club", member("bob"), member("erik"), large=True, member_count=900)
    assert told(mirror.receive(dispatch("SERVER_ADD", club))) == [("erik", "online", None)]
    assert (mirror.servers["club"].member_count, mirror.servers["club"].is_complete) == (900, False)
    mirror.receive(dispatch("SERVER_REMOVE", {"server_id": "club"}))
    assert set(mirror.users) == {"bob", "carl"}
    assert set(mirror.servers) == {"team"}


def test_a_heartbeat_is_acknowledged_and_what_is_new_is_ignored(mirror):
    assert mirror.receive('{"op":"HEARTBEAT_ACK"}') == [HeartbeatAcknowledged()]
    assert mirror.receive(dispatch("SOMETHING_NEW", {"a": 1})) == []
    assert mirror.receive('{"op":"NEW"}') == []


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        dispatch("READY", {"user": ME | {"status": "gone"}, "servers": []}),
        dispatch("READY", {"user": ME, "servers": [{"id": "x", "name": "x"}]}),
        dispatch("READY", {"user": ME | {"until": "tomorrow"}, "servers": []}),
        dispatch("PRESENCE_UPDATE", {"user_id": "bob", "status": 5}, v=6),
        dispatch("PRESENCE_UPDATE", {"user_id": "bob", "status": "dnd"}, v="6"),
        dispatch("SERVER_MEMBER_ADD", {"server_id": "team", "member": {"user_id": 5}}),
    ],
)
def test_what_no_presence_server_sends_is_said_to_be_so(mirror, text):
    with pytest.raises(ProtocolError):
        mirror.receive(text)


def test_a_change_names_both_states(mirror):
    assert Change(mirror.users["bob"], None).previous is None
