"""The errors of this package, and their exit codes.

PresenceError
├── InvalidInput        input from outside that is refused; names the field
├── StoreUnavailable    the database cannot be read or written now
├── UserUnavailable     a user's actor did not answer; another attempt may succeed
├── UserCrashed         a user's actor crashed on the very request
├── TokenRefused        a token that lets nobody in; says why
└── StartFailed         the server cannot start; carries the exit code
    ├── BadConfig           78
    ├── DataUnusable        74
    └── AddressUnavailable  69
        └── PortTaken
"""

import enum


class PresenceError(Exception):
    """Root of every error of this package."""


class InvalidInput(PresenceError):
    """Input that is answered, never a crash: the *field* and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class StoreUnavailable(PresenceError):
    """The store cannot be read or written now; what depends on a read fails closed."""


class UserUnavailable(PresenceError):
    """The user's actor did not answer in time, takes no more requests, or is stopping."""


class UserCrashed(PresenceError):
    """The user's actor crashed while it handled the request, which is lost."""


class TokenProblem(enum.StrEnum):
    """Why a token is refused; also a label of the metrics."""

    MISSING = "missing"
    MALFORMED = "malformed"
    TOO_LONG = "too long"
    WRONG_ALGORITHM = "wrong algorithm"
    WRONG_SIGNATURE = "wrong signature"
    WRONG_ISSUER = "wrong issuer"
    WRONG_AUDIENCE = "wrong audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    UNUSABLE_TIME = "unusable time"
    NO_USER = "no valid user"
    UNUSABLE_CLAIM = "unusable claim"
    REFRESH_TOKEN = "a refresh token"
    REVOKED = "revoked"


class TokenRefused(PresenceError):
    """A token that is not accepted, or no longer."""

    def __init__(self, reason: TokenProblem) -> None:
        super().__init__(f"the token is refused: {reason}")
        self.reason = reason


class StartFailed(PresenceError):
    """The server cannot start; the text is a sentence for the operator."""

    exit_code = 70


class BadConfig(StartFailed):
    """A setting is unknown, out of range or at odds with another one."""

    exit_code = 78


class DataUnusable(StartFailed):
    """The data directory cannot be read or written."""

    exit_code = 74


class AddressUnavailable(StartFailed):
    """The address to listen on is not ours, not known, or not for this process."""

    exit_code = 69


class PortTaken(AddressUnavailable):
    """Somebody else listens on the port."""
