"""Errors of the Matrix client API as HTTP answers."""

from presence.dialects.matrix.errors import BadJson, ErrorCode, NotJson, error_json
from presence.errors import TokenProblem, TokenRefused
from presence.transport.http.request import JSON, HttpError, Response

_BY_STATUS = {
    400: ErrorCode.INVALID_PARAM,
    401: ErrorCode.UNKNOWN_TOKEN,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.UNRECOGNIZED,
    405: ErrorCode.UNRECOGNIZED,
    413: ErrorCode.TOO_LARGE,
    429: ErrorCode.LIMIT_EXCEEDED,
}


def render_matrix_error(error: HttpError) -> Response:
    """An error of any part of the server in the form that Matrix clients read."""
    body = error_json(
        _code_of(error),
        error.problem,
        retry_after_ms=_retry_after_ms(error) if error.status == 429 else None,
        is_soft_logout=_is_soft_logout(error),
    )
    return Response(error.status, body, JSON + error.headers)


def _code_of(error: HttpError) -> ErrorCode:
    match error.cause:
        case TokenRefused(reason=TokenProblem.MISSING):
            return ErrorCode.MISSING_TOKEN
        case NotJson():
            return ErrorCode.NOT_JSON
        case BadJson():
            return ErrorCode.BAD_JSON
        case _:
            return _BY_STATUS.get(error.status, ErrorCode.UNKNOWN)


def _is_soft_logout(error: HttpError) -> bool:
    """An expired token: the client keeps what it has, and logs in again."""
    return isinstance(error.cause, TokenRefused) and error.cause.reason is TokenProblem.EXPIRED


def _retry_after_ms(error: HttpError) -> int:
    seconds = dict(error.headers).get("retry-after", "1")
    return 1000 * int(seconds)
