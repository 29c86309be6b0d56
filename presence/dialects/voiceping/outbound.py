"""Frames that the server sends: values in, a frame out. Text and MessagePack are its forms."""

from presence.dialects.voiceping.frames import (
    CONNECTION_ACK,
    GROUP,
    LOGIN_DUPLICATED,
    PRIVATE,
    SERVER,
    STATUS,
    Frame,
    Id,
)


def status_frame(user_id: Id, code: int) -> Frame:
    """*user_id* is now offline, online or busy, by its code."""
    return Frame(GROUP, STATUS, user_id, SERVER, code)


def login_duplicated(user_id: Id) -> Frame:
    """The last frame of a socket whose user came from another device."""
    text = f"user {user_id} has logged in on another device"
    return Frame(PRIVATE, LOGIN_DUPLICATED, SERVER, user_id, text)


def connection_ack(user_id: Id, payload: int | str) -> Frame:
    """The answer to a connection test: its payload, told back."""
    return Frame(PRIVATE, CONNECTION_ACK, SERVER, user_id, payload)
