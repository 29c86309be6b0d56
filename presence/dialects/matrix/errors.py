"""Errors in the form of the Matrix client API: a code and a sentence."""

import enum

import orjson

from presence.errors import InvalidInput


class ErrorCode(enum.StrEnum):
    """The codes of the specification that this server uses."""

    MISSING_TOKEN = "M_MISSING_TOKEN"
    UNKNOWN_TOKEN = "M_UNKNOWN_TOKEN"
    FORBIDDEN = "M_FORBIDDEN"
    BAD_JSON = "M_BAD_JSON"
    NOT_JSON = "M_NOT_JSON"
    INVALID_PARAM = "M_INVALID_PARAM"
    LIMIT_EXCEEDED = "M_LIMIT_EXCEEDED"
    UNRECOGNIZED = "M_UNRECOGNIZED"
    NOT_FOUND = "M_NOT_FOUND"
    TOO_LARGE = "M_TOO_LARGE"
    UNKNOWN = "M_UNKNOWN"


class NotJson(InvalidInput):
    """The body is no JSON at all."""


class BadJson(InvalidInput):
    """The body is JSON, but a field is missing or of another type."""


def error_json(
    code: ErrorCode,
    problem: str,
    *,
    retry_after_ms: int | None = None,
    is_soft_logout: bool = False,
) -> bytes:
    """The body of an error. *is_soft_logout*: the client may log in again and keep its data."""
    error: dict[str, object] = {"errcode": code.value, "error": problem}
    if retry_after_ms is not None:
        error["retry_after_ms"] = retry_after_ms
    if is_soft_logout:
        error["soft_logout"] = True
    return orjson.dumps(error)
