"""Which frames reach which sockets, in dialects that name servers and in those that do not."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.public_changes import MemberAdded, MemberRemoved, PresenceChanged
from presence.core.types import PublicView, ServerId, Status, UserId
from presence.dialects.voiceping.encoder import VoicePingEncoder
from presence.frontends.lane import SocketLane
from presence.live.subscriber import Announcement
from presence.transport.sockets.fd_table import FdTable
from presence.transport.sockets.frame_batch import FrameBatch

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
def lane(encoded):
    def encode(frame):
        encoded.append((frame.sender, frame.payload))
        return f"{frame.sender}={frame.payload};".encode()

    return SocketLane(VoicePingEncoder(encode), FdTable())


class Plain:
    """A dialect that names servers."""

    names_servers = True

    def encode(self, update):
        match update:
            case MemberRemoved(server_id=server_id, user_id=user_id):
                return f"-{server_id}/{user_id};".encode()
            case MemberAdded(server_id=server_id, view=view):
                return f"+{server_id}/{view.user_id};".encode()
            case PresenceChanged(view=view):
                return f"{view.user_id}={view.status.value};".encode()


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


def form(message):
    return f"{message.sender}={message.payload};".encode()


def tell(lane, news, *readers):
    """Offer some news in one round."""
    values = [(each.key, each) for each in (Announcement(one, 1) for one in news)]
    packet = lane.render(values)
    if packet is not None:
        lane.offer_all(packet, [lane.admit(reader) for reader in readers])
    return packet


# -- packets ---------------------------------------------------------------------------------


def test_only_the_newest_frame_of_a_user_waits(lane):
    reader = Reader()
    tell(
        lane,
        [
            MemberAdded(TEAM, view(Status.ONLINE)),
            PresenceChanged(view(Status.OFFLINE, "8"), view(Status.ONLINE, "8")),
            PresenceChanged(view(Status.ONLINE), view(Status.DND)),
        ],
        reader,
    )
    assert reader.kept == {"8": b"8=1;", "7": b"7=2;"}
    assert reader.waiting == "8=1;7=2;"


def test_nothing_to_say_is_no_packet(lane):
    away = PresenceChanged(view(Status.ONLINE), view(Status.AWAY))
    assert tell(lane, [away, removed("8", was=Status.OFFLINE)]) is None


def test_without_a_removal_all_get_the_very_same_packet(lane):
    news = PresenceChanged(view(Status.ONLINE), view(Status.DND))
    assert isinstance(tell(lane, [news], Reader()), FrameBatch)


def test_a_reader_that_still_sees_a_removed_user_gets_no_frame(lane):
    sees, lost = Reader(), Reader(frozenset({"7"}))
    tell(lane, [removed("7")], sees, lost)
    assert (sees.waiting, sees.packets) == ("", 0)
    assert lost.waiting == "7=0;"


def test_each_gets_the_removals_that_concern_it_and_all_the_rest(lane):
    readers = {
        "": Reader(),
        "7": Reader(frozenset({"7"})),
        "78": Reader(frozenset({"7", "8"})),
    }
    tell(
        lane,
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


def test_a_status_behind_a_removal_from_elsewhere_is_the_last_word(lane):
    sees, lost = Reader(), Reader(frozenset({"7"}))
    news = [PresenceChanged(view(Status.ONLINE), view(Status.DND)), removed("7")]
    tell(lane, news, sees, lost)
    assert (sees.waiting, lost.waiting) == ("7=2;", "7=0;")


def test_a_user_removed_and_added_again_is_present(lane):
    reader = Reader()
    tell(lane, [removed("7"), MemberAdded(CLUB, view(Status.DND))], reader)
    assert reader.waiting == "7=2;"


@given(
    st.lists(st.tuples(st.sampled_from("789"), st.sampled_from(Status), st.booleans())),
    st.frozensets(st.sampled_from("789")),
)
def test_one_packet_equals_the_same_changes_one_by_one(steps, out_of_sight):
    lane = SocketLane(VoicePingEncoder(form), FdTable())
    news = [
        removed(user, was=status)
        if is_removal
        else PresenceChanged(view(status, user), view(status, user), is_forwarded=True)
        for user, status, is_removal in steps
    ]
    together, one_by_one = Reader(out_of_sight), Reader(out_of_sight)
    # One key each, as the broadcaster would have it in rounds of their own.
    packet = lane.render([(n, Announcement(each, 1)) for n, each in enumerate(news)])
    if packet is not None:
        lane.offer_all(packet, [lane.admit(together)])
    for each in news:
        tell(lane, [each], one_by_one)
    assert together.kept == one_by_one.kept


# -- encoding


def test_a_frame_is_encoded_once_for_all_readers_and_newcomers(lane, encoded):
    news = PresenceChanged(view(Status.ONLINE), view(Status.DND))
    for _ in range(3):
        tell(lane, [news], Reader(), Reader())
    assert lane.encoder.present([view(Status.DND)]) == b"7=2;"
    assert encoded == [("7", 2)]


# -- dialects that name servers --------------------------------------------------------------


def test_a_dialect_with_servers_gets_every_removal():
    lane, sees, lost = SocketLane(Plain(), FdTable()), Reader(), Reader(frozenset({"7"}))
    packet = tell(lane, [removed("7"), MemberAdded(CLUB, view(Status.DND))], sees, lost)
    assert sees.waiting == lost.waiting == "-team/7;+club/7;"
    assert packet.vanished == ("7",)
