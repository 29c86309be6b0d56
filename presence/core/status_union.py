"""The union: devices, intent and flag give one status."""

from collections.abc import Iterable

from presence.core.types import State, Status


def strongest(states: Iterable[State]) -> State:
    """The strongest of *states*: online > idle > offline; of none, offline."""
    found = State.OFFLINE
    for state in states:
        if state is State.ONLINE:
            return state
        if state is State.IDLE:
            found = state
    return found


def union(counted: Iterable[State], intent: Status, *, is_hiding: bool) -> Status:
    """The status of a user: what everybody sees, or would see.

    *counted* are the states of the devices that count; *is_hiding* is true
    while the user's flag, or a lost intent, hides it. The order of the devices
    does not matter. First match wins.
    """
    if is_hiding or intent is Status.OFFLINE:
        return Status.OFFLINE
    state = strongest(counted)
    if state is State.OFFLINE:
        return Status.OFFLINE
    if intent is not Status.ONLINE:
        return intent
    return Status.ONLINE if state is State.ONLINE else Status.AWAY
