"""Gateway frames and REST bodies of Together, to the byte."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, Status
from presence.dialects.together import outbound, rest
from presence.dialects.together.rest import Page, parse_page
from presence.transport.http.request import error_response

NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z

ALICE = PublicView(
    user_id="alice",
    username="Alice",
    status=Status.DND,
    custom_status="In a meeting",
    custom_status_until=NOW + 60,
    activity="chess",
    version=4294967297,
)
BOB = PublicView(user_id="bob", username="Bob", version=4294967296, last_seen=NOW)
SELF = SelfView(
    id="alice",
    username="Alice",
    status=Status.OFFLINE,
    intent=Status.DND,
    until=NOW + 0.5,
    appear_offline=True,
    custom_status="caf\u00e9",
    custom_status_until=None,
    activity=None,
)
SMALL = ServerSnapshot("s1", "Team", [ALICE, BOB], False, 2, 1)
LARGE = ServerSnapshot("s2", "All", [ALICE], True, 1000, 17)

SELF_JSON = (
    '{"id":"alice","username":"Alice","status":"offline","intent":"dnd",'
    '"until":"2025-06-15T15:06:40.500Z","appear_offline":true,'
    '"custom_status":"caf\u00e9","custom_status_until":null,"activity":null}'
)
ALICE_MEMBER = (
    '{"user_id":"alice","username":"Alice","status":"dnd",'
    '"custom_status":"In a meeting","activity":"chess","version":4294967297}'
)
BOB_MEMBER = (
    '{"user_id":"bob","username":"Bob","status":"offline",'
    '"custom_status":null,"activity":null,"version":4294967296}'
)
ALICE_USER = (
    '{"id":"alice","username":"Alice","status":"dnd","custom_status":"In a meeting",'
    '"activity":"chess","version":4294967297,"last_seen":null}'
)
BOB_USER = (
    '{"id":"bob","username":"Bob","status":"offline","custom_status":null,'
    '"activity":null,"version":4294967296,"last_seen":"2025-06-15T15:06:40.000Z"}'
)
SMALL_JSON = f'{{"id":"s1","name":"Team","members":[{ALICE_MEMBER},{BOB_MEMBER}]}}'
LARGE_JSON = (
    f'{{"id":"s2","name":"All","members":[{ALICE_MEMBER}],'
    '"large":true,"member_count":1000,"online_count":17}'
)


def dispatch(event, data):
    return f'{{"op":"DISPATCH","t":"{event}","d":{data}}}'


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(outbound.HEARTBEAT_ACK, '{"op":"HEARTBEAT_ACK"}', id="ack"),
        pytest.param(
            outbound.ready(SELF, [SMALL, LARGE]),
            dispatch("READY", f'{{"user":{SELF_JSON},"servers":[{SMALL_JSON},{LARGE_JSON}]}}'),
            id="ready with members and their statuses",
        ),
        pytest.param(
            outbound.ready(SELF, []),
            dispatch("READY", f'{{"user":{SELF_JSON},"servers":[]}}'),
            id="ready without servers",
        ),
        pytest.param(
            outbound.presence_update(ALICE),
            '{"op":"DISPATCH","t":"PRESENCE_UPDATE","d":{"user_id":"alice","status":"dnd",'
            '"custom_status":"In a meeting","activity":"chess"},"v":4294967297}',
            id="presence update",
        ),
        pytest.param(
            outbound.presence_update(BOB),
            '{"op":"DISPATCH","t":"PRESENCE_UPDATE","d":{"user_id":"bob","status":"offline",'
            '"custom_status":null,"activity":null},"v":4294967296}',
            id="offline tells no last seen",
        ),
        pytest.param(
            outbound.self_update(SELF),
            dispatch("PRESENCE_UPDATE", SELF_JSON.replace(",", ',"user_id":"alice",', 1)),
            id="self, with the key that others have too",
        ),
        pytest.param(
            outbound.server_add(LARGE), dispatch("SERVER_ADD", LARGE_JSON), id="server add"
        ),
        pytest.param(
            outbound.server_remove("s1"),
            dispatch("SERVER_REMOVE", '{"server_id":"s1"}'),
            id="server remove",
        ),
        pytest.param(
            outbound.member_add("s1", BOB),
            dispatch("SERVER_MEMBER_ADD", f'{{"server_id":"s1","member":{BOB_MEMBER}}}'),
            id="member add",
        ),
        pytest.param(
            outbound.member_remove("s1", "bob"),
            dispatch("SERVER_MEMBER_REMOVE", '{"server_id":"s1","user_id":"bob"}'),
            id="member remove",
        ),
        pytest.param(
            rest.self_view_json(SELF, 1_750_000_010.25),
            SELF_JSON[:-1] + ',"lease_until":"2025-06-15T15:06:50.250Z"}',
            id="GET /users/@me",
        ),
        pytest.param(
            rest.self_view_json(SELF, None),
            SELF_JSON[:-1] + ',"lease_until":null}',
            id="GET /users/@me without a lease",
        ),
        pytest.param(rest.user_json(ALICE), ALICE_USER, id="GET /users/alice"),
        pytest.param(rest.user_json(BOB), BOB_USER, id="GET /users/bob"),
        pytest.param(
            rest.users_json([BOB, ALICE]),
            f'{{"users":[{BOB_USER},{ALICE_USER}]}}',
            id="POST /users/presence",
        ),
        pytest.param(
            rest.members_page_json([ALICE, BOB]),
            f'{{"members":[{ALICE_MEMBER},{BOB_MEMBER}]}}',
            id="GET /servers/s1/members",
        ),
        pytest.param(
            rest.servers_json({"s2": "All", "s1": "Team"}),
            '{"servers":[{"id":"s1","name":"Team"},{"id":"s2","name":"All"}]}',
            id="GET /servers",
        ),
        pytest.param(rest.token_json("a.b.c"), '{"token":"a.b.c"}', id="dev token"),
        pytest.param(
            error_response(400, 'name "x" is bad').body,
            '{"error":"name \\"x\\" is bad"}',
            id="error",
        ),
    ],
)
def test_each_frame_is_fixed_to_the_byte(sent, expected):
    assert sent == expected.encode()


def test_a_server_encoded_once_gives_the_same_frames():
    fragments = [outbound.server_fragment(server) for server in (SMALL, LARGE)]
    chunks = outbound.ready_chunks(SELF, fragments)
    assert b"".join(chunks) == outbound.ready(SELF, [SMALL, LARGE])
    assert [chunk for chunk in chunks if chunk in fragments] == fragments
    chunks = outbound.server_add_chunks(fragments[0])
    assert b"".join(chunks) == outbound.server_add(SMALL)


def test_the_end_of_a_public_text_is_not_sent_to_others():
    frames = [
        outbound.presence_update(ALICE),
        outbound.server_fragment(SMALL),
        outbound.member_add("s1", ALICE),
        rest.user_json(ALICE),
        rest.users_json([ALICE]),
        rest.members_page_json([ALICE]),
    ]
    assert [frame for frame in frames if b"until" in frame] == []


def test_the_hidden_and_the_gone_give_the_same_bytes():
    gone = PublicView(user_id="bob", username="Bob", version=4294967296, last_seen=NOW)
    hidden = PublicView(
        user_id="bob",
        username="Bob",
        version=4294967296,
        last_seen=NOW,
        custom_status_until=NOW + 5,
    )
    for encode in (outbound.presence_update, rest.user_json):
        assert encode(hidden) == encode(gone)


def test_the_link_leads_to_the_next_page():
    link = rest.link_header("s1", 100, "alice")
    assert link == '</servers/s1/members?limit=100&after=alice>; rel="next"'


def test_ids_with_signs_are_escaped_in_a_link():
    link = rest.link_header("a@b", 5, "x+y=z~")
    assert link == '</servers/a%40b/members?limit=5&after=x%2By%3Dz~>; rel="next"'


@given(st.from_regex(r"[A-Za-z._~@+=-]{1,128}", fullmatch=True), st.integers(1, 500))
def test_a_link_reads_as_the_page_it_was_written_for(last, limit):
    if last in {".", "..", "@me", "presence"}:
        return
    target = re.match("<(.*)>", rest.link_header("s1", limit, last))[1]
    query = {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
    assert parse_page(query) == Page(limit=limit, after=last)


@given(st.text(), st.text())
def test_every_text_arrives_as_it_was(custom_status, activity):
    view = PublicView("u", "U", Status.ONLINE, custom_status, None, activity, 1)
    frame = json.loads(outbound.presence_update(view))
    assert (frame["d"]["custom_status"], frame["d"]["activity"]) == (custom_status, activity)
