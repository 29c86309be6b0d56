"""A user's record as a row of the table `users`, and back. Reading is strict.

A value that this program cannot have written makes the row unreadable; nothing
is coerced, for a guess could show somebody who is hidden.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

import orjson

from presence.core.events import REST_DEVICE
from presence.core.ids import parse_device_id
from presence.core.record import Record
from presence.core.types import DeviceId, PublicView, State, Status, Text, UserId
from presence.errors import InvalidInput
from presence.live.ports import UnreadableRow

Value = str | int | float | None
Row = Mapping[str, object]
Choice = TypeVar("Choice", Status, State)

PUBLIC_COLUMNS = (
    "id, username, status, custom_status, custom_status_until, activity, version, last_seen"
)


def row_of(record: Record) -> dict[str, Value]:
    """The row that keeps *record*."""
    view = record.view
    return {
        "id": view.user_id,
        "username": view.username,
        "status": view.status.value,
        "custom_status": view.custom_status,
        "activity": view.activity,
        "custom_status_until": view.custom_status_until,
        "version": view.version,
        "last_seen": view.last_seen,
        "is_shown": int(record.is_announced),
        "own_name": record.name,
        "own_custom_status": record.custom_status,
        "own_custom_status_until": record.custom_status_until,
        "own_activity": record.activity,
        "intent": record.intent.value,
        "intent_until": record.intent_until,
        "former_intent": record.former_intent.value,
        "appear_offline": int(record.appear_offline),
        "is_sealed": int(record.forced_hidden),
        "attached_in": record.attached_in,
        "device_states": _json_of(record.device_states),
        "awaited_states": _json_of(record.awaited_states),
        "lease_ends": orjson.dumps(record.lease_ends).decode(),
        "claims_at": record.claims_at,
        "named_at": record.named_at,
    }


def record_of(row: Row) -> Record:
    """The record that *row* keeps; raises `UnreadableRow`."""
    device_states = _device_states(row, "device_states")
    return Record(
        view=view_of(row),
        name=_text(row, "own_name"),
        is_announced=_flag(row, "is_shown"),
        custom_status=_text_or_none(row, "own_custom_status"),
        custom_status_until=_time_or_none(row, "own_custom_status_until"),
        activity=_text_or_none(row, "own_activity"),
        intent=_choice(Status, row["intent"], "intent"),
        intent_until=_time_or_none(row, "intent_until"),
        former_intent=_choice(Status, row["former_intent"], "former_intent"),
        appear_offline=_flag(row, "appear_offline"),
        forced_hidden=_flag(row, "is_sealed"),
        attached_in=None if row["attached_in"] is None else _count(row, "attached_in"),
        device_states=device_states,
        awaited_states=_device_states(row, "awaited_states"),
        lease_ends=_lease_ends(row, device_states),
        claims_at=_time(row, "claims_at"),
        named_at=_time(row, "named_at"),
    )


def view_of(row: Row) -> PublicView:
    """The public view that *row* keeps; raises `UnreadableRow`."""
    return PublicView(
        user_id=UserId(_text(row, "id")),
        username=_text(row, "username"),
        status=_choice(Status, row["status"], "status"),
        custom_status=_text_or_none(row, "custom_status"),
        custom_status_until=_time_or_none(row, "custom_status_until"),
        activity=_text_or_none(row, "activity"),
        version=_count(row, "version"),
        last_seen=_time_or_none(row, "last_seen"),
    )


def bare_view(row: Row) -> PublicView:
    """The view of a user whose row makes no sense: offline, without texts."""
    user_id = UserId(_text(row, "id"))
    version = row["version"]
    # The version stays where it can: a client ignores what is older than what it has.
    return PublicView(user_id, user_id, version=version if type(version) is int else 0)


def _text(row: Row, column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise UnreadableRow(f"{column} is not a text")
    return value


def _text_or_none(row: Row, column: str) -> Text | None:
    return None if row[column] is None else Text(_text(row, column))


def _time(row: Row, column: str) -> float:
    value = row[column]
    if not isinstance(value, float) or not math.isfinite(value):
        raise UnreadableRow(f"{column} is not a time")
    return value


def _time_or_none(row: Row, column: str) -> float | None:
    return None if row[column] is None else _time(row, column)


def _count(row: Row, column: str) -> int:
    value = row[column]
    if not isinstance(value, int) or value < 0:
        raise UnreadableRow(f"{column} is not a number")
    return value


def _flag(row: Row, column: str) -> bool:
    value = row[column]
    if not isinstance(value, int) or value not in (0, 1):
        raise UnreadableRow(f"{column} is neither 0 nor 1")
    return value == 1


def _choice(kind: type[Choice], value: object, column: str) -> Choice:
    try:
        return kind(value)
    except ValueError as error:
        raise UnreadableRow(f"{column} is none of the known values") from error


def _json_of(states: Mapping[DeviceId, State]) -> str:
    return orjson.dumps({device: state.value for device, state in states.items()}).decode()


def _lease_ends(row: Row, states: Mapping[DeviceId, State]) -> dict[DeviceId, float]:
    """The ends of leases, each of a device that has one of *states*."""
    try:
        ends = orjson.loads(_text(row, "lease_ends"))
    except orjson.JSONDecodeError as error:
        raise UnreadableRow("lease_ends makes no sense") from error
    if not isinstance(ends, dict) or not ends.keys() <= states.keys():
        raise UnreadableRow("lease_ends does not name devices")
    if not all(isinstance(end, float) for end in ends.values()):
        raise UnreadableRow("lease_ends names something that is no time")
    return ends


def _device_states(row: Row, column: str) -> dict[DeviceId, State]:
    try:
        states = orjson.loads(_text(row, column))
        if not isinstance(states, dict):
            raise UnreadableRow(f"{column} is not an object")
        return {_device_of(name): _choice(State, state, column) for name, state in states.items()}
    except (orjson.JSONDecodeError, InvalidInput) as error:
        raise UnreadableRow(f"{column} makes no sense") from error


def _device_of(name: object) -> DeviceId:
    """Raises `InvalidInput`. A `rest` of older versions is a device like any other."""
    return REST_DEVICE if name == REST_DEVICE else parse_device_id(name)
