"""A start of the server, in the database: nobody is shown online, and what it holds is read."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import cast

import attrs
from sqlite_utils.db import Database

from presence.adapters.store_sqlite.file import write_transaction
from presence.adapters.store_sqlite.rows import record_of
from presence.adapters.store_sqlite.schema import table, without_index_of_not_offline
from presence.core.memberships.table import BY_ADMIN, BY_CLAIM, BY_SHOWN_CLAIM, MembershipGroup
from presence.core.record import Record
from presence.core.types import PublicView, ServerId, UserId
from presence.core.versions import Versions
from presence.errors import DataUnusable
from presence.live.ports import MembershipTable, Revocation, StartupState, UnreadableRow


def begin_run(db: Database, now_wall: float) -> None:
    """Count the start, show everybody offline and clear the texts whose time has passed.

    Those whom a lease still shows stay as they are. One transaction. Touches only
    rows that change, found by partial indexes; where that is most of them, it
    goes through all users once.
    """
    meta = _read_meta(db)
    versions = Versions(meta.start_number + 1)
    before_all = versions.latest
    has_crashed = meta.ended_start != meta.start_number
    with write_transaction(db):
        db.execute("UPDATE meta SET start_number = ?", [versions.epoch])
        if has_crashed:  # who was told of newer versions must not find the stored ones old
            db.execute("UPDATE meta SET version_floor = ?", [before_all])
        db.register_function(versions.next, name="next_version", replace=True)
        shown = {each.view.user_id for each in _read_leased(db, now_wall, is_announced=True)}
        db.register_function(lambda user_id: user_id in shown, name="is_shown_by_lease")
        with without_index_of_not_offline(db) if _are_most_shown(db) else nullcontext():
            db.execute(_SHOW_OFFLINE, {"seen_at": meta.committed_at, "now": now_wall})
        db.execute(_CLEAR_TEXTS, {"now": now_wall})
        db.execute(_CLEAR_OWN_TEXTS, {"now": now_wall})
        if versions.latest > before_all:
            db.execute("UPDATE meta SET latest_version = ?", [versions.latest])


def _are_most_shown(db: Database) -> bool:
    """Whether so many are shown online that one pass over all users is the quicker way."""
    users = table(db, "users")
    changing = users.count_where("status != 'offline'")
    return changing >= _MANY and changing * _ONE_IN >= users.count_where("is_shown = 1")


_MANY = 1000
_ONE_IN = 8
"""Measured: to take one user out of the index takes as long as to pass by about 8 others."""

# last_seen is null in these rows; max() holds where somebody put a time there.
_SHOW_OFFLINE = """
UPDATE users SET
    version = next_version(),
    status = 'offline',
    activity = NULL,
    last_seen = max(coalesce(last_seen, :seen_at), :seen_at),
    custom_status = CASE WHEN custom_status_until <= :now THEN NULL ELSE custom_status END,
    custom_status_until = CASE WHEN custom_status_until <= :now THEN NULL
        ELSE custom_status_until END
