"""What VoicePing clients are told of others, and which of them."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.types import PublicView, ServerId, Status, UserId
from presence.frontends.voiceping import encoder as encoder_module
from presence.frontends.voiceping.encoder import VoicePingSpeech
from presence.live.subscriber import Announcement, MemberAdded, MemberRemoved, PresenceChanged
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.frame_batch import FrameBatch

CODES = {Status.OFFLINE: 0, Status.ONLINE: 1, Status.AWAY: 1, Status.DND: 2}
TEAM, CLUB = ServerId("team"), ServerId("club")


def view(status, user="7", **fields):
    return PublicView(UserId(user), user, status, **fields)


def removed(user, *, was=Status.ONLINE, server=TEAM):
    return MemberRemoved(server, UserId(user), view(was, user))


@pytest.fixture
def encoded():
    """Whatever was encoded so far, as pairs of user and code."""
    return []


@pytest.fixture
def speech(encoded):
    def encode(frame):
        encoded.append((frame.sender, frame.payload))
        return f"{frame.sender}={frame.payload};".encode()

    return VoicePingSpeech(encode, FdTable())


@attrs.define(eq=False)
class Reader:
    """A connection whose user has lost sight of some others; its socket takes nothing."""

    out_of_sight: frozenset = frozenset()
    kept: dict = attrs.field(factory=dict)
    packets: int = 0

    @property
    def outbox(self):
        return self

    def join_fd_table(self, fd_table, slot):
        pass  # its way is never clear

    def leave_fd_table(self):
        pass

    def is_gone(self, user_id):
        return user_id in self.out_of_sight

    def keep(self, packet, sent):
        self.packets += 1
        for key, frame in packet.frames.items():
            self.kept.pop(key, None)
            self.kept[key] = frame

    @property
    def waiting(self):
        return b"".join(self.kept.values()).decode()


def tell(speech, news, *readers):
    """Offer some news in one round."""
    values = [(each.key, each) for each in (Announcement(one, 1) for one in news)]
    packet = speech.render(values)
    if packet is not None:
        speech.offer_all(packet, [speech.admit(reader) for reader in readers])
    return packet


# -- which news is a frame -------------------------------------------------------------------


@pytest.mark.parametrize("before", Status)
@pytest.mark.parametrize("after", Status)
def test_a_change_is_a_frame_where_the_number_is_another_one(speech, before, after):
    frame = speech.frame(PresenceChanged(view(before), view(after)), 1)
    is_news = CODES[before] != CODES[after]
    assert frame == (f"7={CODES[after]};".encode() if is_news else None)


@pytest.mark.parametrize("status", Status)
def test_what_a_client_said_itself_is_a_frame_even_if_it_is_no_news(speech, status):
    news = PresenceChanged(view(status), view(status), is_forwarded=True)
    assert speech.frame(news, 1) == f"7={CODES[status]};".encode()


def test_texts_are_no_frame(speech):
    before, after = view(Status.DND), view(Status.DND, custom_status="lunch", activity="chess")
    assert speech.frame(PresenceChanged(before, after), 1) is None


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
def test_a_member_who_is_added(speech, before, after, frame):
    known = None if before is None else view(before)
    assert speech.frame(MemberAdded(TEAM, view(after), known), 1) == frame


@pytest.mark.parametrize(
    ("was", "frame"),
    [(Status.ONLINE, b"7=0;"), (Status.DND, b"7=0;"), (Status.OFFLINE, None)],
)
def test_a_member_who_is_removed_is_offline_if_it_was_not_before(speech, was, frame):
    assert speech.frame(removed("7", was=was), 1) == frame


# -- packets ---------------------------------------------------------------------------------


def test_of_a_user_only_the_newest_may_wait_under_whatever_key_it_was_told(speech):
    reader = Reader()
    tell(
        speech,
        [
            MemberAdded(TEAM, view(Status.ONLINE)),
            PresenceChanged(view(Status.OFFLINE, "8"), view(Status.ONLINE, "8")),
            PresenceChanged(view(Status.ONLINE), view(Status.DND)),
        ],
        reader,
    )
    assert reader.kept == {"8": b"8=1;", "7": b"7=2;"}
    assert reader.waiting == "8=1;7=2;"


def test_nothing_to_say_is_no_packet(speech):
    away = PresenceChanged(view(Status.ONLINE), view(Status.AWAY))
    assert tell(speech, [away, removed("8", was=Status.OFFLINE)]) is None


def test_without_a_removal_all_get_the_very_same_packet(speech):
    news = PresenceChanged(view(Status.ONLINE), view(Status.DND))
    assert isinstance(tell(speech, [news], Reader()), FrameBatch)


def test_who_still_sees_a_removed_user_is_not_told(speech):
    sees, lost = Reader(), Reader(frozenset({"7"}))
    tell(speech, [removed("7")], sees, lost)
    assert (sees.waiting, sees.packets) == ("", 0)
    assert lost.waiting == "7=0;"


def test_each_gets_the_removals_that_concern_it_and_all_the_rest(speech):
    readers = {
        "": Reader(),
        "7": Reader(frozenset({"7"})),
        "78": Reader(frozenset({"7", "8"})),
    }
    tell(
        speech,
        [
            removed("7"),
            PresenceChanged(view(Status.ONLINE, "9"), view(Status.DND, "9")),
            removed("8"),
        ],
        *readers.values(),
    )
    assert {key: reader.waiting for key, reader in readers.items()} == {
        "": "9=2;",
        "7": "7=0;9=2;",
        "78": "7=0;9=2;8=0;",
    }


def test_a_status_behind_a_removal_from_elsewhere_is_the_last_word(speech):
    sees, lost = Reader(), Reader(frozenset({"7"}))
    news = [PresenceChanged(view(Status.ONLINE), view(Status.DND)), removed("7")]
    tell(speech, news, sees, lost)
    assert (sees.waiting, lost.waiting) == ("7=2;", "7=0;")


def test_who_was_removed_and_came_back_is_there(speech):
    reader = Reader()
    tell(speech, [removed("7"), MemberAdded(CLUB, view(Status.DND))], reader)
    assert reader.waiting == "7=2;"


@given(
    st.lists(st.tuples(st.sampled_from("789"), st.sampled_from(Status), st.booleans())),
    st.frozensets(st.sampled_from("789")),
)
def test_what_waits_is_what_would_have_been_said_one_by_one(steps, out_of_sight):
    speech = VoicePingSpeech(lambda frame: f"{frame.sender}={frame.payload};".encode(), FdTable())
    news = [
        removed(user, was=status)
        if is_removal
        else PresenceChanged(view(status, user), view(status, user), is_forwarded=True)
        for user, status, is_removal in steps
    ]
    together, one_by_one = Reader(out_of_sight), Reader(out_of_sight)
    # One key each, as the broadcaster would have it in rounds of their own.
    packet = speech.render([(n, Announcement(each, 1)) for n, each in enumerate(news)])
    if packet is not None:
        speech.offer_all(packet, [speech.admit(together)])
    for each in news:
        tell(speech, [each], one_by_one)
    assert together.kept == one_by_one.kept


# -- encoding --------------------------------------------------------------------------------


def test_a_frame_is_encoded_once_for_all_who_are_told_and_all_who_come(speech, encoded):
    news = PresenceChanged(view(Status.ONLINE), view(Status.DND))
    for _ in range(3):
        tell(speech, [news], Reader(), Reader())
    assert speech.present([view(Status.DND)]) == b"7=2;"
    assert encoded == [("7", 2)]


def test_all_who_are_present_are_said_in_one_piece(speech):
    present = [view(Status.AWAY), view(Status.DND, "8"), view(Status.ONLINE, "ada")]
    assert speech.present(present) == b"7=1;8=2;ada=1;"
    assert speech.present([]) == b""


def test_the_frames_that_are_kept_have_a_bound(speech, encoded, monkeypatch):
    monkeypatch.setattr(encoder_module, "KEPT_FRAMES", 3)
    for user in ("1", "2", "3", "4", "4"):
        assert speech.status(UserId(user), Status.ONLINE) == f"{user}=1;".encode()
    assert len(encoded) == 4
    assert speech.status(UserId("1"), Status.ONLINE) == b"1=1;"
    assert len(encoded) == 5


def test_a_kept_frame_is_that_of_the_status_asked_for(speech):
    for status in (*Status, *reversed(Status)):
        assert speech.status(UserId("7"), status) == f"7={CODES[status]};".encode()
        assert speech.present([view(status)]) == f"7={CODES[status]};".encode()
