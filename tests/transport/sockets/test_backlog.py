"""The order in which waiting bytes go, and that frames stay whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.transport.sockets.backlog import WRITE_BYTES, Backlog


def sent_by(backlog, *, at_once=10**9):
    """Take everything out, at most *at_once* bytes at a time."""
    out = b""
    while not backlog.is_empty:
        data = bytes(backlog.next_bytes())[:at_once]
        out += data
        backlog.mark_sent(len(data))
    return out


@pytest.mark.parametrize("at_once", [1, 3, 10**9])
def test_snapshot_then_pushed_then_keys_in_order(at_once):
    backlog = Backlog()
    backlog.offer("a", b"<a1>")
    backlog.offer("b", b"<b1>")
    backlog.push_snapshot([b"<snap", b"", b"shot>"])
    backlog.push(b"<ready>")
    backlog.push(b"<pong>")
    assert sent_by(backlog, at_once=at_once) == b"<snapshot><ready><pong><a1><b1>"


def test_a_newer_frame_replaces_the_older_and_waits_last():
    backlog = Backlog()
    replaced = [backlog.offer(key, frame) for key, frame in [("a", b"1"), ("b", b"2"), ("a", b"3")]]
    assert replaced == [False, False, True]
    assert (backlog.waiting_keys, backlog.unsent_bytes) == (2, 2)
    assert sent_by(backlog) == b"23"


def test_a_partly_written_frame_is_finished_before_anything_else():
    backlog = Backlog()
    backlog.offer("a", b"<old>")
    backlog.mark_sent(2)
    backlog.offer("a", b"<new>")
    backlog.push(b"<pushed>")
    assert sent_by(backlog) == b"ld><pushed><new>"


def test_a_dropped_key_is_not_sent():
    backlog = Backlog()
    backlog.offer("a", b"<a>")
    backlog.offer("b", b"<b>")
    backlog.drop("a")
    backlog.drop("unknown")
    assert sent_by(backlog) == b"<b>"


def test_one_write_takes_no_more_than_its_share():
    backlog = Backlog()
    for key in range(100):
        backlog.offer(key, b"x" * 1000)
    assert WRITE_BYTES <= len(backlog.next_bytes()) < WRITE_BYTES + 1000
    assert len(sent_by(backlog)) == 100_000


def test_a_snapshot_is_not_copied_and_not_counted_as_pushed():
    shared = bytes(1_000_000)
    backlog = Backlog()
    backlog.push_snapshot([shared, b"end"])
    assert backlog.next_bytes().obj is shared
    assert (backlog.pushed_bytes, backlog.unsent_bytes) == (0, 1_000_003)
    assert sent_by(backlog) == shared + b"end"


def test_small_chunks_of_a_snapshot_go_in_one_write():
    backlog = Backlog()
    backlog.push_snapshot([b"<head>", b"x" * 1000, b"<tail>"])
    assert backlog.next_bytes() == b"<head>" + b"x" * 1000 + b"<tail>"


@given(st.lists(st.binary(max_size=9)), st.data())
def test_a_snapshot_arrives_whole_however_it_is_taken(chunks, data):
    backlog, out = Backlog(), b""
    backlog.push_snapshot(chunks)
    while not backlog.is_empty:
        offered = bytes(backlog.next_bytes())
        taken = data.draw(st.integers(1, len(offered)))
        out += offered[:taken]
        backlog.mark_sent(taken)
    assert out == b"".join(chunks)


def begun(how):
    """A backlog in which `egun>` is the rest of a frame, and all else waits behind it."""
    backlog = Backlog()
    if how == "snapshot":
        backlog.push_snapshot([b"<be", b"gun>"])
        backlog.mark_sent(2)
    elif how == "pushed":
        backlog.push(b"<begun>")
        backlog.mark_sent(2)
    elif how == "rest":
        backlog.push(b"egun>", is_begun=True)
    else:
        backlog.offer("key", b"<begun>")
        backlog.mark_sent(2)
    backlog.push(b"<pushed>")
    backlog.offer("a", b"<a>")
    return backlog


@pytest.mark.parametrize("how", ["snapshot", "pushed", "rest", "key"])
def test_the_rest_of_a_frame_can_be_kept_alone(how):
    backlog = begun(how)
    backlog.forget_unbegun()
    backlog.push(b"<farewell>")
    assert (backlog.waiting_keys, backlog.pushed_bytes) == (0, 15 if how != "snapshot" else 10)
    assert sent_by(backlog) == b"egun><farewell>"


def test_where_no_frame_is_begun_nothing_is_kept():
    backlog = Backlog()
    backlog.push_snapshot([b"<snapshot>"])
    backlog.push(b"<pushed>")
    backlog.offer("a", b"<a>")
    backlog.forget_unbegun()
    assert backlog.is_empty


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.binary(min_size=1, max_size=5)),
        st.tuples(st.sampled_from("abc"), st.binary(min_size=1, max_size=5)),
        st.tuples(st.just("sent"), st.integers(0, 12)),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_frames_stay_whole_and_the_last_of_each_key_arrives(operations):
    """Each frame is written as its length, a mark of its kind and its payload."""
    backlog, out = Backlog(), b""
    pushed, latest = [], {}
    for kind, value in operations:
        if kind == "sent":
            data = bytes(backlog.next_bytes())[:value] if not backlog.is_empty else b""
            out += data
            backlog.mark_sent(len(data)) if data else None
        elif kind == "push":
            pushed.append(value)
            backlog.push(bytes((len(value),)) + b"p" + value)
        else:
            latest[kind] = value
            backlog.offer(kind, bytes((len(value),)) + kind.encode() + value)
    out += sent_by(backlog)
    got = []
    while out:
        size = out[0]
        got.append((chr(out[1]), out[2 : 2 + size]))
        out = out[2 + size :]
    assert [payload for kind, payload in got if kind == "p"] == pushed
    assert {kind: payload for kind, payload in got if kind != "p"} == latest


@given(OPERATIONS)
def test_only_the_rest_of_a_frame_precedes_the_close_frame(operations):
    backlog, out = Backlog(), b""
    for kind, value in operations:
        if kind == "sent":
            data = bytes(backlog.next_bytes())[:value] if not backlog.is_empty else b""
            out += data
            backlog.mark_sent(len(data)) if data else None
        elif kind == "push":
            backlog.push(bytes((len(value),)) + value)
        else:
            backlog.offer(kind, bytes((len(value),)) + value)
    backlog.forget_unbegun()
    backlog.push(b"<last>")
    ends_at = 0
    while ends_at < len(out):
        ends_at += 1 + out[ends_at]
    assert len(out) + len(sent_by(backlog)) == ends_at + len(b"<last>")