WHERE status != 'offline' AND NOT is_shown_by_lease(id)
"""

_CLEAR_TEXTS = """
UPDATE users SET version = next_version(), custom_status = NULL, custom_status_until = NULL
WHERE custom_status_until <= :now
"""

_CLEAR_OWN_TEXTS = """
UPDATE users SET own_custom_status = NULL, own_custom_status_until = NULL
WHERE own_custom_status_until <= :now
"""


def read_startup_state(db: Database, now_wall: float) -> StartupState:
    """The state from which the present life of the server starts. Senseless rows grant nothing."""
    meta = _read_meta(db)
    with _hardly_cached(db):
        return StartupState(
            epoch=meta.start_number,
            settled_epoch=meta.settled_start,
            servers=dict(_read_servers(db)),
            memberships=_read_memberships(db),
            revocations=list(_read_revocations(db, now_wall)),
            text_ends=dict(_read_text_ends(db)),
            leased=_read_leased_views(db, now_wall),
            announced_count=table(db, "users").count_where("is_shown = 1"),
            was_moved_aside=meta.moved_aside == 1,
        )


@contextmanager
def _hardly_cached(db: Database) -> Iterator[None]:
    """Keep next to nothing of the file in memory: what is read once is not read again soon."""
    (usual,) = db.execute("PRAGMA cache_size").fetchone()
    db.execute("PRAGMA cache_size = -1024")
    yield
    db.execute(f"PRAGMA cache_size = {usual}")


def read_version_floor(db: Database) -> int:
    """The least version that any view has: one of a run that followed a crash, or 0."""
    floor = table(db, "meta").get(1)["version_floor"]
    return floor if isinstance(floor, int) else 0


def _read_servers(db: Database) -> Iterator[tuple[ServerId, str]]:
    for row in table(db, "servers").rows:
        name = row["name"]
        yield ServerId(row["id"]), name if isinstance(name, str) else row["id"]


def _read_memberships(db: Database) -> MembershipTable:
    return MembershipTable.loaded(_read_groups(db))


def _read_groups(db: Database) -> Iterator[MembershipGroup]:
    # A row for each server and, for most, no turn for each member: there may be millions.
    servers = db.execute(_MEMBERS)
    while rows := servers.fetchmany(_SERVERS_AT_ONCE):
        yield from [group for row in rows for group in _groups_of(*row)]


def _groups_of(server_id: object, *texts: str | None) -> Iterator[MembershipGroup]:
    """The members of one server; *texts* name those with each reason."""
    if not isinstance(server_id, str) or _APART in server_id:
        return
    reasons_of: dict[str, int] = defaultdict(int)
    for reason, text in zip(_REASONS, texts, strict=True):
        if text is not None:
            reasons_of[text] += reason
    for reasons, user_ids in _by_reasons(reasons_of):
        yield ServerId(server_id), reasons, user_ids


def _by_reasons(reasons_of: Mapping[str, int]) -> Iterable[tuple[int, list[UserId]]]:
    """Each user once, by the sum of *reasons_of* the texts that name it."""
    named = [(reasons, _ids_in(text)) for text, reasons in reasons_of.items()]
    if len(named) == 1 or _are_disjoint([user_ids for _, user_ids in named]):
        return named
    sums: dict[UserId, int] = defaultdict(int)
    for reasons, user_ids in named:
        for user_id in user_ids:
            sums[user_id] += reasons
    groups: dict[int, list[UserId]] = defaultdict(list)
    for user_id, reasons in sums.items():
        groups[reasons].append(user_id)
    return groups.items()


def _are_disjoint(lists: Sequence[Sequence[UserId]]) -> bool:
    return len(set().union(*lists)) == sum(map(len, lists))


def _ids_in(text: str) -> list[UserId]:
    return cast("list[UserId]", text.split(_APART))


_SERVERS_AT_ONCE = 1000
"""Measured: one by one takes a fifth longer, for each step drives the next out of the caches."""

_APART = "\n"
_REASONS = (BY_ADMIN, BY_CLAIM, BY_SHOWN_CLAIM)

# A reason that is not exactly 1 is no reason. The rows lie by server, so nothing is sorted.
_MEMBERS = f"""
SELECT
    server_id,
    group_concat(user_id, '{_APART}') FILTER (WHERE by_admin = 1),
    group_concat(user_id, '{_APART}') FILTER (WHERE by_claim = 1),
    group_concat(user_id, '{_APART}') FILTER (WHERE by_shown_claim = 1)
FROM memberships
WHERE typeof(user_id) = 'text' AND instr(user_id, '{_APART}') = 0
GROUP BY server_id
"""


def _read_revocations(db: Database, now_wall: float) -> Iterator[Revocation]:
    for row in table(db, "revocations").rows:
        at, version = row["revoked_at"], row["last_version"]
        # A time that makes no sense refuses every token issued up to now.
        is_time = isinstance(at, float) and math.isfinite(at)
        yield Revocation(
            user_id=UserId(row["user_id"]),
            revoked_at=at if is_time else now_wall,
            last_version=version if isinstance(version, int) else 0,
        )


def _read_text_ends(db: Database) -> Iterator[tuple[UserId, float]]:
    where = "custom_status_until IS NOT NULL AND typeof(custom_status_until) = 'real'"
    for row in table(db, "users").rows_where(where, select="id, custom_status_until"):
        yield UserId(row["id"]), row["custom_status_until"]


def _read_leased(db: Database, now_wall: float, *, is_announced: bool = False) -> Iterator[Record]:
    """The users whom a lease holds, or those alone whom it shows; bad rows are left out."""
    for row in table(db, "users").rows_where("lease_ends != '{}'"):
        with suppress(UnreadableRow):
            record = record_of(row)
            if record.is_shown_by_lease(now_wall) if is_announced else record.leased_at(now_wall):
                yield record


def _read_leased_views(db: Database, now_wall: float) -> dict[UserId, PublicView]:
    floor = read_version_floor(db)
    views = (record.view for record in _read_leased(db, now_wall))
    return {view.user_id: view.numbered(max(view.version, floor)) for view in views}


@attrs.frozen
class _Meta:
    start_number: int = attrs.field(validator=attrs.validators.instance_of(int))
    settled_start: int = attrs.field(validator=attrs.validators.instance_of(int))
    ended_start: int = attrs.field(validator=attrs.validators.instance_of(int))
    committed_at: float = attrs.field(validator=attrs.validators.instance_of(float))
    moved_aside: int = attrs.field(validator=attrs.validators.in_((0, 1)))


def _read_meta(db: Database) -> _Meta:
    row = table(db, "meta").get(1)
    try:
        return _Meta(**{name: row[name] for name in attrs.fields_dict(_Meta)})
    except (TypeError, ValueError) as error:
        raise DataUnusable(f"the table meta makes no sense: {row}") from error
