"""What is made of a user's parts: for its own devices, for the public view, for the store."""

from presence.core.attendance import Attendance
from presence.core.choices import Choices
from presence.core.record import Record
from presence.core.types import Deadline, PublicView, SelfView, Status, UserId
from presence.core.visibility import Truth


def self_view_of(user_id: UserId, name: str, status: Status, chosen: Choices) -> SelfView:
    """What the user's own devices get."""
    return SelfView(
        id=user_id,
        username=name,
        status=status,
        intent=chosen.intent,
        until=_wall(chosen.until),
        appear_offline=chosen.appear_offline,
        custom_status=chosen.custom_status,
        custom_status_until=_wall(chosen.custom_status_until),
        activity=chosen.activity,
    )


def truth_of(name: str, status: Status, chosen: Choices) -> Truth:
    """What the public view follows while others see the user."""
    return Truth(
        status=status,
        username=name,
        custom_status=chosen.custom_status,
        custom_status_until=_wall(chosen.custom_status_until),
        activity=chosen.activity,
    )


def record_of(
    view: PublicView,
    chosen: Choices,
    attendance: Attendance,
    *,
    start_number: int,
    is_shown: bool,
    name: str,
    named_at: float,
    claims_at: float,
) -> Record:
    """What is to be stored in the run *start_number*."""
    return Record(
        view=view,
        name=name,
        is_shown=is_shown,
        custom_status=chosen.custom_status,
        custom_status_until=_wall(chosen.custom_status_until),
        activity=chosen.activity,
        intent=chosen.intent,
        intent_until=_wall(chosen.until),
        former_intent=chosen.former_intent,
        appear_offline=chosen.appear_offline,
        is_sealed=chosen.is_sealed,
        attached_in=_attached_in(attendance, start_number),
        device_states=attendance.states,
        awaited_states=attendance.awaited_states,
        claims_at=claims_at,
        named_at=named_at,
    )


def _attached_in(attendance: Attendance, start_number: int) -> int | None:
    if attendance.devices:
        return start_number
    return attendance.kept.attached_in if attendance.kept else None


def _wall(deadline: Deadline | None) -> float | None:
    return None if deadline is None else deadline.wall
