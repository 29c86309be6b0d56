"""The reasons why a connection is refused, or ended by a limit, as labels of metrics."""

import enum


class Refusal(enum.StrEnum):
    """A connection or request that was refused before it had a session."""

    ADDRESS_LIMIT = "address_limit"
    USER_LIMIT = "user_limit"
    OUT_OF_FILES = "out_of_files"
    HEAD_TIMED_OUT = "head_timed_out"
    MALFORMED = "malformed"
    ORIGIN = "origin"
    LOGIN_TIMED_OUT = "login_timed_out"
    LOGINS_CROWDED = "logins_crowded"


class CutOff(enum.StrEnum):
    """An open connection that was ended because its client broke a limit."""

    FRAME_LIMIT = "frame_limit"
    SLOW = "slow"


Fault = Refusal | CutOff
