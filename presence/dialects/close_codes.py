"""The codes with which the server closes WebSockets, the same in all dialects."""

import enum


class CloseCode(enum.IntEnum):
    """A client reconnects with jitter, but for these: after 4001 with a new token, after 4002
    and 4003 not by itself. Pipes have no codes.
    """

    TOO_MANY_BAD_FRAMES = 1008
    CRASHED = 1011
    STOPPING = 1012
    TOKEN = 4001
    DISCONNECTED = 4002
    REPLACED = 4003
    TOO_MANY_DEVICES = 4008
