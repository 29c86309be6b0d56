"""Which updates are a status frame, and how frames are kept."""

import pytest

from presence.core.public_changes import MemberAdded, MemberRemoved, PresenceChanged, ServerRenamed
from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, ServerId, Status, UserId
from presence.dialects.voiceping import encoder as encoder_module
from presence.dialects.voiceping.encoder import VoicePingEncoder

CODES = {Status.OFFLINE: 0, Status.ONLINE: 1, Status.AWAY: 1, Status.DND: 2}
TEAM = ServerId("team")


def view(status, user="7", **fields):
    return PublicView(UserId(user), user, status, **fields)


@pytest.fixture
def encoded():
    """Pairs of user and code, of all frames that were made so far."""
    return []


@pytest.fixture
def encoder(encoded):
    def frame(message):
        encoded.append((message.sender, message.payload))
        return f"{message.sender}={message.payload};".encode()

    return VoicePingEncoder(frame)


# -- which update is a frame -------------------------------------------------------------------


@pytest.mark.parametrize("before", Status)
@pytest.mark.parametrize("after", Status)
def test_a_change_is_a_frame_where_the_number_is_another_one(encoder, before, after):
    frame = encoder.encode(PresenceChanged(view(before), view(after)))
    is_update = CODES[before] != CODES[after]
    assert frame == (f"7={CODES[after]};".encode() if is_update else None)


@pytest.mark.parametrize("status", Status)
def test_a_forwarded_status_is_a_frame_even_if_it_repeats(encoder, status):
    update = PresenceChanged(view(status), view(status), is_forwarded=True)
    assert encoder.encode(update) == f"7={CODES[status]};".encode()


def test_texts_are_no_frame(encoder):
    before, after = view(Status.DND), view(Status.DND, custom_status="lunch", activity="chess")
    assert encoder.encode(PresenceChanged(before, after)) is None


@pytest.mark.parametrize(
    ("before", "after", "frame"),
    [
        pytest.param(None, Status.DND, b"7=2;", id="new there and busy"),
        pytest.param(None, Status.AWAY, b"7=1;", id="new there and away"),
        pytest.param(None, Status.OFFLINE, None, id="new there and not to be seen"),
        pytest.param(Status.ONLINE, Status.AWAY, None, id="another name only"),
        pytest.param(Status.OFFLINE, Status.DND, b"7=2;", id="another name and busy"),
        pytest.param(Status.DND, Status.OFFLINE, b"7=0;", id="another name and gone"),
    ],
)
def test_an_added_member_is_a_frame_unless_offline(encoder, before, after, frame):
    known = None if before is None else view(before)
    assert encoder.encode(MemberAdded(TEAM, view(after), known)) == frame


@pytest.mark.parametrize(
    ("was", "frame"),
    [(Status.ONLINE, b"7=0;"), (Status.DND, b"7=0;"), (Status.OFFLINE, None)],
)
def test_a_removed_member_is_offline_unless_it_was_before(encoder, was, frame):
    assert encoder.encode(MemberRemoved(TEAM, UserId("7"), view(was))) == frame


def test_a_server_with_another_name_is_no_frame(encoder):
    assert encoder.encode(ServerRenamed(ServerSnapshot(TEAM, "Crew", [], False, 0, 0))) is None


# -- encoding --------------------------------------------------------------------------------


def test_all_present_users_are_encoded_in_one_piece(encoder):
    present = [view(Status.AWAY), view(Status.DND, "8"), view(Status.ONLINE, "ada")]
    assert encoder.present(present) == b"7=1;8=2;ada=1;"
    assert encoder.present([]) == b""


def test_the_frames_that_are_kept_have_a_bound(encoder, encoded, monkeypatch):
    monkeypatch.setattr(encoder_module, "KEPT_FRAMES", 3)
    for user in ("1", "2", "3", "4", "4"):
        assert encoder.status(UserId(user), Status.ONLINE) == f"{user}=1;".encode()
    assert len(encoded) == 4
    assert encoder.status(UserId("1"), Status.ONLINE) == b"1=1;"
    assert len(encoded) == 5


def test_a_kept_frame_is_that_of_the_status_asked_for(encoder):
    for status in (*Status, *reversed(Status)):
        assert encoder.status(UserId("7"), status) == f"7={CODES[status]};".encode()
        assert encoder.present([view(status)]) == f"7={CODES[status]};".encode()
