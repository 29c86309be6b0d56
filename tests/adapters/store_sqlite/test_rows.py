"""A record as a row and back: the same record, or no record at all."""

import contextlib
import sqlite3

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.adapters.store_sqlite.rows import bare_view, record_of, row_of, view_of
from presence.core.events import REST_DEVICE
from presence.core.record import Record
from presence.core.types import DeviceId, PublicView, State, Status, Text, UserId
from presence.live.ports import UnreadableRow

ids = st.from_regex(r"[A-Za-z0-9._~@+=-]{3,128}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=128)
devices = ids | st.just(REST_DEVICE)
times = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63 - 1)
statuses = st.sampled_from(Status)


def public_views():
    return st.builds(
        PublicView,
        user_id=ids,
        username=texts,
        status=statuses,
        custom_status=st.none() | texts,
        custom_status_until=st.none() | times,
        activity=st.none() | texts,
        version=counts,
        last_seen=st.none() | times,
    )


def records():
    return bare_records().flatmap(with_leases)


def with_leases(record):
    """*record* with leases of some of its devices."""
    devices = sorted(record.device_states)
    ends = st.dictionaries(st.sampled_from(devices), times) if devices else st.just({})
    return ends.map(lambda lease_ends: attrs.evolve(record, lease_ends=lease_ends))


def bare_records():
    return st.builds(
        Record,
        view=public_views(),
        name=texts,
        is_announced=st.booleans(),
        custom_status=st.none() | texts,
        custom_status_until=st.none() | times,
        activity=st.none() | texts,
        intent=statuses,
        intent_until=st.none() | times,
        former_intent=statuses,
        appear_offline=st.booleans(),
        forced_hidden=st.booleans(),
        attached_in=st.none() | counts,
        device_states=st.dictionaries(devices, st.sampled_from(State), max_size=3),
        awaited_states=st.dictionaries(devices, st.sampled_from(State), max_size=3),
        claims_at=times,
        named_at=times,
    )


RECORD = Record(
    view=PublicView(UserId("ada"), "Ada", Status.AWAY, Text("out"), 5.0, Text("chess"), 7),
    name="Ada",
    is_announced=True,
    device_states={DeviceId("phone"): State.IDLE},
)


@given(records())
def test_a_record_comes_back_as_it_was(record):
    assert record_of(row_of(record)) == record


@given(records())
def test_the_public_view_is_read_from_the_public_columns_alone(record):
    public = {
        field: row_of(record)[field]
        for field in attrs.asdict(record.view) | {"id": 0}
        if field != "user_id"
    }
    assert view_of(public) == record.view


def test_a_hidden_user_and_a_gone_one_have_equal_public_columns():
    gone = Record(
        PublicView(UserId("ada"), "Ada", version=7, last_seen=3.0), "Ada", is_announced=True
    )
    hidden = attrs.evolve(
        gone,
        name="Ada L.",
        custom_status=Text("secret"),
        custom_status_until=9.0,
        activity=Text("hiding"),
        intent=Status.OFFLINE,
        intent_until=8.0,
        former_intent=Status.DND,
        appear_offline=True,
        forced_hidden=True,
        attached_in=4,
        device_states={DeviceId("phone"): State.ONLINE},
        awaited_states={DeviceId("laptop"): State.IDLE},
        lease_ends={DeviceId("phone"): 6.0},
        claims_at=2.0,
        named_at=1.0,
    )
    differing = {name for name, value in row_of(hidden).items() if row_of(gone)[name] != value}
    truth = {
        "own_name",
        "own_custom_status",
        "own_custom_status_until",
        "own_activity",
        "intent",
        "intent_until",
        "former_intent",
        "appear_offline",
        "is_sealed",
        "attached_in",
        "device_states",
        "awaited_states",
        "lease_ends",
        "claims_at",
        "named_at",
    }
    assert differing == truth


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", 7),
        ("username", None),
        ("username", b"Ada"),
        ("status", "invisible"),
        ("status", "Online"),
        ("status", None),
        ("status", 1),
        ("custom_status", 5),
        ("activity", b"\xff"),
        ("custom_status_until", "tomorrow"),
        ("custom_status_until", float("inf")),
        ("version", 1.0),
        ("version", -1),
        ("version", None),
        ("last_seen", "1970"),
        ("is_shown", 2),
        ("is_shown", 1.0),
        ("is_shown", "1"),
        ("own_name", None),
        ("own_custom_status", 5),
        ("own_activity", 5),
        ("intent", "busy"),
        ("intent", None),
        ("intent_until", "never"),
        ("former_intent", ""),
        ("appear_offline", None),
        ("appear_offline", -1),
        ("is_sealed", "yes"),
        ("attached_in", "1"),
        ("attached_in", -1),
        ("device_states", None),
        ("device_states", ""),
        ("device_states", "{"),
        ("device_states", "[]"),
        ("device_states", '["phone"]'),
        ("device_states", '{"phone": "asleep"}'),
        ("device_states", '{"phone": 1}'),
        ("device_states", '{"phone": null}'),
        ("device_states", '{"a phone": "idle"}'),
        ("device_states", '{"/phone": "idle"}'),
        ("device_states", b'{"phone": "idle"}'),
        ("awaited_states", None),
        ("awaited_states", "["),
        ("awaited_states", '["phone"]'),
        ("awaited_states", '{"phone": "asleep"}'),
        ("awaited_states", '{"a phone": "idle"}'),
        ("lease_ends", None),
        ("lease_ends", "{"),
        ("lease_ends", "[]"),
        ("lease_ends", '{"phone": 5}'),
        ("lease_ends", '{"phone": "soon"}'),
        ("lease_ends", '{"phone": null}'),
        ("lease_ends", '{"phone": NaN}'),
        ("lease_ends", '{"laptop": 5.0}'),
        ("lease_ends", b'{"phone": 5.0}'),
        ("claims_at", None),
        ("claims_at", float("nan")),
        ("named_at", None),
        ("named_at", 1),
    ],
)
def test_a_value_that_we_cannot_have_written_is_never_guessed_at(column, value):
    with pytest.raises(UnreadableRow, match=column if column != "id" else "id"):
        record_of(row_of(RECORD) | {column: value})


@given(
    st.sampled_from(sorted(row_of(RECORD))),
    st.none() | st.integers() | st.text() | st.floats() | st.binary(),
)
def test_any_value_in_any_column_gives_a_record_or_unreadable(column, value):
    row = row_of(RECORD) | {column: value}
    with contextlib.suppress(UnreadableRow):
        assert row_of(record_of(row))[column] == value or column.endswith(("_states", "_ends"))


def test_the_bare_view_keeps_only_a_version_that_makes_sense():
    row = row_of(RECORD) | {"username": None}
    assert bare_view(row) == PublicView(UserId("ada"), "ada", version=7)
    assert bare_view(row | {"version": "x"}) == PublicView(UserId("ada"), "ada")


@given(records())
def test_sqlite_gives_each_row_back_as_it_took_it(record):
    row = row_of(record)
    database = sqlite3.connect(":memory:")
    kept = database.execute(f"SELECT {', '.join('?' * len(row))}", list(row.values())).fetchone()
    database.close()
    assert dict(zip(row, kept, strict=True)) == row
